"""Exposition measured: against prometheus_client's labelled gauges, and what requests do to the event loop.

Run: python -m tests.bench.bench_exposition [streams]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from ewad.engine import Batch, ByCount, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.outputs.http.history import PointHistory
from ewad.outputs.http.server import HttpServer
from ewad.outputs.prometheus import exposition
from ewad.outputs.prometheus.exposition import Exposition
from tests.bench.measure import at_most
from tests.outputs.engines import INF, instruments, wide_engine

RUNS = 3
STREAMS = 10_000  # whose documents the API is asked for
SERIES = ("ewad_value", "ewad_smoothed_value", "ewad_smoothed_stddev")  # 3 a stream at one beta


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def gauges_of(engine: Engine) -> Callable[[], bytes]:
    """Return what prometheus_client needs for one scrape: set every gauge, then write the text."""
    group = engine.groups[0]
    average = group.averages[0]
    registry = CollectorRegistry()
    gauges = [Gauge(name, "Help.", ["stream", "room", "group"], registry=registry) for name in SERIES]
    keys = [
        (name, labels[0][1], group.name)
        for name, labels in zip(group.streams.names, group.streams.labels, strict=True)
    ]

    def scrape() -> bytes:
        columns = (group.value, average.mean, average.stddev())
        for gauge, column in zip(gauges, columns, strict=True):
            for key, value in zip(keys, column.tolist(), strict=False):
                gauge.labels(*key).set(value)
        return generate_latest(registry)

    return scrape


def compare(engine: Engine, n_streams: int) -> None:
    all_quantities = exposition.QUANTITIES
    exposition.QUANTITIES = tuple(each for each in all_quantities if each.metric in SERIES)
    ours = Exposition(engine, [INF])
    first = cpu_seconds(lambda: sum(map(len, ours.render(lambda: 0.0, False))))
    theirs = gauges_of(engine)
    theirs()
    times = [
        (cpu_seconds(lambda: sum(map(len, ours.render(lambda: 0.0, False)))), cpu_seconds(theirs))
        for _ in range(RUNS)
    ]
    slices = []
    start = time.perf_counter()
    for _ in ours.render(lambda: 0.0, False):
        slices.append(time.perf_counter() - start)
        start = time.perf_counter()
    exposition.QUANTITIES = all_quantities
    mine, client = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{n_streams:,} streams x {len(SERIES)} series, CPU seconds, median of {RUNS}:")
    print(f"  ewad              {mine:.3f}  (first scrape, with the labels' text: {first:.3f})")
    print(f"  prometheus_client {client:.3f}")
    print(f"  ratio             {client / mine:.1f}  (to reach: 8)")
    print(f"  slices            {len(slices)}, the longest {max(slices) * 1e3:.1f} ms")


async def longest_gap(stop: asyncio.Event) -> tuple[float, float]:
    """Return the longest time between two turns of a task that asks for one each millisecond, and the most
    CPU time that the thread has taken between two.
    """
    longest, most, before, cpu = 0.0, 0.0, time.perf_counter(), time.thread_time()
    while not stop.is_set():
        await asyncio.sleep(0.001)
        now, spent = time.perf_counter(), time.thread_time()
        longest, before = max(longest, now - before), now
        most, cpu = max(most, spent - cpu), spent
    return longest, most


def server_of(engine: Engine, history: PointHistory | None = None) -> HttpServer:
    return HttpServer(
        "127.0.0.1",
        0,
        engine=engine,
        exposition=Exposition(engine, [INF]),
        instruments=instruments(engine),
        not_ready=lambda: None,
        clock=lambda: 0.0,
        history=history,
    )


async def documents() -> None:
    """Tell what documents of the API take of the loop's thread."""
    model = auto("auto", horizons=(1, 6))
    engine = Engine([GroupSettings("temperature", (ByCount(0.9), ByCount(0.98)), model=model)])
    rows = np.array([engine.add_stream(0, f"site/{n}/temperature") for n in range(STREAMS)], np.int32)
    random, history = np.random.default_rng(1), PointHistory()
    for second in range(10):
        batch = Batch(0, rows, np.full(STREAMS, float(second)), 20.0 + random.standard_normal(STREAMS), 0.0)
        history.observed(engine, batch, engine.observe(batch))
    server = server_of(engine, history)
    ((host, port),) = await server.start()
    print(f"the API with {STREAMS:,} streams of `auto`, the event loop's thread busy at the longest:")
    stream = "streams/site%2F0%2Ftemperature"
    for path in ("streams?recent=60", "streams?limit=500&recent=120&sort=anomaly", "groups", stream):
        await curl(f"http://{host}:{port}/api/v1/{path}", "gzip")
        stop = asyncio.Event()
        ticker = asyncio.create_task(longest_gap(stop))
        await curl(f"http://{host}:{port}/api/v1/{path}", "gzip")
        stop.set()
        _, busy = await ticker
        at_most(f"/api/v1/{path}, ms", busy * 1e3, 20.0)
    await server.stop()


async def stalls(engine: Engine) -> None:
    server = server_of(engine)
    ((host, port),) = await server.start()
    for title, encoding, at_once in (
        ("first", "identity", 1),
        ("plain", "identity", 1),
        ("gzip", "gzip", 1),
        ("two at once, gzip", "gzip", 2),
    ):
        stop = asyncio.Event()
        ticker = asyncio.create_task(longest_gap(stop))
        start = time.perf_counter()
        scrapes = [curl(f"http://{host}:{port}/metrics", encoding) for _ in range(at_once)]
        size = (await asyncio.gather(*scrapes))[0]
        seconds = time.perf_counter() - start
        stop.set()
        gap, busy = await ticker
        print(
            f"  {title:18} {seconds:.2f} s, {size / 1e6:.1f} MB, longest stall {gap * 1e3:.1f} ms"
            f" (limit 50), of the loop's own CPU at most {busy * 1e3:.1f} ms (limit 20)"
        )
    await server.stop()


async def curl(url: str, encoding: str) -> int:
    """Scrape from a process of its own and return the bytes that came: reading is no load on this loop."""
    program = (
        "import sys, urllib.request as r;"
        "q = r.Request(sys.argv[1], headers={'Accept-Encoding': sys.argv[2]});"
        "f = r.urlopen(q);"
        "print(sum(len(p) for p in iter(lambda: f.read(1 << 16), b'')))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, url, encoding, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return int(out)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    n_streams = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    engine = wide_engine(n_streams, betas=(0.9,))
    print(f"the event loop during a scrape over HTTP, {5 * n_streams:,} series:")
    before = resident_mib()
    asyncio.run(stalls(engine))
    print(f"  memory kept after it: {resident_mib() - before:.0f} MiB, the labels' text")
    compare(engine, n_streams)
    asyncio.run(documents())


if __name__ == "__main__":
    main()
