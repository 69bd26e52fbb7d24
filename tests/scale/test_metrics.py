"""The latest rows of all shards at one place."""

import urllib.error
import urllib.request
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ewad.scale import Shard
from ewad.scale.metrics import LatestMetrics, document_of
from tests.scale.records import SETTINGS, record


def rows_of(shard, number, changed):
    table = shard.latest(changed)
    return [
        {"shard": number} | dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)
    ]


@pytest.fixture
def served():
    metrics = LatestMetrics(SETTINGS.groups, clock=lambda: 1000.0)
    for number in range(2):
        shard = Shard(SETTINGS)
        numbers, values = [number, number + 2], [1.0 + number, 5.0]
        changed = shard.apply(record("plant", numbers, [990.0, 900.0 + number], values, arrival=990.0))
        metrics.update(rows_of(shard, number, changed))
    yield metrics
    metrics.close()


def scraped(metrics, query=""):
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.address[1]}/metrics{query}") as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels["stream"], sample.labels.get("beta")): (
            sample.labels["shard"],
            sample.value,
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_all_shards_and_each_are_served(served):
    both = scraped(served)
    assert both["ewad_value", "plant/0", None] == ("0", 1.0)
    assert both["ewad_value", "plant/1", None] == ("1", 2.0)
    assert both["ewad_smoothed_value", "plant/1", "0.9"] == ("1", pytest.approx(2.0))
    assert both["ewad_samples_total", "plant/3", None] == ("1", 1.0)
    one = scraped(served, "?shard=1")
    assert {stream for _, stream, _ in one} == {"plant/1", "plant/3"}
    assert {shard for shard, _ in one.values()} == {"1"}


def test_a_label_shard_of_a_stream_stays_and_that_of_ewad_gives_way():
    shard = Shard(SETTINGS)
    (row,) = rows_of(shard, 7, shard.apply(record("plant", [0], [990.0], [2.0])))
    with closing(LatestMetrics(SETTINGS.groups, clock=lambda: 1000.0)) as metrics:
        metrics.update([row | {"labels": '{"shard":"north","n":"0"}'}])
        lines = metrics.render().splitlines()
    assert 'ewad_value{stream="plant/0",shard="north",n="0",group="plant",ewad_shard="7"} 2.0' in lines


def test_streams_that_are_silent_for_too_long_have_no_series(served):
    served._clock = lambda: 1011.0  # stale_after is 20 s
    assert scraped(served) == {}


@pytest.mark.parametrize("path", ["/", "/metrics?shard=x"])
def test_what_is_not_there_is_told(served, path):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://127.0.0.1:{served.address[1]}{path}")
    assert error.value.code == 404
    error.value.close()


def test_a_row_as_a_document_has_what_is_known():
    shard = Shard(SETTINGS)
    (row,) = rows_of(shard, 0, shard.apply(record("plant", [0], [1.0], [2.0])))
    found = document_of(SETTINGS.groups[0], row)
    assert (found["stream"], found["labels"], found["value"]) == ("plant/0", {"n": "0"}, 2.0)
    assert "stddev_0.9" not in found
