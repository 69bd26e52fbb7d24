"""What a state file costs: memory beside the state, turns of the event loop, bytes on the disk."""

import asyncio
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store import file as state_file
from ewad.store import store as store_module
from ewad.store.records import Change
from tests.store.states import new_store, running, snapshot, until

AUTO, SMOOTH = GroupSettings("plant", model=auto("m")), GroupSettings("plant")
MOST = 1.25  # times the state


def fill(engine: Engine, streams: int) -> None:
    for number in range(streams):
        engine.add_stream(0, f"plant/{number}")


def observe(store, rows, at: float) -> Batch:
    rows = np.asarray(rows, dtype=np.int32)
    batch = Batch(0, rows, np.full(len(rows), at), np.full(len(rows), at % 7), at)
    store.touch(batch)
    store.engine.observe(batch)
    return batch


@contextmanager
def traced():
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


@pytest.fixture
def small(monkeypatch):
    """Let the share of a state that waits for a slow disk count in a small one, too."""
    monkeypatch.setattr(store_module, "COPIED_BYTES", 1 << 18)
    write_all = state_file.write_all

    def slow(file, data, at):
        time.sleep(0.002)
        write_all(file, data, at)

    monkeypatch.setattr(state_file, "write_all", slow)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("group", "streams"),
    [(AUTO, 300), pytest.param(SMOOTH, 60_000, marks=pytest.mark.slow)],
    ids=["auto", "averages"],
)
async def test_neither_a_snapshot_nor_a_start_takes_memory_for_a_second_state(tmp_path, group, streams):
    path = tmp_path / "ewad.db"
    with traced():
        nothing, _ = tracemalloc.get_traced_memory()
        async with running(path, groups=[group]) as store:
            fill(store.engine, streams)
            observe(store, range(streams), 1.7e9)
            kept = asyncio.Event()
            new = [(0, f"plant/{n}", ()) for n in range(streams)]
            store.record(Change(new, []), Acknowledgements(), kept.set)
            await kept.wait()
            del new
            state = tracemalloc.get_traced_memory()[0] - nothing
            for whole in (True, False, True):
                observe(store, range(streams), 1.7e9 + 60.0)
                tracemalloc.reset_peak()
                await snapshot(store, whole=whole)
                assert tracemalloc.get_traced_memory()[1] - nothing < MOST * state
        del store
    with traced():
        again = new_store(path, [group])
        taken, peak = tracemalloc.get_traced_memory()
        assert len(again.engine.groups[0].streams) == streams
        assert peak < MOST * state
        assert taken < state
        again._writer._open_file.close()


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


@pytest.mark.parametrize(("group", "streams"), [(AUTO, 2), (SMOOTH, 10)], ids=["auto", "averages"])
def test_a_quiet_installation_writes_no_more_than_ten_times_its_journal(
    tmp_path, group, streams, monkeypatch
):
    written = []
    write_all = state_file.write_all
    monkeypatch.setattr(
        state_file, "write_all", lambda file, data, at: written.append(len(data)) or write_all(file, data, at)
    )

    async def hour(path: Path) -> tuple[int, int]:
        """Return the bytes of the journal and of all that is written, with a sample each 6 s."""
        loop = asyncio.get_running_loop()
        async with running(path, groups=[group], durability="process") as store:
            fill(store.engine, streams)
            for turn in range(2 * 600):
                if turn == 600:  # the first snapshot, of everything, is over
                    journal = store._writer.journal_bytes
                    written.clear()
                batch = observe(store, [turn % streams], 1.7e9 + 6.0 * turn)
                kept = asyncio.Event()
                store.record(Change([], [batch]), Acknowledgements(pubacks=[turn]), kept.set)
                await kept.wait()
                loop.ahead += 6.0
                if store.snapshot_due():
                    store.snapshot()
                await until(lambda: not store._writer.snapshot_pending)
            return store._writer.journal_bytes - journal, sum(written)

    with asyncio.Runner(loop_factory=Clock) as runner:
        journal, all_bytes = runner.run(hour(tmp_path / "ewad.db"))
    assert all_bytes > journal > 600 * 40
    assert all_bytes < 10 * journal


async def test_a_snapshot_is_copied_in_short_turns_of_the_event_loop(tmp_path, monkeypatch):
    """By a clock that goes on by 1 ms with each look at it: a turn ends with the look after COPY_SECONDS."""
    ticks = iter(range(10**9))
    blocks = []
    async with running(tmp_path / "ewad.db", groups=[AUTO]) as store:
        fill(store.engine, 200)
        observe(store, range(200), 1.7e9)
        await until(lambda: not store.copying and not store._writer.snapshot_pending)
        monkeypatch.setattr(store_module.time, "perf_counter", lambda: 0.001 * next(ticks))
        copy_next = store._changes.copy_next
        monkeypatch.setattr(store._changes, "copy_next", lambda: blocks.append(turn) or copy_next())
        turn = 0
        store.snapshot(whole=True)
        while store.copying:
            turn += 1
            await asyncio.sleep(0)
    turns = [blocks.count(each) for each in set(blocks)]
    assert len(blocks) > 50
    assert max(turns) <= 5
