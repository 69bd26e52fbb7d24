"""`ewad state split` and `merge`: every stream keeps all that is known of it, wherever it goes."""

import time

import numpy as np
import pytest

from ewad import config
from ewad.commands import shards
from ewad.daemon.parts import new_engine, session_of
from ewad.engine import Batch
from ewad.errors import ConfigError, StateError
from ewad.ingest.sharding import shard_of
from ewad.ingest.told import Told
from ewad.store.recovery import read
from ewad.store.seeding import Seeding

RAW = {
    "stream": [
        {"name": "plant", "topic": "plant/{n}", "model": "own"},
        {"name": "air", "topic": "air/{n}", "model": "shared"},
    ],
    "model": {
        "own": {"share": "stream", "experts": ["linear", "persistence"], "lags": 3, "batch_size": 2},
        "shared": {"share": "group", "experts": ["linear"], "lags": 3, "batch_size": 2},
    },
    "state": {},
}


def settings(**shard):
    return config.parse(RAW | ({"shard": shard} if shard else {}), "test", {})


def seeded(path, seed, numbers, n=300):
    """Write a state file of streams with these numbers in both groups; return its engine."""
    seeding = Seeding(path, session_of(settings()), lambda: new_engine(settings()), time.time())
    random = np.random.default_rng(seed)
    for group, kind in enumerate(("plant", "air")):
        rows = [seeding.engine.add_stream(group, f"{kind}/{n}", (("n", str(n)),)) for n in numbers]
        stream = random.integers(0, len(rows), n).astype(np.int32)
        seeding.engine.observe(Batch(group, stream, 1e9 + np.arange(float(n)), random.normal(size=n), 1e9))
    seeding.keep(time.time())
    seeding.close()
    return seeding.engine


def engine_of(path):
    return read(path, "", lambda: new_engine(settings())).engine


def rows_of(engine):
    """Return what is known of each stream: group, name -> every array's row."""
    found = {}
    for group in engine.groups:
        for row, name in enumerate(group.streams.names):
            arrays = [a[row] for p in group.parts() if not p.shared for a in p.arrays().values()]
            found[group.name, name, group.streams.labels[row]] = arrays
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key, arrays in one.items():
        for a, b in zip(arrays, other[key], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str(key))


def test_split_and_merge_keep_every_stream_as_it_was(tmp_path):
    engine = seeded(tmp_path / "one.db", 1, range(20))
    said = shards.split(settings(count=3), [tmp_path / "one.db"], tmp_path / "three")
    files = [tmp_path / "three" / f"shard-{i}.db" for i in range(3)]
    assert [line.partition("  ")[0] for line in said.splitlines()] == [str(file) for file in files]
    parts = [engine_of(file) for file in files]
    for index, part in enumerate(parts):
        assert part.n_streams > 0
        assert all(shard_of(name, 3) == index for group in part.groups for name in group.streams.names)
    together = {}
    for part in parts:
        together |= rows_of(part)
    assert_same(together, rows_of(engine))
    said = shards.merge(settings(), files, tmp_path / "again.db")
    assert said.splitlines()[0].startswith("group air: its streams share a model from now on: that of ")
    assert_same(rows_of(engine_of(tmp_path / "again.db")), rows_of(engine))


def test_a_shared_model_goes_to_every_shard_and_back_from_the_one_that_has_learnt_the_most(tmp_path):
    big = seeded(tmp_path / "b.db", 1, range(20))
    seeded(tmp_path / "s.db", 2, range(20, 22), n=50)
    shards.split(settings(count=2), [tmp_path / "b.db"], tmp_path / "two")
    theta = big.groups[1].forecaster.learner.theta
    for index in range(2):
        part = engine_of(tmp_path / "two" / f"shard-{index}.db")
        np.testing.assert_array_equal(part.groups[1].forecaster.learner.theta, theta)
    shards.merge(settings(), [tmp_path / "s.db", tmp_path / "b.db"], tmp_path / "m.db")
    learnt = engine_of(tmp_path / "m.db").groups[1].forecaster.learner.theta
    np.testing.assert_array_equal(learnt, theta)


