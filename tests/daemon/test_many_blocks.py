"""Thousands of [[stream]] blocks: what they cost grows as their number does, not as its square."""

import asyncio
import sys
import threading
import weakref
from dataclasses import dataclass

import pytest

from ewad.config import parse
from ewad.daemon import daemon
from ewad.daemon.daemon import Daemon
from ewad.daemon.parts import new_engine
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.overlaps import Overlaps
from ewad.outputs.prometheus.exposition import Exposition
from ewad.outputs.running import Sinks

FEW, MANY = 100, 400
# 4 times as many blocks: 4 times the calls, and 16 times if each block looked at each other one
MOST_GROWTH = 5.0


@dataclass
class Message:
    topic: str
    payload: bytes = b"1.5"
    retain: bool = False


def document(n):
    stream = [{"name": f"s{i}", "topic": [f"site/{{room}}/t{i}", f"a/t{i}/#"]} for i in range(n)]
    return {"stream": stream, "http": {"listen": "127.0.0.1:0"}}


def calls(function):
    """Return how many functions are called meanwhile, those of C included."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def read(n):
    raw = document(n)
    return lambda: parse(raw, "test", {})


def subscribe(n):
    settings = parse(document(n), "test", {})
    return lambda: Overlaps(connection_settings(settings).subscriptions)


def compose(n):
    settings = parse(document(n), "test", {})

    async def composed():
        Daemon(settings)

    return lambda: asyncio.run(composed())


def intake_of(n):
    settings = parse(document(n), "test", {})
    return Intake(new_engine(settings), settings.streams)


def new_topics(n):
    intake, messages = intake_of(n), [Message(f"site/a/t{i}") for i in range(n)]

    def take():
        intake.consume(messages, 1.0)
        intake.observe()

    return take


def single_messages(n):
    """Let as many reads of one message be observed, whatever the number of blocks."""
    intake, message = intake_of(n), Message("site/a/t7")

    def take():
        for turn in range(4 * FEW):
            intake.consume([message], float(turn))
            intake.observe()

    return take


def scrape(n):
    engine = new_engine(parse(document(n), "test", {}))
    for group in range(n):
        engine.add_stream(group, "a")
    return lambda: [*Exposition(engine, [900.0] * n).render(lambda: 1.0, False)]


@pytest.mark.parametrize("work", [read, subscribe, compose, new_topics, scrape])
def test_the_work_grows_as_the_number_of_blocks(work):
    work(FEW)()  # what is imported or remembered once
    assert calls(work(MANY)) < MOST_GROWTH * calls(work(FEW))


def test_a_message_costs_the_same_beside_however_many_other_blocks():
    single_messages(FEW)()
    assert calls(single_messages(MANY)) < 1.1 * calls(single_messages(FEW))


def test_groups_that_have_none_of_a_family_do_not_make_a_slice_long():
    n = 2000
    engine = new_engine(parse(document(n), "test", {}))
    assert len([*Exposition(engine, [900.0] * n).render(lambda: 0.0, False)]) > 20


async def test_a_reload_makes_what_is_large_in_a_thread(monkeypatch):
    threads = {}

    def noting(name, owner=daemon):
        original = getattr(owner, name)

        def noted(*arguments):
            threads[name] = threading.get_ident()
            return original(*arguments)

        monkeypatch.setattr(owner, name, noted)

    running = Daemon(parse(document(FEW), "test", {}))
    await running.start()
    task = asyncio.create_task(running.run())
    await asyncio.sleep(0)
    names = ("connection_settings", "new_engine", "make_source", "new_intake", "exposition_of", "let_go")
    for name in names:
        noting(name)
    noting("prepared", Sinks)
    groups = [weakref.ref(group) for group in running.engine.groups]
    # one block less: another engine, and another session
    await running.apply(parse(document(FEW - 1), "test", {}))
    assert set(threads) == {*names, "prepared"}
    assert threading.get_ident() not in threads.values()
    assert len(running.engine.groups) == FEW - 1
    assert all(group() is None for group in groups)
    task.cancel()
    await asyncio.wait([task])
