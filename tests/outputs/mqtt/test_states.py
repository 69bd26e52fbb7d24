"""The documents of [publish], put together as text: they read back as the numbers that they are of."""

import json
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ewad.engine import Batch, ByCount, Engine, GroupSettings, ModelSettings
from ewad.numeric.crossing import Threshold
from ewad.outputs.mqtt.states import Curves, last_samples, names_text, standing_states, states, topic_of
from ewad.outputs.registry import told_results
from ewad.outputs.sinks import Observed, Standing
from tests.outputs.engines import smoothing_engine

MODEL = ModelSettings(
    name="m", experts=("persistence", "linear"), lags=2, horizons=(1, 12), interval=0.9, batch_size=4
)
THRESHOLDS = (Threshold('"hot" 100%', True, 25.0),)


def observed(engine, rows, values, start=0.0):
    time = start + np.arange(len(values), dtype=float)
    batch = Batch(0, np.array(rows, np.int32), time, np.array(values, dtype=float), time[-1])
    return Observed.of(engine, batch, engine.observe(batch))


def expected(observed, index, unit):
    """Return the document of the stream of an accepted sample, number by number."""
    batch, results, _, settings, standing = observed
    sample = results.accepted[index]
    document = {"time": batch.time[sample], "value": batch.value[sample]}
    for quantity, labels, values in [*told_results(settings, results), *standing]:
        word = quantity.word or quantity.column.partition("_{")[0]
        number = values[index]
        number = None if isinstance(number, float) and not math.isfinite(number) else number
        if not labels:
            document[word] = number
        elif labels[0][0] == "horizon":
            place = document.setdefault("forecast", {}).setdefault(labels[0][1], {})
            place["value" if word == "forecast" else word] = number
        else:
            document.setdefault(word, {})[labels[0][1]] = number
    return document | {"unit": unit}


@pytest.fixture
def engine():
    settings = GroupSettings(
        "g", (ByCount(0.9), ByCount(0.98)), model=MODEL, thresholds=THRESHOLDS, stale_after_seconds=60.0
    )
    engine = Engine([settings])
    for name in ("a", "b", "c"):
        engine.add_stream(0, name, (("room", name),))
    return engine


@pytest.mark.parametrize("unit", [None, "celsius", '% "rel" \\u00001 %b %s'])
def test_each_stream_s_last_state_reads_back_as_its_numbers(engine, unit):
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 2, 300)
    observed(engine, rows, 20 + rng.standard_normal(300))
    told = observed(engine, [0, 2, 1, 0, 1], [1e149, -0.5, 1e-320, 3, 20.25], start=300.0)
    last = last_samples(told)
    assert last.tolist() == [1, 3, 4]  # in the order in which they came
    found = states(told, last, unit)
    assert (found.rows, found.values) == ([2, 0, 1], [-0.5, 3.0, 20.25])
    for index, text in zip(last.tolist(), found.texts, strict=True):
        document = json.loads(names_text("g", "s", ()) + text)
        assert {key: document.pop(key) for key in ("stream", "group", "labels")} == {
            "stream": "s",
            "group": "g",
            "labels": {},
        }
        assert document == expected(told, index, unit)
    first = json.loads(names_text("g", "c", ()) + found.texts[0])
    assert first["forecast"]["12"]["upper"] is None  # nothing is known yet of this stream
    assert first["threshold"] == {'"hot" 100%': None}


def test_what_stands_at_a_start_is_told_like_what_comes(engine):
    told = observed(engine, [0, 1, 0, 1], [1, 2, 3, 4])
    found = states(told, last_samples(told), "watt")
    standing = standing_states(Standing.of(engine.groups[0], 4.0), "watt")
    assert (standing.rows, standing.values) == (found.rows, found.values)
    for mine, theirs in zip(standing.texts, found.texts, strict=True):
        document = json.loads(b"{" + theirs[1:])
        of_model = {key: document[key] for key in ("loss", "learning_rate")}  # which stands for no stream
        assert json.loads(b"{" + mine[1:]) | of_model == document


def test_nothing_stands_where_all_is_stale(engine):
    observed(engine, [0], [1])
    assert standing_states(Standing.of(engine.groups[0], 1e9), None) == ([], [], [])


def test_a_stream_without_a_forecast_so_far_has_no_curve(engine):
    curves = Curves()

    def taken(rows, values, start):
        told = observed(engine, rows, values, start)
        return list(curves.take(told, last_samples(told)))

    assert taken([0, 1], [20.0, 1.0], 0.0) == [None, None]
    both = taken([*[0] * 20, 1], np.linspace(20, 21, 21), 10.0)
    (of_a, of_b) = both
    assert of_b is None
    assert [type(each["value"]) for each in json.loads(of_a)] == [float, float]
    curves.forget("g", "a")
    assert taken([0], [20.5], 40.0) != [None]


def test_a_stream_that_has_had_a_forecast_tells_that_it_has_none_any_more(engine):
    curves = Curves()
    told = observed(engine, [0] * 20, np.linspace(20, 21, 20))
    (curve,) = curves.take(told, last_samples(told))
    fresh = Engine([engine.groups[0].settings])
    fresh.add_stream(0, "a", (("room", "a"),))
    anew = observed(fresh, [0], [20.0], 30.0)
    (without,) = curves.take(anew, last_samples(anew))
    assert json.loads(curve)[0]["value"] is not None
    assert json.loads(without)[0]["value"] is None


def test_names_are_text_whatever_is_in_them():
    labels = (("room", 'a"\\\n\0%s'), ("é", "/"))
    found = json.loads(names_text("%b", '"', labels) + b"}")
    assert found == {"stream": '"', "group": "%b", "labels": dict(labels)}


def test_a_group_without_a_model_has_its_averages():
    engine = smoothing_engine("g")
    engine.add_stream(0, "a")
    told = observed(engine, [0, 0], [1, 2])
    (text,) = states(told, last_samples(told), None).texts
    document = json.loads(b"{" + text[1:])
    assert document == expected(told, 1, None)
    assert "forecast" not in document


@given(some.text(), some.text())
def test_every_label_makes_a_topic_that_a_broker_takes(room, stream):
    topic = topic_of("out/{room}/{stream}", "g", stream, (("room", room),))
    assert not set(topic) & {"+", "#", "\0", "\ufffe", "\U0010ffff"}
    assert all(unicodedata.category(letter) not in ("Cc", "Cs") for letter in topic)
    if room.isprintable() and not set(room) & set("+#"):
        assert topic.startswith(f"out/{room}/")
