"""Messages of external forecasts: who takes them, what of them counts, and what is refused."""

import io
import json
import zipfile

import numpy as np
import pytest

from ewad.config import ShardSettings, parse
from ewad.engine import Engine
from ewad.errors import ConfigError
from ewad.ingest.explain import explain
from ewad.ingest.files import RecordedMessage
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.scale import Record, Shard
from ewad.scale.collector import Collector
from ewad.store.records import Change, CommitRecord, decode, encode

TEXT = """
[[stream]]
name = "sun"
topic = "site/{room}/power"
scale = 2.0
model = "m"
[model.m]
horizons = [1, 6]
external = ["forecast/{stream}", "weather/{room}/hours"]
"""
ARRIVAL = 1.7e9
A_POINT = {"time": ARRIVAL, "value": 1}
TIMED = 'format = "json"\nfield = "v"\ntime_field = "t"'


def fresh(text=TEXT):
    settings = parse(text, "ewad.toml", {})
    engine = Engine(settings.group_settings())
    return engine, Intake(engine, settings.streams)


def send(intake, topic, payload, arrival=ARRIVAL, retain=False):
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    intake.consume([RecordedMessage(arrival, topic, payload, retain)], arrival)


def points_of(engine, name="site/attic/power", source=0):
    group = engine.groups[0]
    external, row = group.forecaster.external, group.streams.find(name)
    return external.points[row, source, : external.filled[row, source]].tolist()


def test_a_forecast_of_a_stream_is_kept_for_it_as_it_is():
    engine, intake = fresh()
    send(intake, "site/attic/power", b"3")
    send(
        intake,
        "forecast/site/attic/power",
        [{"time": ARRIVAL + 600, "value": 4.5}, {"time": ARRIVAL, "value": 1}],
    )
    send(intake, "site/attic/power", b"4", ARRIVAL + 1)
    ((_, results),) = intake.observe()
    assert points_of(engine) == [[ARRIVAL, 1.0], [ARRIVAL + 600, 4.5]]  # not scaled, in order
    assert len(results.accepted) == 2
    assert engine.groups[0].value[0] == 8.0
    assert engine.groups[0].count[0] == 2
    assert engine.groups[0].time[0] == ARRIVAL + 1
    assert intake.rejected["out_of_range"] == intake.rejected["unknown_topic"] == 0


def test_a_forecast_by_a_label_is_for_each_stream_that_has_it():
    engine, intake = fresh(TEXT.replace("power", "{what}", 1))
    for what in ("power", "volt"):
        send(intake, f"site/attic/{what}", b"3")
    send(intake, "site/cellar/power", b"3")
    send(intake, "weather/attic/hours", [{"time": ARRIVAL, "value": 1}])
    intake.observe()
    of = [points_of(engine, f"site/{name}", 1) for name in ("attic/power", "attic/volt", "cellar/power")]
    assert of == [[[ARRIVAL, 1.0]], [[ARRIVAL, 1.0]], []]


@pytest.mark.parametrize("document", [
    {"forecast": [{"time": ARRIVAL, "value": 1, "lower": 0, "upper": None}], "unit": "W"},
    [{"time": "2023-11-14T22:13:20Z", "value": 1}],
    [A_POINT, {"time": None, "value": 2}, {"time": ARRIVAL, "value": None}],
    [{"time": ARRIVAL * 1000, "value": 1}],
    [{"time": ARRIVAL, "value": 9}, {"time": ARRIVAL, "value": 1}],
])  # fmt: skip
def test_the_forms_that_are_read(document):
    engine, intake = fresh()
    send(intake, "site/attic/power", b"3")
    send(intake, "forecast/site/attic/power", document)
    intake.observe()
    assert points_of(engine) == [[ARRIVAL, 1.0]]


@pytest.mark.parametrize(("payload", "reason"), [
    (b"", "empty"),
    (b"{", "invalid_json"),
    (b"\xff", "invalid_json"),
    (b"[" * 60_000, "unsupported"),
    (b'[{"time": 1, "value": NaN}]', "wrong_type"),
    (b"3.5", "invalid_payload"),
    (b"[3.5]", "invalid_payload"),
    (b'{"points": []}', "invalid_payload"),
    (b'[{"time": 1}]', "invalid_payload"),
    (b'[{"time": "soon", "value": 1}]', "invalid_time"),
    (b'[{"time": true, "value": 1}]', "invalid_time"),
    (rb'[{"time": "\ud800", "value": 1}]', "invalid_time"),
    (rb'[{"time": 1, "value": "\ud800"}]', "wrong_type"),
    (b'[{"time": 1, "value": "1"}]', "wrong_type"),
    (b'[{"time": 1, "value": true}]', "wrong_type"),
    (b'[{"time": 1, "value": 1e200}]', "out_of_range"),
    (json.dumps([{"time": i, "value": 0} for i in range(513)]).encode(), "too_many_points"),
    (b" " * 70_000, "too_large"),
])  # fmt: skip
def test_what_is_refused_is_counted_and_leaves_the_forecast_before(payload, reason):
    engine, intake = fresh()
    send(intake, "site/attic/power", b"3")
    send(intake, "forecast/site/attic/power", [{"time": ARRIVAL, "value": 1}])
    send(intake, "forecast/site/attic/power", payload)
    intake.observe()
    assert points_of(engine) == [[ARRIVAL, 1.0]]
    assert {each: n for each, n in intake.rejected.items() if n} == {reason: 1}


