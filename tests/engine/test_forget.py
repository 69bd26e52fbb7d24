"""Streams that are silent for too long: their rows go, the others stay what they were, memory is returned."""

import dataclasses
import json
import sys
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.engine import REFUSED, Batch, ByCount, Engine, Forgotten, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.kernels import COMPILED
from ewad.numeric.rows import RowState
from tests.engine.scenarios import (
    Samples,
    assert_close,
    groups,
    new_engine,
    observe_in_pieces,
    random_samples,
    state_of,
)
from tests.engine.test_laws import seeds

GROUP = GroupSettings("plant", (ByCount(0.9),), stale_after_seconds=10.0, forget_after_seconds=60.0)


def batch(rows, time, group=0):
    n = len(rows)
    value = np.arange(1.0, n + 1)
    return Batch(group, np.array(rows, dtype=np.int32), np.full(n, time), value, time)


def engine_of(n, settings=GROUP, **limits):
    engine = Engine([settings], **limits)
    for i in range(n):
        engine.add_stream(0, f"s{i}", (("number", str(i)),))
    return engine


def test_forgets_what_has_been_silent_for_longer_and_tells():
    engine = engine_of(4)
    engine.observe(batch([0, 1, 2, 3], 100.0))
    engine.observe(batch([1], 140.0))
    assert engine.forget(160.0) == []
    assert engine.forget(160.1) == [Forgotten(0, ["s0", "s2", "s3"], ["s1"])]
    assert engine.n_streams == 1
    assert engine.forgotten == 3
    group = engine.groups[0]
    assert (group.streams.find("s1"), group.streams.find("s0")) == (0, None)
    assert group.streams.labels == [(("number", "1"),)]
    assert (group.value[0], group.count[0]) == (1.0, 2)


def test_without_forget_after_nothing_is_ever_forgotten():
    engine = engine_of(3, GroupSettings("plant"))
    engine.observe(batch([0, 1, 2], 0.0))
    assert engine.forget(1e12) == []


def test_a_forgotten_stream_that_comes_back_is_new():
    engine = engine_of(2)
    engine.observe(batch([0, 0, 1], 100.0))
    engine.observe(batch([1], 200.0))
    engine.forget(200.0)
    row = engine.add_stream(0, "s0")
    assert row == 1
    result = engine.observe(batch([row], 300.0))
    assert result.mean[0, 0] == 1.0
    assert engine.groups[0].count[row] == 1


@settings(max_examples=60, deadline=None)
@given(
    group=groups.filter(lambda g: g.model is None or g.model.share == "stream"), seed=seeds, data=st.data()
)
def test_those_that_stay_go_on_as_if_they_had_always_been_alone(group, seed, data):
    group = replace(group, forget_after_seconds=0.0)
    samples = random_samples(seed, 120, 6)
    stay = data.draw(st.sets(st.sampled_from(np.unique(samples.stream).tolist()), max_size=5))
    mine = np.isin(samples.stream, list(stay))
    engine, alone = new_engine(group, 6), new_engine(group, 6)
    engine.observe(samples.batch())
    alone.observe(Samples(*(x[mine] for x in dataclasses.astuple(samples))).batch())
    engine.groups[0].seen[:6] = [1.0 if row in stay else 0.0 for row in range(6)]
    engine.forget(1.0)
    assert sorted(engine.groups[0].streams.names) == [f"stream {row}" for row in sorted(stay)]
    if not stay:
        return
    later = random_samples(seed + 1, 60, len(stay), disorder=0.0)
    shift = Samples(later.stream, later.time + 1e6, later.value)
    rows = np.array([alone.groups[0].streams.find(name) for name in engine.groups[0].streams.names])
    a = observe_in_pieces(engine, shift, [20])
    b = observe_in_pieces(alone, Samples(rows[shift.stream], shift.time, shift.value), [20])
    assert_close(a, b)


def test_a_shared_model_outlives_the_streams_that_it_learnt_from():
    engine = engine_of(3, replace(GROUP, model=ModelSettings(lags=2, batch_size=4, learning_rate=0.1)))
    engine.observe(random_samples(1, 200, 3, disorder=0.0).batch())
    theta = engine.groups[0].forecaster.learner.theta.copy()
    engine.forget(1e12)
    assert engine.n_streams == 0
    np.testing.assert_array_equal(engine.groups[0].forecaster.learner.theta, theta)


def arrays_of(engine):
    owners = {id(part.owner): part.owner for group in engine.groups for part in group.parts()}
    return [getattr(owner, name) for owner in owners.values() for name in owner.rows(0)]


def test_memory_is_returned_when_most_streams_are_forgotten():
    settings = replace(GROUP, model=ModelSettings(share="stream", lags=24))
    engine = engine_of(4000, settings)
    engine.observe(batch(np.arange(4000), 100.0))
    full = sum(array.nbytes for array in arrays_of(engine))
    engine.observe(batch(np.arange(0, 4000, 200), 200.0))
    engine.forget(200.0)
    assert engine.n_streams == 20
    assert sum(array.nbytes for array in arrays_of(engine)) < full / 50
    assert all(array.base is None for array in arrays_of(engine))  # no view that keeps the old one alive
    assert len(json.dumps(engine.snapshot().header)) < 3000


