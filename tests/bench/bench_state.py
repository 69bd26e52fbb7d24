"""What durable state costs: CPU and rate at QoS 1, a window of 20 over MQTT 3.1.1, snapshots, recovery.

Run: python -m tests.bench.bench_state [messages]
"""

from __future__ import annotations

from tests.bench.measure import at_least, at_most  # isort: skip (before numpy)

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ewad.config import StateSettings
from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store.records import Change
from ewad.store.store import Store
from tests.bench.brokers import Broker, Load, free_port, under_load

CONFIG = """
[mqtt]
url = "mqtt://127.0.0.1:{port}"
version = "{version}"
[[stream]]
name = "bench"
topic = "bench/{{sensor}}/temperature"
[http]
listen = "127.0.0.1:{http}"
{state}
"""
STATE = "[state]\n"
RUNS = 3
N_STREAMS, N_SAMPLES, BATCH = 100_000, 1_000_000, 4096
MODEL = ModelSettings("m", lags=24)


def load(state: str, version: str, n: int) -> Load:
    """Return what n messages at QoS 1 cost the daemon."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        try:
            config = Path(folder) / "ewad.toml"
            config.write_text(CONFIG.format(port=broker.port, http=free_port(), version=version, state=state))
            command = [sys.executable, "-m", "ewad", "run", "-c", str(config)]
            return under_load(command, broker, 1, n, 20_000, None)
        finally:
            broker.stop()


def costs(n: int) -> None:
    """Print CPU and rate with a state file to those without."""
    runs: dict[str, list[Load]] = {"": [], STATE: []}
    for _ in range(RUNS):
        for state, loads in runs.items():
            loads.append(load(state, "5", n))
    without, durable = (
        [statistics.median(figure(each) for each in loads) for figure in (_cpu, _rate)]
        for loads in runs.values()
    )
    print(f"QoS 1 without: {without[0]:.2f} us, {without[1]:,.0f}/s")
    print(f"QoS 1 with a state file: {durable[0]:.2f} us, {durable[1]:,.0f}/s")
    at_most("CPU per message with a state file, of that without", durable[0] / without[0], 1.5)
    at_least("rate with a state file, of that without", durable[1] / without[1], 0.8)
    at_least("MQTT 3.1.1, window of 20, thousand messages/s", _rate(load(STATE, "3.1.1", n // 5)) / 1000, 5.0)


def _cpu(each: Load) -> float:
    return each.subscriber / each.messages * 1e6


def _rate(each: Load) -> float:
    return each.messages / each.seconds


def new_store(folder: Path) -> Store:
    """Return a store of the state file in the folder."""
    settings = StateSettings(path=str(folder / "ewad.db"))
    return Store(
        settings, "bench", lambda: Engine([GroupSettings("bench", model=MODEL)]), lambda seconds: None
    )


async def filled(folder: Path) -> Store:
    """Return a started store of N_STREAMS streams, with N_SAMPLES samples in its journal."""
    store = new_store(folder)
    for i in range(N_STREAMS):
        store.engine.add_stream(0, f"bench/{i:06d}/temperature", (("sensor", f"{i:06d}"),))
    store.start()
    await _snapshot_done(store)
    rng, kept = np.random.default_rng(1), asyncio.Event()
    for turn, start in enumerate(range(0, N_SAMPLES, BATCH)):
        rows = (np.arange(start, min(start + BATCH, N_SAMPLES)) % N_STREAMS).astype(np.int32)
        time_, value = np.full(len(rows), 1.7e9 + turn), rng.normal(20.0, 5.0, len(rows))
        batch = Batch(0, rows, time_, value, 1.7e9 + turn)
        store.touch(batch)
        store.engine.observe(batch)
        done = kept.set if start + BATCH >= N_SAMPLES else lambda: None
        store.record(Change([], [batch]), Acknowledgements(), done)
    await kept.wait()
    return store


async def snapshots(folder: Path) -> None:
    """Print how long a snapshot holds up the event loop."""
    store = await filled(folder)
    gc.collect()
    gc.freeze()  # as the daemon does
    stalls = [await _longest_stall(store) for _ in range(5)]
    print(f"hold-ups of the event loop by snapshots: {', '.join(f'{1000 * s:.0f}' for s in stalls)} ms")
    at_most("the longest, without waits for a busy CPU, ms", 1000 * max(stalls), 20)
    await store.close()


async def _longest_stall(store: Store) -> float:
    longest, before = 0.0, _own_time()
    store.snapshot()
    while store._writer.snapshot_pending:
        await asyncio.sleep(0)
        now = _own_time()
        longest, before = max(longest, now - before), now
    return longest


def _own_time() -> float:
    """Return a time that stands still, in seconds, while this thread waits for a CPU that others have."""
    waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    return time.perf_counter() - waited / 1e9


async def _snapshot_done(store: Store) -> None:
    while store._writer.snapshot_pending:  # noqa: ASYNC110 (a thread changes it)
        await asyncio.sleep(0.01)


async def recovery(folder: Path) -> None:
    """Print how long a start takes after a crash with a full journal."""
    store = await filled(folder)
    store._writer.end()  # without a last snapshot, as after a crash
    await asyncio.to_thread(store._writer.join)
    started = time.perf_counter()
    new_store(folder)
    at_most("recovery of 100,000 streams and 1,000,000 samples, s", time.perf_counter() - started, 3.0)


def main(arguments: list[str] | None = None) -> None:
    """Print all of it beside what it should be."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for work in (snapshots, recovery):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(work(Path(folder)))
    costs(int(arguments[0]) if arguments else 200_000)


if __name__ == "__main__":
    main()
