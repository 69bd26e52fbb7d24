"""Forecasts that others have made: of each stream and source the newest list of points, as it has come."""

from __future__ import annotations

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

NAN = float("nan")


class ExternalKernel:
    """Rows: points: (n, most, 2) times, Unix seconds, ascending, and values that each source has forecast.
    filled: (n,) how many there are.

    step: seconds between samples of the stream at hand, as they usually come; 0: it is not known.
    """

    def __init__(self, n: int, most: int, every: float) -> None:
        """n: sources.  most: points of each.  every: the grid's step, in seconds; 0: there is none."""
        self.n, self.most, self.every = n, most, every
        self.step = 0.0

    def bind(self, points: Floats, filled: Integers) -> None:
        """Work on these arrays from now on."""
        self.points, self.filled = memory.doubles(points), memory.integers(filled)

    def give(self, row: int, source: int, first: int, time: float, value: float) -> None:
        """Take in a point; first: whether it begins a new forecast of its source, in place of the old one."""
        at = row * self.n + source
        if first:
            self.filled[at] = 0
        m = self.filled[at]
        place = 2 * (at * self.most + m)
        if m < self.most and (m == 0 or time > self.points[place - 2]):
            self.points[place] = time
            self.points[place + 1] = value
            self.filled[at] = m + 1

    def ahead(self, made: float, horizon: float) -> float:
        """Return the time that a forecast is for; made: of the sample, or when its grid step began."""
        return made + (horizon + 0.5) * self.every if self.every > 0.0 else made + horizon * self.step

    def value(self, row: int, source: int, time: float) -> float:
        """Return what a source has forecast for a time, between its points; NaN: nothing."""
        at = row * self.n + source
        low, high = 0, self.filled[at] - 1
        start = at * self.most
        if high < 0 or time < self.points[2 * start] or time > self.points[2 * (start + high)]:
            return NAN
        while high - low > 1:
            middle = (low + high) >> 1
            if self.points[2 * (start + middle)] <= time:
                low = middle
            else:
                high = middle
        a, z = 2 * (start + low), 2 * (start + high)
        if low == high:
            return self.points[a + 1]
        share = (time - self.points[a]) / (self.points[z] - self.points[a])
        return self.points[a + 1] + share * (self.points[z + 1] - self.points[a + 1])