def test_streams_that_come_and_go_for_ever_take_no_more_than_those_that_are_there():
    engine = engine_of(0)
    for day in range(50):
        rows = [engine.add_stream(0, f"day {day} stream {i}") for i in range(100)]
        engine.observe(batch(rows, 100.0 * day))
        engine.forget(100.0 * day)
        assert engine.n_streams <= 200
        assert engine.groups[0].n_rows <= 512
    assert engine.forgotten == 49 * 100


def test_a_full_engine_makes_room_for_as_many_as_were_refused_the_longest_silent_first():
    engine = engine_of(4, replace(GROUP, forget_after_seconds=np.inf), max_streams=4)
    for row in (2, 0, 1, 3):
        engine.observe(batch([row], 100.0 + row))
    assert [engine.add_stream(0, f"new {i}") for i in range(2)] == [REFUSED, REFUSED]
    assert engine.forget(105.0) == []  # nobody is stale, and the refusals are answered
    assert engine.forget(1000.0) == []
    assert [engine.add_stream(0, f"new {i}") for i in range(2, 4)] == [REFUSED, REFUSED]
    assert engine.forget(112.5) == [Forgotten(0, ["s0", "s1"], ["s2", "s3"])]
    assert engine.add_stream(0, "new 0") == 2
    assert engine.refused == 4


def test_those_past_forget_after_make_room_before_stale_ones_have_to():
    engine = engine_of(3, max_streams=3)
    for row in range(3):
        engine.observe(batch([row], 100.0 + 40.0 * row))
    assert engine.add_stream(0, "new") == REFUSED
    assert engine.forget(170.0) == [Forgotten(0, ["s0"], ["s2"])]  # s1 is stale: it may stay


def test_no_more_is_forgotten_than_is_stale_however_many_were_refused():
    engine = engine_of(2, max_streams=2)
    engine.observe(batch([0], 100.0))
    engine.observe(batch([1], 120.0))
    for i in range(50):
        engine.add_stream(0, f"junk {i}")
    assert [f.streams for f in engine.forget(125.0)] == [["s0"]]


def test_the_same_calls_on_a_loaded_engine_forget_the_same():
    engine = engine_of(20, replace(GROUP, model=ModelSettings(lags=2)), max_streams=20)
    for row in range(20):
        engine.observe(batch([row], 100.0 + 3.0 * row))
    engine.add_stream(0, "new")
    loaded = Engine([engine.groups[0].settings], max_streams=20)
    loaded.load(engine.dump())
    assert loaded.forget(165.0) == engine.forget(165.0) != []
    assert loaded.dump() == engine.dump()
    assert_close(state_of(loaded), state_of(engine), rel=0.0)


@contextmanager
def untraced():
    """Let coverage look away: each call that it looks at has a reference more to its object."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


@pytest.mark.skipif(not COMPILED, reason="interpreted kernels hold the arrays, which are copied then")
def test_memory_is_given_back_without_a_copy_of_what_stays(monkeypatch):
    copied = []
    remove = RowState.remove

    def watched(state, removal):
        # by their ids: whatever else holds an array makes it stay as large as it is
        large = {
            name: id(getattr(state, name)) for name in state._fills if getattr(state, name).nbytes > 10_000
        }
        remove(state, removal)
        copied.extend(name for name, array in large.items() if array != id(getattr(state, name)))

    monkeypatch.setattr(RowState, "remove", watched)
    tracemalloc.start()
    try:
        engine = Engine([GroupSettings("plant", model=auto("m"))])
        names = [f"plant/{i}" for i in range(100)]
        for name in names:
            engine.add_stream(0, name)
        before, _ = tracemalloc.get_traced_memory()
        with untraced():
            engine.forget_streams(0, names[20:])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert engine.groups[0].n_rows == 40
    assert copied == []
    a_stream = sum(array.nbytes for array in engine.snapshot().arrays.values()) / 20
    assert before - after > 50 * a_stream


def test_names_and_labels_stay_with_their_rows_for_those_who_have_them():
    engine = Engine([GroupSettings("plant")])
    for name in "abc":
        engine.add_stream(0, name, (("room", name),))
    held = engine.groups[0].streams
    engine.forget_streams(0, ["a"])
    assert held.names == ["a", "b", "c"]
    assert held.labels == [(("room", name),) for name in "abc"]
    assert [engine.groups[0].streams.find(name) for name in "abc"] == [None, 1, 0]


def test_to_forget_one_of_many_streams_copies_no_more_than_two_lists_of_them():
    engine = engine_of(20_000)
    tracemalloc.start()
    try:
        engine.forget_streams(0, ["s7"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 8 * 20_000  # pieces of all streams, one after another, would take the square of them
