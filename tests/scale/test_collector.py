"""What a gateway makes of messages: records from which a shard gets what a daemon's engine has."""

from types import SimpleNamespace

import numpy as np
import pytest

from ewad import config
from ewad.config import ShardSettings
from ewad.engine import Engine
from ewad.ingest.intake import Intake
from ewad.ingest.sharding import sharding
from ewad.scale import Record, Shard
from ewad.scale.collector import Collector
from tests.ingest.formats.test_sparkplug import metric, payload

SETTINGS = config.parse(
    {
        "stream": [
            {"name": "t", "topic": "site/{room}/temperature", "beta": [0.9], "max_streams": 5},
            {"name": "e", "topic": "env/{room}", "format": "json", "field": ["t", "h"], "time_field": "ts"},
        ],
    },
    "test",
    {},
)
CROWDED = config.parse(
    {"stream": [{"name": "t", "topic": "site/{room}/temperature"}], "limits": {"max_streams": 5}}, "test", {}
)


def message(topic, payload, retain=False):
    return SimpleNamespace(topic=topic, payload=payload, retain=retain)


def random_messages(seed, n=400):
    random = np.random.default_rng(seed)
    for at in range(n):
        room, retain = int(random.integers(0, 8)), bool(random.random() < 0.1)
        if random.random() < 0.5:
            value = random.choice(["20.5", "21.5", "broken"])
            yield message(f"site/{room}/temperature", value.encode(), retain)
        else:
            time = 1e9 + at - int(random.integers(0, 3))
            yield message(f"env/{room}", b'{"t": %d, "h": 5, "ts": %d}' % (room, time), retain)


def records_and_engine(seed, shards, settings=SETTINGS):
    """Let the same commits pass a gateway's collector and a daemon's intake."""
    engine = Engine(settings.group_settings(), settings.limits.max_streams)
    intake = Intake(engine, settings.streams)
    collector, records = Collector(settings, shards), []
    messages = [*random_messages(seed)]
    for start in range(0, len(messages), 37):
        for each in (collector, intake):
            each.consume(messages[start : start + 37], 2e9 + start)
        records += [Record.decode(record.encode()) for record in collector.take()]
        intake.observe()
    return records, engine


def test_a_retained_message_whose_time_is_not_believed_is_one_sample_of_a_shard():
    collector, shard = Collector(SETTINGS, ShardSettings()), Shard(SETTINGS.engine_settings())
    for now in (10.0, 20.0, 30.0):
        collector.consume([message("env/a", b'{"t": 1, "ts": 7200}', retain=True)], now)
        for record in collector.take():
            shard.apply(record)
    assert shard.engine.groups[1].count[:1].tolist() == [1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [SETTINGS, CROWDED])
def test_a_shard_of_all_has_what_a_daemons_engine_has(seed, settings):
    records, engine = records_and_engine(seed, ShardSettings(), settings)
    shard = Shard(settings.engine_settings())
    for record in records:
        shard.apply(record)
    assert len(engine.groups[0].streams) == 5
    assert engine.refused == (3 if settings is CROWDED else 0)
    assert shard.dump() == engine.dump()


def test_a_record_names_each_of_its_streams_once_and_keeps_the_order_of_its_samples():
    collector = Collector(SETTINGS, ShardSettings(count=3))
    sent = [(f"site/{at * 7 % 5}/temperature", str(at)) for at in range(40)]
    collector.consume([message(topic, value.encode()) for topic, value in sent], 2e9)
    found = []
    for record in collector.take():
        assert len(set(record.names)) == len(record.names)
        found.append(
            [(record.names[at], str(int(v))) for at, v in zip(record.stream, record.value, strict=True)]
        )
        assert found[-1] == [each for each in sent if each[0] in record.names]
        assert record.labels_of() == [(("room", name.split("/")[1]),) for name in record.names]
    assert sorted(each for its in found for each in its) == sorted(sent)


def test_each_record_is_of_one_shard_and_streams_of_a_topic_meet():
    records, _ = records_and_engine(1, ShardSettings(count=4))
    shard_of = sharding(ShardSettings(count=4), SETTINGS.streams)
    seen = set()
    for record in records:
        seen.add(record.shard)
        for name in record.names:
            topic = name if record.block == "t" else name.rpartition("/")[0]
            assert shard_of(topic) == record.shard
    assert len(seen) > 1


def test_streams_that_are_past_the_names_kept_are_named_anew(monkeypatch):
    monkeypatch.setattr("ewad.scale.collector.MOST_STREAMS", 2)
    records, engine = records_and_engine(2, ShardSettings())
    shard = Shard(SETTINGS.engine_settings())
    for record in records:
        shard.apply(record)
    assert shard.engine.n_streams == engine.n_streams
    np.testing.assert_array_equal(shard.engine.groups[0].count[:5], engine.groups[0].count[:5])


def test_time_passes_in_every_shard():
    collector = Collector(SETTINGS, ShardSettings(count=3))
    assert [(r.shard, r.shards, r.tick) for r in collector.of_all(tick=5.0)] == [
        (0, 3, 5.0),
        (1, 3, 5.0),
        (2, 3, 5.0),
    ]


def test_a_death_reaches_the_shard_of_its_node():
    settings = config.parse(
        {"stream": [{"name": "p", "topic": "spBv1.0/{group_id}/+/{node}/#", "format": "sparkplug"}]},
        "test",
        {},
    )
    shards = ShardSettings(count=3)
    engine = Engine(settings.group_settings())
    intake, collector = Intake(engine, settings.streams), Collector(settings, shards)
    parts = [Shard(engine.settings) for _ in range(shards.count)]
    for kind, content in (("NBIRTH", payload(metric(name="v", value=(10, 1)))), ("NDEATH", payload())):
        for node in range(0, 20, 1 if kind == "NBIRTH" else 4):
            for each in (collector, intake):
                each.consume([message(f"spBv1.0/plant/{kind}/{node}", content)], 2e9)
    intake.observe()
    for record in collector.take():
        parts[record.shard].apply(Record.decode(record.encode()))
    expected = dict(zip(engine.groups[0].streams.names, engine.groups[0].seen.tolist(), strict=False))
    found = {
        name: float(part.engine.groups[0].seen[row])
        for part in parts
        for row, name in enumerate(part.engine.groups[0].streams.names)
    }
    assert found == expected
    assert len(set(found.values())) == 2
