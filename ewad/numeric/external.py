"""The rows of forecasts that others have made: see `ewad.kernels.external`."""

from __future__ import annotations

from ewad.kernels.external import ExternalKernel
from ewad.kernels.memory import Floats, Integers
from ewad.numeric.rows import RowState

# Points of a forecast that are kept: ten days of half hours, with some to spare.
MOST_POINTS = 512


class External(RowState):
    """What each source has forecast last for each stream; see `ExternalKernel`."""

    points: Floats
    filled: Integers

    def __init__(self, n_sources: int, every: float | None, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.add_rows("points", n_sources, MOST_POINTS, 2)
        self.add_rows("filled", n_sources, dtype="int64")
        self.step = ExternalKernel(n_sources, MOST_POINTS, every or 0.0)
        self.work_with(self.step)

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Leave the times of forecasts: they are of the world, not of arrivals."""
