"""Commits that would hold up the event loop are observed in pieces between its turns."""

import asyncio
import math
from itertools import pairwise
from types import SimpleNamespace

import pytest

from ewad import config
from ewad.daemon.committer import FIRST_PIECE, Committer
from ewad.engine import Engine
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.deliveries import Acknowledgements


class Clock:
    """Time that passes by a millisecond for each sample observed."""

    def __init__(self, engine):
        self.engine = engine

    def __call__(self):
        return sum(int(group.count.sum()) for group in self.engine.groups) / 1000


def committer(sinks=None):
    settings = config.parse({"stream": [{"name": "plant", "topic": "plant/#"}]}, "test", {})
    engine = Engine(settings.group_settings())
    intake = Intake(engine, settings.streams)
    return engine, Committer(
        engine, intake, None, lambda seconds: None, clock=Clock(engine), sinks=sinks, cpu_clock=Clock(engine)
    )


def messages(n):
    return [SimpleNamespace(topic="plant/a", payload=b"%d" % i, retain=False) for i in range(n)]


async def test_a_slow_engine_leaves_the_loop_its_turns_and_is_busy_until_done():
    engine, taker = committer()
    done = asyncio.Event()
    taker.consume(messages(2000), 1000.0)
    taker.commit(Acknowledgements(), done.set)
    counts = [int(engine.groups[0].count[0])]
    while taker.busy:
        await asyncio.sleep(0)
        counts.append(int(engine.groups[0].count[0]))
    assert done.is_set()
    assert counts[-1] == 2000
    assert counts[0] == FIRST_PIECE
    steps = [after - before for before, after in pairwise(counts[1:])]
    assert max(steps) <= 30  # 20 ms a turn and a piece of 10, at a millisecond a sample


async def test_finish_observes_the_rest_at_once_and_the_next_commit_comes_after_it():
    engine, taker = committer()
    order = []
    taker.consume(messages(500), 1000.0)
    taker.commit(Acknowledgements(), lambda: order.append("first"))
    assert taker.busy
    taker.finish()
    taker.commit(Acknowledgements(), lambda: order.append("second"))
    assert order == ["first", "second"]
    assert engine.groups[0].count[0] == 500


async def test_what_comes_while_it_rests_is_taken_afterwards_in_order():
    engine, taker = committer()
    group, order = engine.groups[0], []
    async with taker.resting():
        assert taker.busy
        taker.consume(messages(3), 1000.0)
        taker.commit(Acknowledgements(), lambda: order.append("first"))
        taker.consume(messages(2), 1001.0)
        taker.commit(Acknowledgements(), lambda: order.append("second"))
        taker.at_rest(lambda: order.append("at rest"))
        await asyncio.sleep(0)
        assert (len(group.streams), order) == (0, [])
    assert not taker.busy
    assert int(group.count[0]) == 5
    assert order == ["first", "at rest", "second"]


async def test_it_rests_once_the_samples_that_wait_are_observed():
    engine, taker = committer()
    taker.consume(messages(500), 1000.0)
    taker.commit(Acknowledgements(), lambda: None)
    assert taker.busy
    async with taker.resting():
        assert int(engine.groups[0].count[0]) == 500


async def test_a_rest_that_nobody_waits_for_any_more_does_not_begin():
    _, taker = committer()
    taker.consume(messages(1), 1000.0)
    resting = taker.resting()
    waiting = asyncio.create_task(resting.__aenter__())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    taker.commit(Acknowledgements(), lambda: None)
    assert not taker.busy


async def test_what_fails_after_a_rest_is_heard_where_the_source_asks():
    _, taker = committer()
    async with taker.resting():
        taker.consume([SimpleNamespace(topic="plant/a", payload=None, retain=False)], 1000.0)
    with pytest.raises(TypeError):
        _ = taker.busy


class ForgetClock:
    """Time that passes by a millisecond for each stream that is forgotten."""

    def __init__(self, engine):
        self.engine = engine

    def __call__(self):
        return self.engine.forgotten / 1000


