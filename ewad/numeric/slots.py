"""The rows of what was at the same slots of earlier days and weeks: see `ewad.kernels.slots`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.kernels.calendar import CalendarKernel
from ewad.kernels.memory import Floats, Singles
from ewad.kernels.slots import SlotsKernel
from ewad.numeric.calendar import DAY, WEEK, YEAR
from ewad.numeric.rows import Part, RowState

# Found are the two shortest of these that the stream's interval allows: of hours a day and a week, of days a
# week and a year.
PERIODS = (DAY, WEEK * DAY, YEAR)
N_FOUND = 2
# Bins of a ring: a week of values of twenty minutes, and of an hour's errors. Two more, so that what lies a
# whole period back is still there.
N_VALUES = 504 + 2
N_ERRORS = 168 + 2
N_KEPT = 2  # the value, and what is usual at its slot
# Errors are remembered of so many horizons.
MOST_ANCHORS = 4


def anchors_of(horizons: Sequence[int]) -> tuple[int, ...]:
    """Return the horizons whose errors are remembered: as many as may be, evenly by their logarithms."""
    if len(horizons) <= MOST_ANCHORS:
        return tuple(horizons)
    wanted = np.geomspace(horizons[0], horizons[-1], MOST_ANCHORS)
    return tuple(sorted({min(horizons, key=lambda h: abs(h - each)) for each in wanted}))


class Slots(RowState):
    """What each stream had at the slots of the last of its periods; see `SlotsKernel`."""

    last: Floats
    level: Floats
    recent: Floats
    unit: Floats
    interval: Floats
    votes: Floats
    every: Floats
    origin: Floats
    newest: Floats
    period: Floats
    head: Floats
    filled: Floats
    base: Floats
    kept: Singles
    error_head: Floats
    error_filled: Floats
    errors: Singles

    def __init__(
        self,
        horizons: Sequence[int],
        season: int | None,
        seasons: tuple[float, ...],
        calendar: CalendarKernel | None,
        n_streams: int = 0,
    ) -> None:
        """season: in samples.  seasons: in seconds, ascending, if there are any, instead."""
        super().__init__(n_streams)
        self.anchors = anchors_of(horizons)
        self.counts = season is not None and not seasons
        periods = seasons or (PERIODS if season is None else (float(season),))
        n = len(seasons) or min(N_FOUND, len(periods))
        self.add_rows("last", fill=np.nan)
        self.add_rows("level")
        self.add_rows("recent", max(horizons) + 1, fill=np.nan)
        self.add_rows("unit", fill=1.0)
        for name in ("interval", "votes", "every", "origin", "newest", "base"):
            self.add_rows(name)
        for name in ("period", "head", "filled", "error_head", "error_filled"):
            self.add_rows(name, n)
        self.add_rows("kept", n, N_VALUES, N_KEPT, dtype=np.float32, fill=np.nan)
        self.add_rows("errors", n, len(self.anchors), N_ERRORS, dtype=np.float32, fill=np.nan)
        self.step = SlotsKernel(
            np.array(periods),
            n,
            self.counts,
            tuple(horizons),
            self.anchors,
            N_VALUES,
            N_ERRORS,
            calendar,
        )
        self.work_with(self.step)

    def parts(self, periods: str, grid: str, layout: str, n_rows: int) -> list[Part]:
        """Return the parts of its state: values outlive a change of the model, its errors do not."""
        meaning = f"{periods}, {grid}" if grid else periods
        of_model = "recent", "error_head", "error_filled", "errors"
        values = (name for name in self.rows(0) if name not in of_model)
        return [
            self.part("slots", meaning, n_rows, *values),
            self.part("slots' errors", f"{periods} of {layout}", n_rows, *of_model),
        ]

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Move the times among the arrays: what was remembered was at another time of the day."""
        if not self.counts:
            self.origin[...] += seconds
            self.newest[...] = np.minimum(self.newest + seconds, now)
