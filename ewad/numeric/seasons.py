"""The rows of seasons, each stream's last one: see `ewad.kernels.seasons`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.kernels.memory import Floats, Integers, Singles
from ewad.kernels.seasons import SeasonsKernel
from ewad.numeric.calendar import LONGEST_SEASON
from ewad.numeric.rows import RowState

# Kept beyond a season, and seasons a week; the kernel has the same numbers.
_BEFORE = 3
_WEEK = 7


class Seasons(RowState):
    """The last values of every stream, as a ring, and the length of its season; see `SeasonsKernel`."""

    ring: Singles
    base: Floats
    day: Floats
    opened: Floats
    season: Integers

    def __init__(self, horizons: Sequence[int], season: int | None, n_streams: int = 0) -> None:
        """season: in samples; None: it is found."""
        super().__init__(n_streams)
        size = LONGEST_SEASON if season is None else max(season, min(_WEEK * season, LONGEST_SEASON))
        size += _BEFORE
        self.add_rows("ring", size, dtype=np.float32, fill=np.nan)
        self.add_rows("base", fill=np.nan)
        self.add_rows("day", fill=np.nan)
        self.add_rows("opened", fill=np.nan)
        self.add_rows("season", dtype=np.int64, fill=season or 0)
        self.step = SeasonsKernel(tuple(horizons), size, season is None)
        self.work_with(self.step)

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Take the present day for one whose beginning is not known: its samples are no day's count."""
        self.day[...] = np.nan
        self.opened[...] = np.nan
