"""The engine's CPU per sample, beside pandas and a plain Python loop that keep one average in the same run.

Run: python -m tests.bench.bench_engine [runs]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator

import tests.bench.measure  # noqa: F401  (before numpy: one thread each)

import numpy as np  # isort: skip
import pandas as pd  # isort: skip

from ewad.engine import Batch, Engine, GroupSettings, ModelSettings

N_SAMPLES = 400 * 1024
BATCH = 1024
WARM_UP = 40 * 1024  # 1,000 streams need 25 samples each before their model learns

MODEL = ModelSettings(name="linear", lags=24, batch_size=64)
ENGINES: dict[str, tuple[GroupSettings, float]] = {  # settings, us per sample to reach
    "smoothing, 2 betas": (GroupSettings("bench"), 0.6),
    "linear model, shared": (GroupSettings("bench", model=MODEL), 2.0),
    "linear model per stream": (
        GroupSettings("bench", model=ModelSettings(name="linear", share="stream", lags=24, batch_size=64)),
        2.0,
    ),
}
Samples = tuple[np.ndarray, np.ndarray, np.ndarray]


def samples_of(n_streams: int, order: str) -> Samples:
    """Return stream, time and value of N_SAMPLES samples of random walks; order: "in turn" or "at random"."""
    rng = np.random.default_rng(1)
    stream = np.arange(N_SAMPLES) % n_streams
    if order == "at random":
        stream = rng.integers(0, n_streams, N_SAMPLES)
    return stream.astype(np.int32), np.arange(float(N_SAMPLES)), np.cumsum(rng.normal(size=N_SAMPLES))


def batches(samples: Samples) -> Iterator[Batch]:
    """Yield the samples in batches of BATCH."""
    for start in range(0, N_SAMPLES, BATCH):
        yield Batch(0, *(column[start : start + BATCH] for column in samples), arrival=0.0)


def engine(settings: GroupSettings, n_streams: int, samples: Samples) -> float:
    """Return the CPU seconds per sample of an engine that has warmed up."""
    made = Engine([settings])
    for i in range(n_streams):
        made.add_stream(0, f"stream {i}")
    waiting = list(batches(samples))
    warm = WARM_UP // BATCH
    for batch in waiting[:warm]:
        made.observe(batch)
    started = time.process_time()
    for batch in waiting[warm:]:
        made.observe(batch)
    return (time.process_time() - started) / (N_SAMPLES - WARM_UP)


def pandas_ewm(n_streams: int, samples: Samples) -> float:
    """Return the CPU seconds per sample of groupby-ewm, one beta, all samples at once."""
    frame = pd.DataFrame({"stream": samples[0], "value": samples[2]})
    started = time.process_time()
    frame.groupby("stream")["value"].ewm(alpha=0.1).mean()
    return (time.process_time() - started) / N_SAMPLES


def python_loop(n_streams: int, samples: Samples) -> float:
    """Return the CPU seconds per sample of one bias-corrected average in plain Python."""
    pairs = list(zip(samples[0].tolist(), samples[2].tolist(), strict=True))
    average, weight = [0.0] * n_streams, [0.0] * n_streams
    smoothed = 0.0
    started = time.process_time()
    for i, x in pairs:
        average[i] = 0.9 * average[i] + 0.1 * x
        weight[i] = 0.9 * weight[i] + 0.1
        smoothed = average[i] / weight[i]
    assert smoothed == smoothed
    return (time.process_time() - started) / N_SAMPLES


def main(arguments: list[str] | None = None) -> None:
    """Print medians of interleaved runs, and their ratios to the plain loop."""
    arguments = sys.argv[1:] if arguments is None else arguments
    runs = int(arguments[0]) if arguments else 5
    for n_streams, order in ((1000, "in turn"), (1000, "at random"), (1, "in turn")):
        samples = samples_of(n_streams, order)
        contenders: dict[str, Callable[[], float]] = {
            name: lambda settings=settings: engine(settings, n_streams, samples)  # type: ignore[misc]  # noqa: B023
            for name, (settings, _) in ENGINES.items()
        }
        contenders["pandas groupby-ewm, 1 beta"] = lambda: pandas_ewm(n_streams, samples)  # noqa: B023
        contenders["plain Python, 1 beta"] = lambda: python_loop(n_streams, samples)  # noqa: B023
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(runs):
            for name, run in contenders.items():
                seconds[name].append(run())
        print(f"{n_streams:,} streams {order}, batches of {BATCH:,}; CPU us per sample, median of {runs}")
        loop = statistics.median(seconds["plain Python, 1 beta"])
        for name, found in seconds.items():
            median = statistics.median(found)
            target = f"  (to reach: {ENGINES[name][1]})" if name in ENGINES else ""
            print(
                f"  {name:28}{median * 1e6:8.3f}  {median / loop:6.2f} x the plain loop{target}", flush=True
            )


if __name__ == "__main__":
    main()
