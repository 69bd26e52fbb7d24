"""The calendar of a place: its local time with both changes a year, and its holidays."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from ewad.kernels.calendar import CalendarKernel
from ewad.kernels.memory import Floats
from ewad.numeric.calendar import DAY

# The years whose changes and holidays are looked up beforehand; later ones are as the last one left off.
FIRST_YEAR, LAST_YEAR = 1990, 2060
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class LocalCalendar:
    """A time zone by its name, such as "Europe/Berlin", and the holidays of a place.

    holidays: a country, or one and its part, "DE-BY", as the optional package `holidays` has them; "": none.
    """

    time_zone: str = "UTC"
    holidays: str = ""

    def kernel(self) -> CalendarKernel:
        """Return the kernel. Raises ValueError for what is unknown, ImportError without the package."""
        return CalendarKernel(*changes_of(self.time_zone), holidays_of(self.holidays))


@lru_cache(maxsize=16)
def changes_of(time_zone: str) -> tuple[Floats, Floats]:
    """Return when the offset from UTC changes, Unix seconds, -inf first, and what it is then, in seconds."""
    zone = ZoneInfo(time_zone)

    def offset(moment: float) -> float:
        local = datetime.fromtimestamp(moment, zone).utcoffset()
        return 0.0 if local is None else local.total_seconds()

    begin, end = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (FIRST_YEAR, LAST_YEAR + 1))
    times, offsets = [-np.inf], [offset(begin)]
    for day in np.arange(begin, end, DAY).tolist():
        if offset(day + DAY) != offsets[-1]:
            low, high = day, day + DAY
            while high - low > 1.0:
                middle = (low + high) // 2.0
                low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
            times.append(high)
            offsets.append(offset(high))
    return np.array(times), np.array(offsets)


@lru_cache(maxsize=16)
def holidays_of(place: str) -> Floats:
    """Return the holidays, ascending, in days since 1970, and inf. Raises ValueError for an unknown place."""
    if not place:
        return np.array([np.inf])
    package = importlib.import_module("holidays")
    country, _, part = place.partition("-")
    try:
        found = package.country_holidays(country, subdiv=part or None, years=range(FIRST_YEAR, LAST_YEAR + 1))
    except NotImplementedError as error:
        raise ValueError(f"expected a country such as DE, or DE-BY, got {place}: {error}") from error
    days = sorted((day - EPOCH) // timedelta(days=1) for day in found)
    return np.array([*days, np.inf], dtype=np.float64)
