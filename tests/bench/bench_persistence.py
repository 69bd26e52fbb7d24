"""Whether the forecasts of `model = "auto"` are ever worse than persistence: on many short series.

Run: python -m tests.bench persistence [--data DIR] [--seeds N] [--samples N]
A long series gives a mixture time to be right; a short one is where it may be misled. Series of each kind are
made from N seeds, as samples of a minute, an hour and a day; the files of ETT that DIR holds are cut up.
The last 75 % are scored. MSE at horizon H is the mean over steps 1..H, as in the accuracy bench, but all are
of one model of 48 horizons; the worst single step is told too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.bench_accuracy import MODEL, NEVER_WORSE, last_part, task, to_persistence, whole_ett

import numpy as np  # isort: skip

from ewad.evaluation.evaluation import measure
from ewad.evaluation.protocols import HORIZONS, Task

DAY = 86_400.0
INTERVALS = {"1 min": 60.0, "1 h": 3600.0, "1 d": DAY}
PIECES = 12  # of each file of ETT

Random = np.random.Generator


def walk(rng: Random, n: int) -> np.ndarray:
    return np.cumsum(rng.normal(size=n))


def autoregression(rng: Random, n: int, memory: float) -> np.ndarray:
    value = rng.normal(size=n)
    for i in range(1, n):
        value[i] += memory * value[i - 1]
    return value


def uneasy(rng: Random, n: int) -> np.ndarray:
    """Return a walk whose moves come in clusters (GARCH)."""
    value, variance = rng.normal(size=n), 1.0
    for i in range(n):
        value[i] *= variance**0.5
        variance = 0.02 + 0.08 * value[i] ** 2 + 0.9 * variance
    return np.cumsum(value)


def wave(n: int, period: float) -> np.ndarray:
    return np.sin(2.0 * np.pi * np.arange(n) / period)


def levels(rng: Random, n: int) -> np.ndarray:
    """Return a constant with noise that jumps now and then."""
    return np.cumsum(rng.normal(size=n) * 10.0 * (rng.random(n) < 0.005)) + 0.3 * rng.normal(size=n)


def moods(rng: Random, n: int) -> np.ndarray:
    """Return what is a walk for 700 samples, then keeps to a level for as many."""
    level = 3.0 * autoregression(rng, n, 0.8)
    return np.where(np.arange(n) // 700 % 2 == 0, walk(rng, n), level)


def tank(rng: Random, n: int) -> np.ndarray:
    """Return what falls at an uneven pace and is filled up now and then."""
    value, level = np.empty(n), 100.0
    for i in range(n):
        level -= rng.exponential(0.3)
        if level < 20.0 + 10.0 * rng.random():
            level = 100.0
        value[i] = level
    return value


KINDS: dict[str, Callable[[Random, int], np.ndarray]] = {
    "random walk": walk,
    "walk of heavy tails": lambda rng, n: np.cumsum(rng.standard_t(2.0, n)),
    "walk of clustered moves": uneasy,
    "walk that calms down": lambda rng, n: np.cumsum(
        rng.normal(size=n) * np.where(np.arange(n) < n // 4, 1.0, 0.5)
    ),
    "walk in steps of 5": lambda rng, n: 5.0 * np.round(walk(rng, n) / 5.0),
    "walk in steps of 20": lambda rng, n: 20.0 * np.round(walk(rng, n) / 20.0),
    "walk with a drift": lambda rng, n: walk(rng, n) + 0.05 * np.arange(n),
    "walk and noise": lambda rng, n: walk(rng, n) + 3.0 * rng.normal(size=n),
    "walk and a wave of 37": lambda rng, n: walk(rng, n) + 5.0 * wave(n, 37.0),
    "exponential of a walk": lambda rng, n: np.exp(0.01 * walk(rng, n)),
    "AR(1) of 0.5": lambda rng, n: autoregression(rng, n, 0.5),
    "AR(1) of 0.9": lambda rng, n: autoregression(rng, n, 0.9),
    "AR(1) of 0.99": lambda rng, n: autoregression(rng, n, 0.99),
    "noise": lambda rng, n: rng.normal(size=n),
    "noise of heavy tails": lambda rng, n: rng.standard_t(3.0, n),
    "wave of 37 and noise": lambda rng, n: 5.0 * wave(n, 37.0) + rng.normal(size=n),
    "teeth of a saw": lambda rng, n: np.arange(n) % 50 / 5.0 + 0.5 * rng.normal(size=n),
    "on and off": lambda rng, n: (wave(n, 90.0) + 0.1 * rng.normal(size=n) > 0.3).astype(np.float64),
    "square wave": lambda rng, n: np.sign(wave(n, 200.0) + 1e-9) + 0.01 * rng.normal(size=n),
    "clean teeth of a saw": lambda rng, n: (np.arange(n) + int(rng.integers(50))) % 50 / 5.0,
    "slow wave": lambda rng, n: wave(n, 500.0) + 0.001 * rng.normal(size=n),
    "tank": tank,
    "wave that stops": lambda rng, n: (
        5.0 * wave(n, 24.0) * (np.arange(n) < n // 2) + 0.3 * rng.normal(size=n)
    ),
    "levels": levels,
    "walk and level by turns": moods,
    "constant with rare steps": lambda rng, n: np.cumsum(rng.normal(size=n) * (rng.random(n) < 0.002)),
    "counter": lambda rng, n: np.cumsum(rng.poisson(3.0, n)).astype(np.float64),
}


def made(n: int, seeds: int) -> Iterator[Task]:
    """Yield series of each kind, one a seed as channels of one, at each interval."""
    for name, kind in KINDS.items():
        values = [kind(np.random.default_rng(seed), n) for seed in range(seeds)]
        for label, every in INTERVALS.items():
            time = 1.6e9 + every * np.arange(n)
            yield task(
                f"{name}, {label}", *(last_part(str(seed), time, value) for seed, value in enumerate(values))
            )


def pieces(folder: Path, n: int) -> Iterator[Task]:
    """Yield pieces of the files of ETT, evenly spread."""
    for name in ("ETTh2", "ETTm1"):
        if (folder / f"{name}.csv").is_file():
            whole = whole_ett(folder, name)
            rows = len(whole.series[0].value)
            for first in np.linspace(0, rows - n, PIECES).astype(int).tolist():
                part = slice(first, first + n)
                yield task(
                    name, *(last_part(each.name, each.time[part], each.value[part]) for each in whole.series)
                )


def ratios(one: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return MSE / MSE of persistence, of each channel the worst of HORIZONS, and of single steps."""
    means, steps = to_persistence(measure(one, MODEL))
    return means.max(axis=1), steps.max(axis=1)


def main() -> None:
    """Print the worst of each kind, and how many are worse than persistence."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the files; default: none")
    parser.add_argument("--seeds", type=int, default=10, help="series of each kind and interval")
    parser.add_argument("--samples", type=int, default=2000, help="of each series")
    arguments = parser.parse_args()
    n = arguments.samples
    kinds: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for one in (*(pieces(arguments.data, n) if arguments.data else ()), *made(n, arguments.seeds)):
        kinds.setdefault(one.name, []).append(ratios(one))
    print(
        f"MSE to persistence's, series of {n:,} samples: the worst of mean steps 1..H, H of {HORIZONS}, and"
    )
    print(f"of single steps; how many of them are above {NEVER_WORSE}")
    every = []
    for name, found in kinds.items():
        mean, step = (np.concatenate(part) for part in zip(*found, strict=True))
        every.append((mean, step))
        show(name, mean, step)
    show("all", *(np.concatenate(part) for part in zip(*every, strict=True)))


def show(name: str, mean: np.ndarray, step: np.ndarray) -> None:
    cells = (f"{each.max():.3f}, {np.sum(each > NEVER_WORSE)} of {len(each)}" for each in (mean, step))
    print(f"  {name:36} {' | '.join(f'{cell:18}' for cell in cells)}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
