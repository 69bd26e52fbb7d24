"""Memory, hold-ups and bytes of `[state]`: processes of `model = "auto"` at one horizon, and of averages.

Hold-ups are of CPU time of the event loop's thread: waits for a CPU that other programs have do not count.

Run: python -m tests.bench memory
"""

from __future__ import annotations

from tests.bench.measure import at_most  # isort: skip (before numpy)

import asyncio
import dataclasses
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from ewad import config
from ewad.config import StateSettings
from ewad.daemon.clock import ArrivalClock
from ewad.daemon.committer import COPIED_PIECE, Committer
from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store.records import Change
from ewad.store.store import Store

AUTO, SMOOTH = GroupSettings("bench", model=auto("m")), GroupSettings("bench")
SIZES = {"auto": (AUTO, (1_000, 5_000)), "averages": (SMOOTH, (100_000,))}
SAMPLES = 3  # of each stream before anything is measured
MOST = 1.25  # times the state


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        """Return seconds since some moment."""
        return super().time() + self.ahead


def status(name: str) -> float:
    """Return a size of this process, MiB: VmRSS now, VmHWM the highest so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def own_time() -> float:
    """Return the CPU seconds of this thread: waits for a CPU that other programs have do not count."""
    return time.thread_time()


def forget_highest() -> None:
    """Let VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


async def snapshot_done(store: Store) -> None:
    while store._writer.snapshot_pending:  # noqa: ASYNC110 (a thread changes it)
        await asyncio.sleep(0.001)


def new_store(path: Path, group: GroupSettings) -> Store:
    return Store(StateSettings(path=str(path)), "bench", lambda: Engine([group], 10**6), lambda seconds: None)


def fill(engine: Engine, n: int) -> None:
    for i in range(n):
        engine.add_stream(0, f"bench/{i:06d}/temperature", (("sensor", f"{i:06d}"),))


def rounds(n: int, first: int, count: int) -> list[Batch]:
    """Return batches in which each of n streams has `count` samples."""
    rng, batches = np.random.default_rng(first), []
    for turn in range(first, first + count):
        for start in range(0, n, 1024):
            rows = np.arange(start, min(start + 1024, n), dtype=np.int32)
            time_ = np.full(len(rows), 1.7e9 + 60.0 * turn)
            batches.append(Batch(0, rows, time_, rng.normal(20.0, 5.0, len(rows)), 1.7e9 + 60.0 * turn))
    return batches


def without(group: GroupSettings, n: int) -> dict[str, float]:
    """Return MiB of a process without a state file."""
    before = status("VmRSS")
    engine = Engine([group], 10**6)
    fill(engine, n)
    for batch in rounds(n, 0, SAMPLES):
        engine.observe(batch)
    return {"rss": status("VmRSS") - before}


async def written(store: Store) -> dict[str, float]:
    """Let a snapshot be written while samples come; return the longest hold-ups, ms."""
    rng, n = np.random.default_rng(2), len(store.engine.groups[0].streams)
    longest = touched = 0.0
    before = own_time()
    while store._writer.snapshot_pending:
        await asyncio.sleep(0)
        now = own_time()
        longest = max(longest, now - before)
        if not store.has_room:
            before = own_time()
            continue
        rows = rng.integers(0, n, COPIED_PIECE).astype(np.int32)
        batch = Batch(0, rows, np.full(len(rows), 1.8e9), rng.normal(size=len(rows)), 1.8e9)
        started = own_time()
        store.touch(batch)
        touched = max(touched, own_time() - started)
        store.engine.observe(batch)
        before = own_time()
    return {"held": 1e3 * longest, "first": 1e3 * touched}


async def with_state(group: GroupSettings, n: int, path: Path) -> dict[str, float]:
    """Return MiB of a process that has a state file, and of its snapshots; hold-ups of its event loop, ms."""
    before = status("VmRSS")
    store = new_store(path, group)
    store.start()
    await snapshot_done(store)
    fill(store.engine, n)
    for batch in rounds(n, 0, SAMPLES):
        store.touch(batch)
        store.engine.observe(batch)
    gc.collect()
    gc.freeze()
    filled = status("VmRSS") - before
    forget_highest()
    held = []
    for whole in (True, True, False, False):
        store.snapshot(whole=whole)
        held.append(await written(store))
    found = {"rss": filled, "peak": status("VmHWM") - before, "after": status("VmRSS") - before}
    found |= {"held": max(each["held"] for each in held), "first": max(each["first"] for each in held)}
    await store.close()
    return found | {"file": store.file_bytes / 2**20}


