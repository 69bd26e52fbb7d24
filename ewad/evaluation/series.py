"""Recorded series, and after which of their samples forecasts are scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.memory import Floats


@dataclass(frozen=True, eq=False)
class ScoredSeries:
    """time: (n,) Unix seconds.  value: (n,) finite.

    origins: (k,) ascending rows; the forecasts that are made after them are scored, as far as what they are
    of has come.  unit: (k,) what the errors of each origin are counted in.
    """

    name: str
    time: Floats
    value: Floats
    origins: NDArray[np.int64]
    unit: Floats

    @property
    def interval_seconds(self) -> float:
        """The median time from a sample to the next."""
        return float(np.median(np.diff(self.time))) if len(self.time) > 1 else 0.0


def series(name: str, time: Floats, value: Floats, start: int) -> ScoredSeries:
    """Return a series of which all forecasts made after row `start` and later are scored."""
    origins = np.arange(start, len(value), dtype=np.int64)
    return ScoredSeries(name, time, value, origins, np.ones(len(origins)))


def in_own_units(whole: ScoredSeries, rows: int) -> ScoredSeries:
    """Return the series less the mean of its first rows, in their standard deviations."""
    first = whole.value[:rows]
    deviation = float(first.std()) or 1.0
    return replace(whole, value=(whole.value - first.mean()) / deviation)
