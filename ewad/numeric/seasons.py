"""The rows of seasons, each stream's last one: see `ewad.kernels.seasons`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.kernels.memory import Floats, Integers
from ewad.kernels.seasons import SeasonsKernel
from ewad.numeric.calendar import LONGEST_SEASON
from ewad.numeric.rows import RowState


class Seasons(RowState):
    """The last values of every stream, as a ring, and the length of its season; see `SeasonsKernel`."""

    ring: Floats
    day: Floats
    opened: Floats
    season: Integers

    def __init__(self, horizons: Sequence[int], season: int | None, n_streams: int = 0) -> None:
        """season: in samples; None: it is found."""
        super().__init__(n_streams)
        size = LONGEST_SEASON if season is None else season
        self.add_rows("ring", size, fill=np.nan)
        self.add_rows("day", fill=np.nan)
        self.add_rows("opened", fill=np.nan)
        self.add_rows("season", dtype=np.int64, fill=season or 0)
        self.step = SeasonsKernel(tuple(horizons), size, season is None)
        self.work_with(self.step)

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Take the present day for one whose beginning is not known: its samples are no day's count."""
        self.day[...] = np.nan
        self.opened[...] = np.nan
