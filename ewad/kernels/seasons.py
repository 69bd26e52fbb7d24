"""The value a season before: how many samples a season has, and the values of the last one.

A season is what is set, or what a stream's own days tell: as many samples as its last whole day had, and a
week where a day has one. Days end at midnight, UTC without a calendar. Counts follow gaps and jitter by
themselves, where a division of a day by the interval would have to be told of them.
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers, Singles
from ewad.kernels.sample import Sample

NAN = float("nan")
DAY = 86_400.0
# Samples a season, where a day has one; and how many seasons before a slot is, where the lags hold one.
WEEK = 7
# Of the changes around a slot, how many there are, and how many of them come before the slot's own.
N_SLOT = 8
BEFORE = 3
# Values are kept as what they are off a base, which follows where a stream has moved on by so many scales: a
# single's 24 bits tell a thousandth of a scale then. It follows no wrong values, of which a few may come in a
# row: what they are off would take the digits of all others. A value so many samples before was as far off.
MOVED_ON = 16_384.0
LASTING = 8
MOST = 1e38  # what a single holds; of a value further off nothing is known


class SeasonsKernel:
    """The last values of every stream, as a ring, and the length of its season.

    Rows: ring: (size,) the value of sample `number`, off base, at number % size; NaN where there was none.
    base: NaN before the first sample.  day: of the last sample, in days since 1970.  opened: the number of
    that day's first sample, NaN while it is not known.  season: samples a season; 0: none is known.
    """

    def __init__(self, horizons: tuple[int, ...], size: int, finds: bool) -> None:
        """size: values that are kept.  finds: whether the season is found, and not set."""
        self.size, self.n_horizons = size, len(horizons)
        self.n_slots = N_SLOT
        self.longest = size - BEFORE  # season, of which all changes around a slot are kept
        self.finds = 1 if finds else 0
        self.arrays = np.array(horizons, dtype=np.int64), np.zeros(len(horizons))
        self.horizons, self.before = memory.integers(self.arrays[0]), memory.doubles(self.arrays[1])

    def bind(self, ring: Singles, base: Floats, day: Floats, opened: Floats, season: Integers) -> None:
        """Work on these arrays from now on."""
        self.ring, self.base = memory.singles(ring), memory.doubles(base)
        self.day = memory.doubles(day)
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
        season, ring, base = self.season[s.row], s.row * self.size, self.base[s.row]
        newest = s.number % self.size
        for i in range(self.n_horizons):
            self.before[i] = NAN
            if season > 0:
                ago = season - self.horizons[i]
                if ago < 0:
                    ago = (season - self.horizons[i] % season) % season
                if ago == 0:
                    self.before[i] = s.steady
                elif ago <= s.position:
                    place = newest - ago if ago <= newest else newest - ago + self.size
                    self.before[i] = base + float(self.ring[ring + place])
        self.keep(s)

    def keep(self, s: Sample) -> None:
        """Keep a value."""
        row = s.row
        if self.has_moved_on(s):
            self.move_on(row, s.steady)
        kept = s.steady - self.base[row]
        self.ring[row * self.size + s.number % self.size] = kept if abs(kept) < MOST else NAN

    def has_moved_on(self, s: Sample) -> int:
        """Return whether the base is to follow: the value is far off it, and not only for a few samples."""
        base, far = self.base[s.row], MOVED_ON * s.scale
        if abs(s.steady - base) <= far:
            return 0
        if base != base or s.number < LASTING:
            return 1
        before = float(self.ring[s.row * self.size + (s.number - LASTING) % self.size])
        return 0 if abs(before) <= far else 1

    def recall(self, s: Sample, lags: int, out: Floats, at: int) -> None:
        """Write to out[at:] the N_SLOT changes around the next sample's slot a season before; before `take`.

        Where the lags hold a season, a week of seasons before; of daily samples, which have a week for a
        season, nothing then. 0: a change that is not known.
        """
        row, size = s.row, self.size
        season, ring = self.season[row], row * size
        if season <= lags:
            season *= WEEK if season > WEEK else 0
        ago = season + BEFORE if season > 0 else size + N_SLOT  # of the value before the first change
        place = (s.number + size - ago % size) % size
        before = NAN
        if ago <= size and ago <= s.position:
            before = float(self.ring[ring + place])
        for j in range(N_SLOT):
            ago -= 1
            place += 1
            if place == size:
                place = 0
            value = NAN
            if ago > 0 and ago <= size and ago <= s.position:
                value = float(self.ring[ring + place])
            change = value - before
            before = value
            out[at + j] = 0.0
            if change == change:  # else not known, or too far off for the ring
                out[at + j] = change

    def move_on(self, row: int, value: float) -> None:
        """Keep values as what they are off the present one."""
        moved, ring = self.base[row] - value, row * self.size
        for k in range(ring, ring + self.size):
            kept = float(self.ring[k]) + moved
            self.ring[k] = kept if abs(kept) < MOST else NAN
        self.base[row] = value

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
            elif found > self.longest:
                found = 0
            self.season[row] = found
        self.day[row] = day
        self.opened[row] = float(s.number) if before == before else NAN
