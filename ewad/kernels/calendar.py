"""Local time, and which days of it are holidays, from tables that are made beforehand."""

from __future__ import annotations

from ewad.kernels import memory
from ewad.kernels.memory import Floats

DAY = 86_400.0


class CalendarKernel:
    """The offset of local time from UTC as it changes, and the holidays."""

    def __init__(self, changes: Floats, offsets: Floats, days: Floats) -> None:
        """changes: (n,) Unix seconds, ascending, -inf first.  offsets: (n,) in seconds, from each on.

        days: holidays, ascending, in days since 1970, local time; the last one is inf.
        """
        self.arrays = changes, offsets, days
        self.n_changes, self.n_days, self.last = len(changes), len(days), 0
        self.changes, self.offsets = memory.doubles(changes), memory.doubles(offsets)
        self.days = memory.doubles(days)

    def local_time(self, time: float) -> float:
        """Call `local`, from Python."""
        return self.local(time)

    def holiday_at(self, local: float) -> int:
        """Call `is_holiday`, from Python."""
        return self.is_holiday(local)

    def local(self, time: float) -> float:
        """Return local time, in seconds since 1970 as clocks on the wall showed it."""
        while self.last + 1 < self.n_changes and self.changes[self.last + 1] <= time:
            self.last += 1
        while self.last > 0 and self.changes[self.last] > time:
            self.last -= 1
        return time + self.offsets[self.last]

    def is_holiday(self, local: float) -> int:
        """Return whether a local time is on a holiday."""
        low, high = 0, self.n_days - 1
        if not local / DAY < self.days[high]:
            return 0
        while low < high:  # find the first one after the moment
            middle = (low + high) // 2
            if self.days[middle] * DAY > local:
                high = middle
            else:
                low = middle + 1
        return 1 if low > 0 and self.days[low - 1] * DAY + DAY > local else 0
