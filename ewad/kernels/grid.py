"""Samples at any times -> one value for each interval [k * every, (k + 1) * every) of a regular grid.

An interval closes when a sample of a later one arrives; its value is then the mean of its samples, or the
last of them. Empty intervals between the two repeat it, if they are few enough; after a longer gap the grid
begins anew: the next interval follows none.
"""

from __future__ import annotations

import math

from ewad.kernels import memory
from ewad.kernels.memory import Booleans, Floats, Integers


class GridKernel:
    """The open interval of every stream.

    Rows, a number each: interval: its k, a whole number.  total, samples: sum and number of its samples; of
    the last one alone where that is its value; 0 samples: none is open.  restart: whether a gap lies before
    it.
    """

    def __init__(self, every: float, mean: bool, max_gap: float) -> None:
        """max_gap: in seconds: empty intervals of together more than that are not held."""
        self.every, self.max_gap = every, max_gap
        self.mean = 1 if mean else 0
        self.first = self.value = 0.0
        self.anew = 0

    def bind(self, interval: Floats, total: Floats, samples: Integers, restart: Booleans) -> None:
        """Work on these arrays from now on."""
        self.interval, self.total = memory.doubles(interval), memory.doubles(total)
        self.samples, self.restart = memory.integers(samples), memory.booleans(restart)

    def close(self, row: int, time: float, x: float) -> tuple[int, float, float, bool, bool]:
        """Take in a sample; return what `take` says, and whether a gap lies before the interval that is open
        now.
        """
        closed = self.take(row, time, x)
        return closed, self.first * self.every, self.value, bool(self.anew), bool(self.restart[row])

    def take(self, row: int, time: float, x: float) -> int:
        """Take in a sample; return how many intervals it closes.

        first: the number of the first of them.  value: of them all.  anew: whether a gap lies before the
        first.
        """
        interval = math.floor(time / self.every)
        if self.samples[row] == 0:
            return self.open(row, interval, x, 0, 0)
        before = self.interval[row]
        if interval == before:
            if self.mean:
                self.total[row] += x
                self.samples[row] += 1
            else:
                self.total[row] = x
            return 0
        self.first = before
        self.value = self.total[row] / self.samples[row]
        self.anew = 1 if self.restart[row] else 0
        empty = interval - before - 1.0
        if empty * self.every > self.max_gap:
            return self.open(row, interval, x, 1, 1)
        return self.open(row, interval, x, 0, 1 + memory.whole(empty))

    def open(self, row: int, interval: float, x: float, gap: int, closed: int) -> int:
        """Begin an interval by its first sample; return closed."""
        self.interval[row] = interval
        self.total[row] = x
        self.samples[row] = 1
        self.restart[row] = gap
        return closed

    def begins(self, number: int) -> float:
        """Return when the closed interval of this number, from 0, began."""
        return (self.first + number) * self.every
