"""ewad.ewa on 10^7 samples of one series, beside a copy, pandas, scipy's compiled filter and river.

Run: python -m tests.bench.bench_ewa [samples]
"""

from __future__ import annotations

import sys

from tests.bench.measure import Work, at_least, at_most, medians, peer

import numpy as np  # isort: skip

from ewad import ewa

BETA = 0.98
COPY = "one copy with a multiply"
RIVER_SAMPLES = 100_000  # a slice: river takes a sample at a time


def river_work(river_stats: object, x: np.ndarray) -> Work:
    values = x[:RIVER_SAMPLES].tolist()

    def work() -> None:
        mean = river_stats.EWMean(fading_factor=1 - BETA)  # type: ignore[attr-defined]
        for value in values:
            mean.update(value)

    return work


def main(n: int = 10_000_000) -> None:
    print(f"Average of {n:,} samples in one series, beta {BETA} (CPU seconds)")
    x = 20.0 + np.random.default_rng(0).standard_normal(n).cumsum()
    works: dict[str, Work] = {"ewad.ewa": lambda: ewa(x, BETA), COPY: lambda: np.multiply(x, 2.0)}
    if pandas := peer("pandas"):
        works["pandas ewm"] = lambda: pandas.Series(x).ewm(alpha=1 - BETA).mean()
    if signal := peer("scipy.signal"):
        works["scipy lfilter, not bias-corrected"] = lambda: signal.lfilter([1 - BETA], [1, -BETA], x)
    times = medians(works, runs=5)
    if stats := peer("river.stats"):
        slice_time = medians({"river": river_work(stats, x)}, runs=3)["river"]
        times["river, extrapolated from a slice"] = slice_time * n / min(n, RIVER_SAMPLES)
    for name, seconds in times.items():
        print(f"  {name:36} {seconds:8.3f}   {1e9 * seconds / n:7.1f} ns a sample")
    ours = times["ewad.ewa"]
    at_most("ewad / copy", ours / times[COPY], 1.5)
    if signal:
        at_most("ewad / lfilter", ours / times["scipy lfilter, not bias-corrected"], 2.0)
    if pandas:
        at_least("pandas / ewad", times["pandas ewm"] / ours, 1.0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
