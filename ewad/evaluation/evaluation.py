"""Tasks measured: every method on every series, and how the errors compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ewad.engine import ModelSettings
from ewad.evaluation.means import bootstrap, geometric_mean
from ewad.evaluation.methods import methods
from ewad.evaluation.protocols import Task
from ewad.evaluation.scoring import Errors, ratio, score
from ewad.kernels.memory import Floats

EWAD = "ewad"


@dataclass(frozen=True, eq=False)
class Measured:
    """errors: method -> for each series its errors by horizon; None where the method does not apply to it.

    seconds: method -> CPU time of all its forecasts.
    """

    task: Task
    errors: dict[str, list[dict[int, Errors] | None]]
    seconds: dict[str, float]

    @cached_property
    def error(self) -> dict[str, Floats]:
        """The error of each method, (n_series, n_horizons): the mean over the steps 1 to H; NaN: none."""
        return {method: self.mean(method, self.task.error) for method in self.errors}

    @cached_property
    def ratio(self) -> dict[str, Floats]:
        """The error of each method relative to the baseline's, (n_series, n_horizons)."""
        baseline = self.error[self.task.baseline]
        return {method: ratio(error, baseline) for method, error in self.error.items()}

    def mean(self, method: str, kind: str) -> Floats:
        """Return (n_series, n_horizons) means over the steps of one kind: "squared", "inside", ..."""
        nothing = np.full(len(self.task.horizons), np.nan)
        rows = [
            nothing if found is None else [float(getattr(found[h], kind).mean()) for h in self.task.horizons]
            for found in self.errors[method]
        ]
        return np.array(rows).reshape(-1, len(self.task.horizons))


def measure(
    task: Task,
    model: ModelSettings,
    with_river: bool = False,
    told: Callable[[int, str], None] = lambda *_: None,
) -> Measured:
    """Measure a task. told: is called with the number of each series and its method before it begins."""
    errors: dict[str, list[dict[int, Errors] | None]] = {}
    seconds: dict[str, float] = {}
    for place, series in enumerate(task.series):
        for name, method in methods(model, series.interval_seconds, with_river).items():
            told(place, f"{series.name}: {name}")
            coverage = model.interval if name == EWAD else None
            started = time.process_time()
            found = score(series, method(series, max(task.horizons)), task.horizons, coverage)
            seconds[name] = seconds.get(name, 0.0) + time.process_time() - started
            errors.setdefault(name, [None] * len(task.series))[place] = found
    return Measured(task, errors, seconds)


@dataclass(frozen=True, eq=False)
class Together:
    """The geometric mean of a method's ratios over series, (n_horizons,), the ends of its 95 % interval.

    n: how many series have a ratio that is more than 0 and finite.
    """

    mean: Floats
    low: Floats
    high: Floats
    n: int


def together(parts: Sequence[Measured]) -> dict[str, Together]:
    """Return, by method, what is told of all series of some tasks of the same horizons."""
    found = {}
    for name in dict.fromkeys(name for part in parts for name in part.errors):
        rows = np.concatenate([part.ratio[name] for part in parts if name in part.ratio])
        usable = rows[np.isfinite(rows).all(axis=1) & (rows > 0.0).all(axis=1)]
        found[name] = Together(geometric_mean(usable), *bootstrap(usable), len(usable))
    return found
