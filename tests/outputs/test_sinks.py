"""Sinks behind their queues: what waits, what is lost, what a failure costs. Events decide, no times."""

import logging
import threading

import numpy as np
import pytest

from ewad import config
from ewad.config.sinks import SINKS
from ewad.engine import Batch, Engine
from ewad.outputs import running
from ewad.outputs.running import Runner
from ewad.outputs.sinks import Observed, Sink

SETTINGS = config.parse({"stream": [{"name": "plant", "topic": "plant/#"}]}, "test", {})
LIMIT_SECONDS = 90.0  # an upper bound that only failures reach


class Gate(Sink):
    """A sink whose writing waits for `open_gate`, and fails as often as it is told to."""

    def __init__(self, waits=True, failures=()):
        self.waits = waits
        self.taken, self.written, self.heard = [], [], []
        self.failures = list(failures)
        self.open_gate, self.at_gate = threading.Event(), threading.Event()
        self.closed = False

    def open(self, groups):
        self.heard.append([group.name for group in groups])

    def observed(self, observed):
        self.taken += observed.batch.value.tolist()

    def forgotten(self, settings, streams):
        self.heard.append((settings.name, *streams))

    def flush(self):
        self.at_gate.set()
        assert self.open_gate.wait(LIMIT_SECONDS)
        if self.failures:
            raise self.failures.pop(0)
        self.written += self.taken
        self.taken = []

    def close(self):
        self.closed = True


def observed(engine, *values):
    n = len(values)
    row = engine.add_stream(0, "plant/a")
    time = np.arange(n) + 1.0 + engine.groups[0].count.sum()
    batch = Batch(0, np.full(n, row, dtype=np.int32), time, np.array(values, dtype=float))
    return Observed.of(engine, batch, engine.observe(batch))


@pytest.fixture
def engine():
    return Engine(SETTINGS.group_settings())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(running, "RETRY_SECONDS", 0.001)


def ended(runner):
    runner.end()
    runner.join(LIMIT_SECONDS)
    assert not runner.is_alive()
    return runner.count


def test_a_sink_that_waits_is_full_when_its_queue_is_and_loses_nothing(engine):
    sink = Gate()
    runner = Runner("gate", sink, most_samples=4)
    runner.start()
    runner.put(observed(engine, 1, 2))
    assert sink.at_gate.wait(LIMIT_SECONDS)
    assert not runner.full
    runner.put(observed(engine, 3, 4, 5))
    assert runner.full
    assert runner.count.waiting == 5
    sink.open_gate.set()
    count = ended(runner)
    assert sink.written == [1, 2, 3, 4, 5]
    assert (count.written, count.lost, count.waiting) == (5, 0, 0)
    assert sink.closed
    assert not runner.full


def test_a_sink_that_does_not_wait_loses_what_is_too_much_and_counts_it(engine, caplog):
    sink = Gate(waits=False)
    runner = Runner("gate", sink, most_samples=4)
    runner.start()
    for values in ([1, 2, 3], [4, 5], [6], [7, 8]):
        runner.put(observed(engine, *values))
        assert sink.at_gate.wait(LIMIT_SECONDS)
        assert not runner.full
    sink.open_gate.set()
    count = ended(runner)
    assert sink.written == [1, 2, 3, 4, 5]
    assert (count.written, count.lost, count.waiting) == (5, 3, 0)
    assert [record.getMessage() for record in caplog.records if "lost" in record.getMessage()] == [
        "samples lost to a sink sink=gate (further ones are counted)"
    ]


def told_when_over(wait):
    """Return an event that is set when `wait` has ended."""
    over = threading.Event()
    threading.Thread(target=lambda: (wait(), over.set()), daemon=True).start()
    return over


