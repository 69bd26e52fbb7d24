"""Samples at any times -> one value for each interval [k * every, (k + 1) * every) of a regular grid.

An interval closes when a sample of a later one arrives; its value is then the mean of its samples, or the
last of them. Empty intervals between the two repeat it, if they are few enough; after a longer gap the grid
begins anew: the next interval follows none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Floats, Integers, Runs, previous
from ewad.numeric.rows import RowState

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Closed:
    """The intervals that the samples of a batch have closed, held ones among them.

    runs: whose they are, in order of the arrival of the samples that closed them.  time: (n,) sorted, when
    they began.  value: (n,) sorted.
    restart: (n,) sorted, whether a gap lies before the interval.  latest: for each sorted sample the sorted
    place of the latest interval of its stream that it or an earlier one closed, -1 if none.  latest_of_all:
    the same, of any stream.  fresh: for each sorted sample, whether the interval that is open after it
    follows a gap.
    """

    runs: Runs
    time: Floats
    value: Floats
    restart: Booleans
    latest: Integers
    latest_of_all: Integers
    fresh: Booleans


class Grid(RowState):
    """The open interval of every stream.

    interval: its k, a whole number.  total, samples: sum and number of its samples; of the last one alone
    where that is its value; 0 samples: none is open.  restart: whether a gap lies before it.
    """

    interval: Floats
    total: Floats
    samples: NDArray[np.int64]
    restart: Booleans

    def __init__(
        self, every_seconds: float, resample: Literal["mean", "last"], max_gap_seconds: float
    ) -> None:
        """max_gap_seconds: empty intervals of together more than that are not held."""
        super().__init__()
        self.every_seconds = every_seconds
        self.resample = resample
        self.max_gap_seconds = max_gap_seconds
        self.add_rows("interval")
        self.add_rows("total")
        self.add_rows("samples", dtype=np.int64)
        self.add_rows("restart", dtype=np.bool_)

    def update(self, runs: Runs, time: Floats, value: Floats) -> Closed:
        """Return the intervals that these samples close. time: (n,) sorted, never going back within a run."""
        rows, start = runs.series, runs.start
        known = self.samples[rows] > 0
        interval = np.floor(time / self.every_seconds)
        before = previous(interval, np.where(known, self.interval[rows], np.nan), runs)
        opens = interval != before
        closes = opens & ~np.isnan(before)
        empty = np.where(closes, interval - before - 1.0, 0.0)
        gap = empty * self.every_seconds > self.max_gap_seconds
        n_closed = np.where(closes, np.where(gap, 1.0, 1.0 + empty), 0.0).astype(np.int64)

        # Stretches of samples in one interval; the first of a run may go on where the last batch ended.
        first = opens.copy()
        first[start] = True
        at = np.flatnonzero(first)
        stretch = np.cumsum(first) - 1
        goes_on, heads = ~opens[start], stretch[start]
        total, samples = self._sums(at, stretch, value, heads, np.where(goes_on, self.total[rows], 0.0))
        fresh = gap[at]
        fresh[heads] |= goes_on & self.restart[rows]
        if self.resample == "mean":
            samples[heads] += np.where(goes_on, self.samples[rows], 0)

        closing = np.flatnonzero(closes)
        inner = stretch[closing] - 1  # the stretch that ends before each, or, at a run's start, what was kept
        kept = closing == start[runs.run[closing]]
        old = rows[runs.run[closing]]
        ended = np.where(
            kept, self.total[old] / np.maximum(self.samples[old], 1), total[inner] / samples[inner]
        )
        restart = np.where(kept, self.restart[old], fresh[inner])
        closed = self._closed(runs, n_closed, before[closing], ended, restart, fresh[stretch])

        tails = stretch[runs.end]
        self.interval[rows] = interval[runs.end]
        self.total[rows], self.samples[rows], self.restart[rows] = total[tails], samples[tails], fresh[tails]
        return closed

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Let the open interval of each stream be the one in which its last sample lies now."""
        self.interval[...] = np.floor(newest / self.every_seconds)

    def _sums(
        self, at: Integers, stretch: Integers, value: Floats, heads: Integers, carried: Floats
    ) -> tuple[Floats, Integers]:
        """Return sum and number of the samples of each stretch; the sums of heads go on from those carried.

        One sample after the other: sums in another order differ in their last bits, and so would the mean of
        an interval that batches cut otherwise.
        """
        length = np.diff(at, append=len(value))
        if self.resample == "last":
            return value[at + length - 1], np.ones(len(at), dtype=np.int64)
        total = np.zeros(len(at))
        total[heads] = carried
        np.add.at(total, stretch, value)
        return total, length

    def _closed(
        self,
        runs: Runs,
        n_closed: Integers,
        interval: Floats,
        value: Floats,
        restart: Booleans,
        fresh: Booleans,
    ) -> Closed:
        """Return the closed intervals.

        n_closed: (n,) by each sorted sample.  interval, value, restart: of the first one that is closed by
        each sample that closes any; the others are held.
        """
        arrived = runs.inverse()
        n_arrived = n_closed[arrived]
        closed = Runs.of(np.repeat(runs.series[runs.run][arrived], n_arrived))
        some = n_closed[n_closed > 0]
        first = np.repeat(np.cumsum(some) - some, some)
        held = np.arange(len(first)) - first  # 0: it had samples
        number = np.cumsum(n_closed)
        before_run = (number - n_closed)[runs.start]
        latest = np.where(number > runs.spread(before_run), number - 1, -1)
        so_far = np.cumsum(n_arrived)[runs.order]
        return Closed(
            closed,
            (np.repeat(interval, some) + held) * self.every_seconds,
            np.repeat(value, some),
            np.repeat(restart, some) & (held == 0),
            latest,
            np.append(-1, closed.inverse())[so_far],
            fresh,
        )
