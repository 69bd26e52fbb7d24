"""The value a season before: how many samples a season has, and the values of the last one.

A season is what is set, or what a stream's own days tell: as many samples as its last whole day had, and a
week where a day has one. Days end at midnight, UTC without a calendar. Counts follow gaps and jitter by
themselves, where a division of a day by the interval would have to be told of them.
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample

NAN = float("nan")
DAY = 86_400.0
WEEK = 7  # samples a season, where a day has one


class SeasonsKernel:
    """The last values of every stream, as a ring, and the length of its season.

    Rows: ring: (size,) the value of sample `number` at number % size; NaN where there was none.  day: of the
    last sample, in days since 1970.  opened: the number of that day's first sample, NaN while it is not
    known.  season: samples a season; 0: none is known.
    """

    def __init__(self, horizons: tuple[int, ...], size: int, finds: bool) -> None:
        """finds: whether the season is found, and not set."""
        self.size, self.n_horizons = size, len(horizons)
        self.finds = 1 if finds else 0
        self.arrays = np.array(horizons, dtype=np.int64), np.zeros(len(horizons))
        self.horizons, self.before = memory.integers(self.arrays[0]), memory.doubles(self.arrays[1])

    def bind(self, ring: Floats, day: Floats, opened: Floats, season: Integers) -> None:
        """Work on these arrays from now on."""
        self.ring, self.day = memory.doubles(ring), memory.doubles(day)
        self.opened, self.season = memory.doubles(opened), memory.integers(season)

    def observe(self, s: Sample) -> Floats:
        """Call `take`, from Python; return what it finds, (n_horizons,): the same array each time."""
        self.take(s)
        found: Floats = self.arrays[1]
        return found

    def take(self, s: Sample) -> None:
        """Find, for each horizon, the last known value whole seasons before its target: `before`.

        NaN where the window does not reach back so far, or no season is known.
        """
        if self.finds:
            self.find(s)
        season, ring = self.season[s.row], s.row * self.size
        for i in range(self.n_horizons):
            self.before[i] = NAN
            if season > 0:
                ago = (season - self.horizons[i] % season) % season
                if ago == 0:
                    self.before[i] = s.steady
                elif ago <= s.position:
                    self.before[i] = self.ring[ring + (s.number - ago) % self.size]
        self.ring[ring + s.number % self.size] = s.steady

    def find(self, s: Sample) -> None:
        """Let a new day tell how many samples the last one had."""
        row = s.row
        day = math.floor(s.local / DAY)
        before = self.day[row]
        if day == before:
            return
        began = self.opened[row]
        if day == before + 1.0 and began == began:
            found = s.number - memory.whole(began)
            if found == 1:
                found = WEEK
            elif found > self.size:
                found = 0
            self.season[row] = found
        self.day[row] = day
        self.opened[row] = float(s.number) if before == before else NAN