def test_who_waits_for_what_was_put_waits_until_it_is_written_and_no_longer(engine):
    class Turnstile(Sink):
        turns, flushing = threading.Semaphore(0), threading.Semaphore(0)

        def observed(self, observed):
            pass

        def flush(self):
            self.flushing.release()
            assert self.turns.acquire(timeout=LIMIT_SECONDS)

    sink = Turnstile()
    runner = Runner("turnstile", sink)
    runner.written()()  # of nothing
    runner.put(observed(engine, 1, 2))
    first = told_when_over(runner.written())
    runner.start()
    assert sink.flushing.acquire(timeout=LIMIT_SECONDS)
    runner.put(observed(engine, 3))
    second = told_when_over(runner.written())
    assert not first.is_set()
    sink.turns.release()
    assert first.wait(LIMIT_SECONDS)
    assert sink.flushing.acquire(timeout=LIMIT_SECONDS)
    assert not second.is_set()
    sink.turns.release(2)  # and for the end
    assert second.wait(LIMIT_SECONDS)
    ended(runner)


def test_who_waits_for_a_sink_that_ends_without_writing_waits_no_longer(engine):
    sink = Gate(failures=[ZeroDivisionError("a mistake")])
    sink.open_gate.set()
    runner = Runner("gate", sink)
    runner.put(observed(engine, 1, 2))
    over = told_when_over(runner.written())
    runner.start()
    assert over.wait(LIMIT_SECONDS)


def test_a_failure_is_tried_again_and_told_once(engine, caplog):
    caplog.set_level(logging.INFO)
    sink = Gate(failures=[OSError(28, "No space left on device")] * 3)
    sink.open_gate.set()
    runner = Runner("gate", sink)
    runner.put(observed(engine, 1, 2))
    runner.start()
    assert sink.at_gate.wait(LIMIT_SECONDS)
    while sink.failures:
        assert runner.is_alive()
    count = ended(runner)
    assert sink.written == [1, 2]
    assert (count.written, count.failures, count.lost) == (2, 3, 0)
    assert len([record for record in caplog.records if "failed" in record.getMessage()]) == 1


def test_what_can_not_be_written_at_the_end_is_lost_and_counted(engine):
    sink = Gate(failures=[OSError(28, "No space left on device")] * 9)
    sink.open_gate.set()
    runner = Runner("gate", sink)
    runner.put(observed(engine, 1, 2))
    runner.end()
    runner.start()
    count = ended(runner)
    assert (count.written, count.lost, count.waiting) == (0, 2, 0)


@pytest.mark.parametrize("fault", [BrokenPipeError(32, "Broken pipe"), ZeroDivisionError("a mistake")])
def test_a_sink_that_is_broken_for_good_is_told_to_whoever_asks(engine, fault):
    sink = Gate(failures=[fault])
    sink.open_gate.set()
    runner = Runner("gate", sink)
    runner.put(observed(engine, 1, 2))
    runner.start()
    runner.join(LIMIT_SECONDS)
    with pytest.raises(type(fault)):
        _ = runner.full
    assert (runner.count.lost, runner.count.waiting) == (2, 0)


def test_other_groups_and_forgotten_streams_are_heard_of_in_their_turn(engine):
    sink = Gate()
    sink.open_gate.set()
    runner = Runner("gate", sink)
    settings = SETTINGS.group_settings()
    runner.open(settings)
    runner.put(observed(engine, 1))
    runner.forgotten(settings[0], ["plant/a"])
    runner.start()
    ended(runner)
    assert sink.heard == [["plant"], ("plant", "plant/a")]
    assert sink.written == [1]


def test_results_keep_the_names_of_their_rows_when_streams_are_forgotten(engine):
    engine.add_stream(0, "plant/z")
    told = observed(engine, 1)
    row = int(told.batch.stream[0])
    engine.forget_streams(0, ["plant/z"])
    assert engine.groups[0].streams.names == ["plant/a"]
    assert told.streams.names[row] == "plant/a"


@pytest.mark.parametrize("name", SINKS)
def test_every_sink_of_the_table_is_off_unless_it_is_set_and_is_a_sink(name, tmp_path):
    assert name not in SETTINGS.sinks
    module, _, attribute = SINKS[name].place.partition(":")
    assert issubclass(getattr(__import__(module, fromlist=[attribute]), attribute), Sink)
