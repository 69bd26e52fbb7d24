"""The rows of prediction intervals: see `ewad.kernels.intervals`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.kernels.intervals import IntervalsKernel
from ewad.kernels.memory import Floats, Integers
from ewad.numeric.rows import RowState

# Half-widths before anything is known: 1.645 deviations, 90 % of a normal distribution.
FIRST_WIDTH = 1.645


class ConformalIntervals(RowState):
    """The half-widths of every stream's intervals for each horizon; see `IntervalsKernel`."""

    width: Floats
    scored: Integers
    square: Floats
    square_weight: Floats
    inside: Floats
    weight: Floats

    def __init__(self, coverage: float, horizons: Sequence[int], n_streams: int = 0) -> None:
        """coverage: the share of values to fall inside, in (0, 1)."""
        super().__init__(n_streams)
        n = len(horizons)
        self.add_rows("width", n, 2, fill=FIRST_WIDTH)
        self.add_rows("scored", n, dtype=np.int64)
        for name in ("square", "square_weight", "inside", "weight"):
            self.add_rows(name, n)
        self.step = IntervalsKernel(coverage, tuple(horizons))
        self.work_with(self.step)

    def coverage(self) -> Floats:
        """Return (n_streams, n_horizons) the share of values inside; NaN before the first."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.inside / self.weight)