def test_a_forecast_of_an_unknown_stream_is_refused():
    _, intake = fresh()
    send(intake, "forecast/site/attic/power", [{"time": ARRIVAL, "value": 1}])
    send(intake, "weather/attic/hours", [{"time": ARRIVAL, "value": 1}])
    assert intake.rejected["unknown_stream"] == 2
    assert not intake.waiting


def test_what_the_subscription_brings_beside_the_topics_is_no_fault():
    _, intake = fresh(TEXT.replace("forecast/{stream}", "f/{stream}/day"))
    send(intake, "f/site/attic/power/week", b"1")
    send(intake, "g/x", b"1")
    assert (intake.absent, intake.rejected["unknown_topic"]) == (1, 1)


def test_it_is_subscribed_to_what_may_bring_forecasts():
    connection = connection_settings(parse(TEXT, "ewad.toml", {}))
    assert {each.filter for each in connection.subscriptions} == {
        "site/+/power",
        "forecast/#",
        "weather/+/hours",
    }


def test_a_stored_copy_of_a_sample_is_told_though_a_forecast_waits():
    engine, intake = fresh()
    send(intake, "site/attic/power", b"3")
    send(intake, "forecast/site/attic/power", [{"time": ARRIVAL, "value": 1}])
    send(intake, "site/attic/power", b"3", retain=True)
    intake.observe()
    assert engine.groups[0].count[0] == 1


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("timed", [False, True])
def test_batches_of_any_size_give_the_same_bytes(most, timed):
    text = (
        TEXT if not timed else TEXT.replace("scale = 2.0", 'format = "json"\nfield = "v"\ntime_field = "t"')
    )
    text = text.replace('"forecast/{stream}"', '"forecast/site/{room}"')
    name = "site/attic/power"
    dumps = []
    for limit in (10_000, most):
        engine, intake = fresh(text)
        for i in range(90):
            at = ARRIVAL + 60.0 * i
            value = np.sin(i / 7.0)
            send(intake, "site/attic/power", {"v": value, "t": at} if timed else value, at)
            if i % 5 == 0:
                send(intake, "forecast/site/attic", [{"time": at + 60 * k, "value": k} for k in range(9)], at)
            while limit == most and intake.waiting:
                engine.observe(intake.take_batch([limit]))
        while (batch := intake.take_batch([limit])) is not None:
            engine.observe(batch)
        dumps.append(engine.dump())
        assert points_of(engine, name)[8] == [
            ARRIVAL + 60.0 * 93,
            8.0,
        ]
    arrivals = "0/0/seen.npy"  # a batch counts as arrived with its last message
    assert {**read(dumps[0]), arrivals: 0} == {**read(dumps[1]), arrivals: 0}


def read(dump):

    with zipfile.ZipFile(io.BytesIO(dump)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_daemons_own_forecasts_are_none_from_outside():
    with pytest.raises(ConfigError, match="forecast_topic"):
        parse(TEXT + '[publish]\nforecast_topic = "forecast/{stream}"\n', "ewad.toml", {})


def test_explain_tells_whose_forecast_it_is():
    _, intake = fresh()
    said = explain(intake, "forecast/site/attic/power", json.dumps([A_POINT]).encode(), ARRIVAL - 60)
    assert not said.rejected
    assert str(said).splitlines() == [
        'forecast from outside: block sun: forecast/{stream} (stream="site/attic/power")',
        "points: 1, from +60 s to +60 s from now",
    ]
    late = explain(intake, "forecast/site/attic/power", json.dumps([A_POINT]).encode(), ARRIVAL + 60)
    assert str(late).endswith("points: 1, from -60 s to -60 s from now; all of them past")
    refused = explain(intake, "weather/attic/hours", b"{}", ARRIVAL)
    assert refused.rejected
    assert (
        'rejected: invalid_payload: expected a list of {time, value}, or a document with it as "forecast"'
        in str(refused)
    )


def test_a_forecast_goes_through_the_log_of_shards():
    settings = parse(TEXT, "ewad.toml", {})
    collector = Collector(settings, ShardSettings(count=2))
    shards = [Shard(settings.engine_settings()) for _ in range(2)]
    one, intake = fresh()
    for i in range(5):
        for taken in (collector, intake):
            for room in ("attic", "cellar"):
                send(taken, f"site/{room}/power", b"%d" % i, ARRIVAL + i)
                send(
                    taken,
                    f"forecast/site/{room}/power",
                    [A_POINT, {"time": ARRIVAL + 9, "value": i}],
                    ARRIVAL + i,
                )
    intake.observe()
    for each in collector.take():
        shards[each.shard].apply(Record.decode(each.encode()))
    found = {
        name: points_of(shard.engine, name)
        for shard in shards
        for name in shard.engine.groups[0].streams.names
    }
    assert found == {
        f"site/{room}/power": [[ARRIVAL, 1.0], [ARRIVAL + 9, 4.0]] for room in ("attic", "cellar")
    }
    assert found == {name: points_of(one, name) for name in found}


def test_the_journal_has_forecasts():
    engine, intake = fresh()
    again, _ = fresh()
    send(intake, "site/attic/power", b"3")
    send(intake, "forecast/site/attic/power", [A_POINT])
    streams = []
    for i in range(3):
        send(intake, "site/attic/power", b"%d" % i, ARRIVAL + i)
        streams += intake.take_new_streams()
        batches = [batch for batch, _ in intake.observe()]
        record = CommitRecord.of(Change(streams if i == 0 else [], batches), 0, 0, Acknowledgements())
        decode(encode(record), CommitRecord).replay(again, [0], Deliveries())
    assert points_of(again) == [[ARRIVAL, 1.0]]
    assert again.dump() == engine.dump()
