"""The value a season before: how many samples a season has, and the values of the last one.

A season is what is set, or what a stream's own days tell: as many samples as its last whole day had, and a
week where a day has one. Days end at midnight, UTC. Counts follow gaps and jitter by themselves, where a
division of a day by the interval would have to be told of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.numeric.calendar import DAY, LONGEST_SEASON, WEEK
from ewad.numeric.recurrence import Floats, Integers, Runs, previous
from ewad.numeric.rows import RowState


class Seasons(RowState):
    """The last values of every stream, as a ring, and the length of its season.

    ring: (n_streams, size) the value of sample `number` at number % size; NaN where there was none.
    day: (n_streams,) of the last sample, in days since 1970.  opened: the number of that day's first sample,
    NaN while it is not known.  season: samples a season; 0: none is known.
    """

    ring: Floats
    day: Floats
    opened: Floats
    season: Integers

    def __init__(self, horizons: Sequence[int], season: int | None, n_streams: int = 0) -> None:
        """season: in samples; None: it is found."""
        super().__init__(n_streams)
        self._set = season
        self._size = LONGEST_SEASON if season is None else season
        self._horizons = np.array(horizons, dtype=np.int64)
        self.add_rows("ring", self._size, fill=np.nan)
        self.add_rows("day", fill=np.nan)
        self.add_rows("opened", fill=np.nan)
        self.add_rows("season", dtype=np.int64, fill=season or 0)

    def update(self, runs: Runs, time: Floats, number: Integers, position: Integers, value: Floats) -> Floats:
        """Return, for each sorted sample and horizon, the last known value whole seasons before the target.

        The result: (n, n_horizons), NaN where the window does not reach back so far, or no season is known.
        time: (n,) Unix seconds.  number: (n,) of each sample in its stream, position: in its window, from 0.
        """
        if len(value) == 1:  # quicker with numbers
            return self._update_one(
                runs.series.item(), time.item(), number.item(), position.item(), value.item()
            )
        series = runs.spread(runs.series)
        season = self._seasons(runs, time, number)
        ago = -self._horizons % np.maximum(season, 1)[:, None]
        before: Floats = self.ring[series[:, None], (number[:, None] - ago) % self._size]
        within = ago <= runs.rank[:, None]  # in this batch
        here = np.arange(len(value))
        before[within] = value[(here[:, None] - ago)[within]]
        before[(season[:, None] == 0) | (position[:, None] < ago)] = np.nan
        last = runs.spread(runs.length) - runs.rank <= self._size  # no place twice
        self.ring[series[last], number[last] % self._size] = value[last]
        return before

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Take the present day for one whose beginning is not known: its samples are no day's count."""
        self.day[...] = np.nan
        self.opened[...] = np.nan

    def _seasons(self, runs: Runs, time: Floats, number: Integers) -> Integers:
        """Return the samples a season after each sorted sample, (n,)."""
        rows = runs.rows
        season = runs.spread(self.season[rows])
        if self._set is not None:
            return season
        day = np.floor(time / DAY)
        before = previous(day, self.day[rows], runs)
        first = np.flatnonzero(day != before)  # of their days, and of their streams
        self.day[rows] = runs.last(day)
        if not len(first):
            return season
        run = runs.run[first]
        opens = np.ones(len(first), np.bool_)
        opens[1:] = run[1:] != run[:-1]
        # the numbers of these samples; a stream may have begun within its first day
        known = np.where(np.isnan(before[first]), np.nan, number[first])
        began = np.empty(len(first))  # and of the first samples of the days before
        began[1:] = known[:-1]
        began[opens] = self.opened[runs.series[run[opens]]]
        closes = np.append(opens[1:], True)
        self.opened[runs.series[run[closes]]] = known[closes]
        told = (day[first] == before[first] + 1.0) & ~np.isnan(began)
        if not told.any():
            return season
        at = first[told]
        found = (number[at] - began[told]).astype(np.int64)
        found[found == 1] = WEEK
        found[found > self._size] = 0
        marks = np.zeros(len(day), np.int64)
        marks[at] = 1
        latest = np.cumsum(marks) - 1
        filled = (latest >= 0) & (at[np.maximum(latest, 0)] >= runs.spread(runs.start))
        season = np.where(filled, found[np.maximum(latest, 0)], season)
        self.season[rows] = runs.last(season)
        return season

    def _update_one(self, row: int, time: float, number: int, position: int, value: float) -> Floats:
        """As `update`, of one sample."""
        if self._set is None:
            day, before = time // DAY, self.day.item(row)
            if day != before:
                began = self.opened.item(row)
                if day == before + 1.0 and began == began:
                    found = number - int(began)
                    self.season[row] = WEEK if found == 1 else found if found <= self._size else 0
                self.day[row], self.opened[row] = day, number if before == before else np.nan
        season: int = self.season.item(row)
        ring = self.ring[row]
        if season == 0:
            forecast = np.full((1, len(self._horizons)), np.nan)
        else:
            ago = -self._horizons % season
            forecast = ring[(number - ago) % self._size][None]
            forecast[0, ago == 0] = value
            forecast[0, ago > position] = np.nan
        ring[number % self._size] = value
        return forecast