async def restarted(group: GroupSettings, n: int, path: Path) -> dict[str, float]:
    """Return MiB of a process that starts with a state file, its CPU seconds, ms of the first snapshot."""
    before, started = status("VmRSS"), time.process_time()
    store = new_store(path, group)
    seconds = time.process_time() - started
    loaded = {"rss": status("VmRSS") - before, "peak": status("VmHWM") - before, "seconds": seconds}
    store.start()
    for batch in rounds(n, 9, 1):
        store.touch(batch)
        store.engine.observe(batch)
    store.snapshot()
    held = await written(store)
    loaded["later"] = status("VmHWM") - before
    await store.close()
    return loaded | held


async def forgotten(group: GroupSettings, n: int) -> dict[str, float]:
    """Return by how many ms the event loop is held up at the most when all of n streams are forgotten."""
    engine = Engine([dataclasses.replace(group, forget_after_seconds=60.0)], 10**6)
    fill(engine, n)
    for batch in rounds(n, 0, SAMPLES):
        engine.observe(batch)
    blocks = config.parse({"stream": [{"name": "bench", "topic": "bench/#"}]}, "bench", {}).streams
    taker = Committer(engine, Intake(engine, blocks), None, lambda seconds: None)
    longest, began = 0.0, own_time()
    taker.forget(cast("ArrivalClock", SimpleNamespace(now=lambda: 1.8e9)))
    before = began
    while engine.n_streams:
        longest, before = max(longest, own_time() - before), own_time()
        await asyncio.sleep(0)
    return {"held": 1e3 * max(longest, own_time() - before), "seconds": own_time() - began}


async def quiet(group: GroupSettings, path: Path) -> dict[str, float]:
    """Return bytes of an hour of ten streams, each with a sample every 10 s."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Clock)
    store = new_store(path, group)
    store.start()
    fill(store.engine, 10)
    hours, journal, began = 4, 0, 0
    for second in range(3600 * (hours + 1)):
        if second == 3600:
            journal, began = store._writer.journal_bytes, io_bytes()
        batch = Batch(
            0, np.array([second % 10], dtype=np.int32), np.full(1, 1.7e9 + second), np.ones(1), 1.7e9 + second
        )
        store.touch(batch)
        store.engine.observe(batch)
        kept = asyncio.Event()
        store.record(Change([], [batch]), Acknowledgements(pubacks=[second * 7919 % 2**63]), kept.set)
        await kept.wait()
        loop.ahead += 1.0
        if store.snapshot_due():
            store.snapshot()
        await snapshot_done(store)
    journal, began = store._writer.journal_bytes - journal, io_bytes() - began
    await store.close()
    return {"journal": journal / hours, "written": began / hours}


def io_bytes() -> int:
    return int(Path("/proc/self/io").read_text().split()[3])


def child(what: str, kind: str, n: int, path: str) -> None:
    group = SIZES[kind][0]
    if what == "without":
        found = without(group, n)
    else:
        works = {"with": with_state, "restarted": restarted}
        with asyncio.Runner(loop_factory=Clock) as runner:
            if what == "quiet":
                work = quiet(group, Path(path))
            elif what == "forgotten":
                work = forgotten(group, n)
            else:
                work = works[what](group, n, Path(path))
            found = runner.run(work)
    print(json.dumps(found))


def run(what: str, kind: str, n: int, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.bench_memory", what, kind, str(n), str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    """Print all of it beside what it should be."""
    if len(sys.argv) > 1:
        child(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
        return
    for kind, (_, sizes) in SIZES.items():
        for n in sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "ewad.db"
                alone, kept, again, gone = (
                    run(what, kind, n, path) for what in ("without", "with", "restarted", "forgotten")
                )
            print(f"{n:,} streams of {kind}, KiB a stream:")
            for name, mib in {
                "without [state]": alone["rss"],
                "with [state]": kept["rss"],
                "with [state], at its highest during snapshots": kept["peak"],
                "after a restart": again["rss"],
                "at its highest during a start": again["peak"],
                "at its highest during the next snapshot": again["later"],
            }.items():
                print(f"  {name}: {mib * 1024 / n:.1f}")
            at_most("highest during snapshots, of that before", kept["peak"] / kept["rss"], MOST)
            at_most("highest during a start, of that without", again["peak"] / alone["rss"], MOST)
            at_most(
                "longest hold-up of the event loop by a snapshot, ms", max(kept["held"], again["held"]), 20
            )
            at_most("copies that 64 samples had to wait for, ms", max(kept["first"], again["first"]), 20)
            at_most("longest hold-up when all are forgotten, ms", gone["held"], 20)
            print(
                f"  CPU of a start: {again['seconds']:.2f} s; the file has {kept['file']:.0f} MiB; "
                f"CPU of forgetting all: {gone['seconds']:.2f} s"
            )
    for kind in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            found = run("quiet", kind, 10, Path(folder) / "ewad.db")
        print(f"an hour of ten streams of {kind}, a sample a second: {found['written']:,.0f} bytes written")
        at_most("that, of the bytes of the journal", found["written"] / found["journal"], 10)


if __name__ == "__main__":
    main()