def test_what_goes_on_is_what_would_have_gone_on(tmp_path):
    engine = seeded(tmp_path / "one.db", 3, range(6))
    shards.split(settings(count=2), [tmp_path / "one.db"], tmp_path / "two")
    for index in range(2):
        part = engine_of(tmp_path / "two" / f"shard-{index}.db")
        for name in part.groups[0].streams.names:
            for each in (engine, part):
                row = np.array([each.groups[0].streams.find(name)] * 9, dtype=np.int32)
                each.observe(Batch(0, row, 2e9 + np.arange(9.0), np.arange(9.0), 2e9))
            rows = rows_of(engine), rows_of(part)
            key = next(key for key in rows[1] if key[1] == name)
            assert_same({key: rows[0][key]}, {key: rows[1][key]})


def test_a_stream_in_two_files_is_told(tmp_path):
    for name in "ab":
        seeded(tmp_path / f"{name}.db", 1, range(3))
    with pytest.raises(StateError, match="expected each stream in one state, got plant/0 in two"):
        shards.merge(settings(), [tmp_path / "a.db", tmp_path / "b.db"], tmp_path / "m.db")
    assert not (tmp_path / "m.db").exists()


def test_what_is_missing_or_in_the_way_is_told(tmp_path):
    seeded(tmp_path / "a.db", 1, range(3))
    with pytest.raises(ConfigError, match=r"expected a \[shard\] table"):
        shards.split(settings(), [tmp_path / "a.db"], tmp_path)
    with pytest.raises(ConfigError, match="expected a file that does not exist yet"):
        shards.merge(settings(), [tmp_path / "a.db"], tmp_path / "a.db")
    with pytest.raises(StateError, match="no such file"):
        shards.merge(settings(), [tmp_path / "none.db"], tmp_path / "m.db")


def told_by(path):
    return {(each.kind, each.key): each.content for each in read(path, "", told_engine).told.entries()}


TOLD = {
    "stream": [
        {"name": "meter", "topic": "meter/{n}", "kind": "counter"},
        {"name": "plant", "topic": "spBv1.0/#", "format": "sparkplug"},
    ],
    "state": {},
}


def told_engine():
    return new_engine(config.parse(TOLD, "test", {}))


def test_births_and_totals_go_where_their_streams_go(tmp_path):
    seeding = Seeding(tmp_path / "one.db", "", told_engine, time.time())
    for n in range(9):
        seeding.engine.add_stream(0, f"meter/{n}", (("n", str(n)),))
        seeding.engine.add_stream(1, f"spBv1.0/g/DDATA/n{n}/d/Temp", (("field", "Temp"),))
        births = [Told("plant", "birth", key, b"x") for key in (f"g/n{n}", f"g/n{n}/d", f"g/n{n}/#")]
        seeding.told.note([Told("meter", "total", f"meter/{n}", b"%d" % n), *births])
    seeding.keep(time.time())
    seeding.close()
    known = told_by(tmp_path / "one.db")
    assert len(known) == 36
    shards.split(
        config.parse(TOLD | {"shard": {"count": 3}}, "test", {}), [tmp_path / "one.db"], tmp_path / "three"
    )
    files = [tmp_path / "three" / f"shard-{i}.db" for i in range(3)]
    for index, file in enumerate(files):
        mine = [n for n in range(9) if shard_of(f"meter/{n}", 3) == index]
        assert {key for kind, key in told_by(file) if kind == "total"} == {f"meter/{n}" for n in mine}
        mine = [n for n in range(9) if shard_of(f"g/n{n}", 3) == index]
        births = {key for kind, key in told_by(file) if kind == "birth"}
        assert births == {f"g/n{n}{rest}" for n in mine for rest in ("", "/d", "/#")}
    shards.merge(config.parse(TOLD, "test", {}), files, tmp_path / "again.db")
    assert told_by(tmp_path / "again.db") == known