def forgetting(*blocks, streams):
    """Return an engine with so many streams in each block, seen at 100, and a committer."""
    stream = [{"name": name, "topic": f"{name}/{{s}}", "forget_after": "60s"} for name in blocks]
    settings = config.parse({"stream": stream}, "test", {})
    engine = Engine(settings.group_settings())
    intake = Intake(engine, settings.streams)
    topics = [f"{name}/{i}" for i in range(streams) for name in blocks]
    intake.consume([SimpleNamespace(topic=topic, payload=b"1", retain=False) for topic in topics], 100.0)
    intake.observe()
    return engine, intake, Committer(engine, intake, None, lambda seconds: None, clock=ForgetClock(engine))


async def test_many_streams_are_forgotten_in_turns_of_the_loop_and_told_once(caplog):
    caplog.set_level("INFO")
    engine, _, taker = forgetting("plant", "lab", streams=300)
    taker.forget(SimpleNamespace(now=lambda: 200.0))
    left = [engine.n_streams]
    while left[-1]:
        await asyncio.sleep(0)
        left.append(engine.n_streams)
    assert max(before - after for before, after in pairwise([600, *left])) <= 16  # a turn ends with a piece
    await asyncio.sleep(0)
    told = [line.message for line in caplog.records if line.message.startswith("streams forgotten")]
    assert told == ["streams forgotten group=plant streams=300", "streams forgotten group=lab streams=300"]


async def test_forgetting_many_blocks_is_told_in_one_line(caplog):
    caplog.set_level("INFO")
    engine, _, taker = forgetting(*(f"b{i}" for i in range(600)), streams=1)
    taker.forget(SimpleNamespace(now=lambda: 200.0))
    while engine.n_streams:  # noqa: ASYNC110 (the loop itself forgets)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert caplog.text.count("streams forgotten") == 1
    assert "streams forgotten groups=600 streams=600" in caplog.text


async def test_a_stream_that_speaks_while_others_are_forgotten_stays():
    engine, _, taker = forgetting("plant", streams=300)
    taker.forget(SimpleNamespace(now=lambda: 200.0))
    assert 0 < engine.n_streams < 300
    last, first = "plant/299", "plant/0"
    for topic in (last, first):
        taker.consume([SimpleNamespace(topic=topic, payload=b"7", retain=False)], 210.0)
    taker.commit(Acknowledgements(), lambda: None)
    for _ in range(300):
        await asyncio.sleep(0)
    group = engine.groups[0]
    assert sorted(group.streams.names) == [first, last]
    assert [int(group.count[group.streams.find(name)]) for name in (first, last)] == [1, 2]  # first is new


async def test_what_is_left_to_be_forgotten_is_dropped_with_its_engine_and_found_again():
    engine, intake, taker = forgetting("plant", streams=300)
    taker.forget(SimpleNamespace(now=lambda: 200.0))
    left = engine.n_streams
    taker.take_over(engine, intake)
    for _ in range(300):
        await asyncio.sleep(0)
    assert engine.n_streams == left > 0
    taker.forget(SimpleNamespace(now=lambda: 200.0))
    while engine.n_streams:  # noqa: ASYNC110 (the loop itself forgets)
        await asyncio.sleep(0)


class NoSink:
    """Sinks that take everything. any: whether there are any."""

    full = False

    def __init__(self, any):
        self.any = any

    def put(self, engine, batch, results):
        pass


async def test_samples_gather_so_long_that_commits_take_a_tenth_of_the_cpu_where_results_are_passed_on():
    _, taker = committer(NoSink(any=True))
    assert taker.patience_seconds == 0.0
    taker.consume(messages(500), 1000.0)
    taker.commit(Acknowledgements(), lambda: None)
    taker.finish()
    assert taker.patience_seconds == pytest.approx(10 * 0.5)  # a millisecond a sample, in several turns


async def test_samples_gather_for_the_whole_commit_interval_where_nobody_waits_for_results():
    for sinks in (None, NoSink(any=False)):
        _, taker = committer(sinks)
        assert taker.patience_seconds == math.inf
