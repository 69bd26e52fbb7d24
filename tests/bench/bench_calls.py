"""What a sample costs by the size of the call that brings it, beside 0.1.0 and a plain Python loop.

Run: python -m tests.bench calls
0.1.0 took many samples at once by other code than one alone, and a few by the dearest; here every call is a
loop over its samples. CPU time, after a warm-up, as a mean over many calls: steps of mini-batches fall on
some of them.
"""

from __future__ import annotations

import statistics
import time

import tests.bench.measure  # noqa: F401  (before numpy: one thread each)

import numpy as np  # isort: skip

from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from tests.bench.measure import at_most

SIZES = (1, 2, 3, 5, 20, 100, 1024)
RUNS = 3
# Of each size at a time: of 1,000 streams whose models learn at every eighth sample two steps fall on each.
SAMPLES = 16 * 1024

# name -> settings, streams, us a sample in 0.1.0 at each size (measured then, on this machine; 0: not), and
# to reach at 1,024 and at 1 a call
CASES: dict[str, tuple[GroupSettings, int, tuple[float, ...], float, float]] = {
    "two averages": (GroupSettings("bench"), 1000, (12, 43, 33, 22, 6.4, 0, 0.24), 0.2, 2.5),
    "linear, shared, 24 lags": (
        GroupSettings("bench", model=ModelSettings()),
        1000,
        (66, 184, 127, 82, 22, 0, 1.5),
        0.4,
        3.0,
    ),
    "auto, one stream": (
        GroupSettings("bench", model=auto("m")),
        1,
        (113, 600, 498, 327, 80, 0, 46),
        8.0,
        12.0,
    ),
    "auto, 1,000 streams, a model each": (
        GroupSettings("bench", model=auto("m")),
        1000,
        (0, 0, 0, 0, 0, 0, 15),
        8.0,
        12.0,
    ),
    "auto, 1,000 streams that share one": (
        GroupSettings("bench", model=auto("m", share="group", batch_size=64)),
        1000,
        (0, 0, 0, 0, 0, 0, 3.5),
        3.0,
        12.0,
    ),
}


def costs(settings: GroupSettings, n_streams: int) -> dict[int, float]:
    """Return the CPU microseconds a sample of an engine that has warmed up, by the size of a call."""
    engine = Engine([settings])
    for i in range(n_streams):
        engine.add_stream(0, f"stream {i}")
    warm = 100 * n_streams if settings.model else n_streams
    n = warm + RUNS * SAMPLES * len(SIZES)
    value = np.random.default_rng(1).normal(size=n).cumsum()
    stream = (np.arange(n) % n_streams).astype(np.int32)
    clock = 1.6e9 + 60.0 * (np.arange(n) // n_streams)

    def batches(start: int, end: int, size: int) -> list[Batch]:
        return [
            Batch(0, *(each[at : at + size] for each in (stream, clock, value)), arrival=0.0)
            for at in range(start, end, size)
        ]

    for batch in batches(0, warm, 4096):
        engine.observe(batch)
    found: dict[int, list[float]] = {size: [] for size in SIZES}
    at = warm
    for _ in range(RUNS):
        for size in SIZES:
            waiting = batches(at, at + SAMPLES // size * size, size)
            started = time.process_time()
            for batch in waiting:
                engine.observe(batch)
            found[size].append((time.process_time() - started) / (SAMPLES // size * size) * 1e6)
            at += SAMPLES // size * size
    return {size: statistics.median(each) for size, each in found.items()}


def python_loop() -> float:
    """Return the CPU microseconds a sample of one bias-corrected average in plain Python."""
    values = np.random.default_rng(1).normal(size=200_000).tolist()
    average = weight = 0.0
    started = time.process_time()
    for x in values:
        average = 0.9 * average + 0.1 * x
        weight = 0.9 * weight + 0.1
    assert average / weight == average / weight
    return (time.process_time() - started) / len(values) * 1e6


def main() -> None:
    """Print a table of each case, and what is to be reached."""
    print(f"one average, plain Python: {python_loop():.3f} us a sample")
    for name, (settings, n_streams, before, at_once, alone) in CASES.items():
        now = costs(settings, n_streams)
        print(f"{name}: us a sample, by samples a call; 0.1.0; times as dear then")
        for size, was in zip(SIZES, before, strict=True):
            told = f"{was:9.2f} {was / now[size]:7.1f}" if was else "        -       -"
            print(f"  {size:5} {now[size]:9.3f} {told}", flush=True)
        at_most("us a sample, 1,024 a call", now[1024], at_once)
        at_most("us a sample, one a call", now[1], alone)


if __name__ == "__main__":
    main()
