"""Numbers -> Unix seconds: units of Unix time, and notations of dates such as 20260102 or days of Excel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ewad.ingest.files.times import DAY, Flags, Floats, Times
from ewad.ingest.formats.times import FIRST_FINE_SECONDS, LAST_UNIX_SECONDS, unix_divisor


@dataclass(frozen=True)
class NumberForm:
    """Numbers that are times: a unit of Unix time, or a notation of dates."""

    name: str
    to_seconds: Callable[[Floats], Floats]
    valid: Callable[[Floats], Flags]
    zoned: bool = False
    ambiguous: bool = False
    shown: str = ""

    def read(self, cells: Any) -> Times:
        """Return the times of numbers, or of texts that spell some."""
        import pandas as pd

        values = pd.to_numeric(pd.Series(np.asarray(cells)), errors="coerce").to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            seconds = np.where(np.isfinite(values), self.to_seconds(values), np.nan)
        return Times(seconds, np.full(len(values), self.zoned))


def _digits(*, hour: int = 0, minute: int = 0, second: int = 0, day: int = 1) -> tuple[Any, Any]:
    """Return reader and check of 20200131030000 and its like; each part: its digits, 0 or 2."""

    def split(values: Floats) -> tuple[NDArray[np.int64], ...]:
        rest = np.where(np.abs(values) < 1e15, values, 0.0).astype(np.int64)
        parts = []
        for present in (second, minute, hour, day):
            parts.append(rest % 100 if present else np.zeros_like(rest))
            rest = rest // 100 if present else rest
        return (rest // 100, rest % 100, *reversed(parts))

    def seconds(values: Floats) -> Floats:
        year, month, date, h, m, s = split(values)
        return seconds_of(year, month, date if day else np.ones_like(date), h, m, s)

    def valid(values: Floats) -> Flags:
        year, month, date, h, m, s = split(values)
        dates = (year >= 1800) & (year <= 2200) & (month >= 1) & (month <= 12)
        dates &= (date >= 1) & (date <= 31) if day else np.True_
        whole: Flags = dates & (values == np.floor(values)) & (h <= 24) & (m < 60) & (s < 61)
        return whole

    return seconds, valid


def seconds_of(year: Any, month: Any, day: Any, hour: Any, minute: Any, second: Any) -> Floats:
    """Return Unix seconds of arrays of whole numbers; NaN for a date that is none."""
    year, month, day = (np.asarray(part, dtype=np.float64) for part in (year, month, day))
    good = (month >= 1) & (month <= 12) & (year >= 1) & (year <= 9999) & (day >= 1) & (day <= 31)
    good &= (hour >= 0) & (hour <= 24) & (minute >= 0) & (minute < 60) & (second >= 0) & (second < 61)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype(np.int64)  # since 1970 began
    first, after = (_first_day(each) for each in (months, months + 1))
    days = first + np.where(good, day, 1) - 1
    seconds = days * DAY + 3600.0 * hour + 60.0 * minute + second
    return np.where(good & (day <= after - first), seconds, np.nan)


def _first_day(months: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of days from 1970 to the first of months, which are counted likewise."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _years(values: Floats) -> Floats:
    """Return Unix seconds of years with a fraction: 1958.5 is the middle of 1958."""
    year = np.floor(np.where(np.isfinite(values), values, 1970.0))
    begin = seconds_of(year, np.ones_like(year), np.ones_like(year), 0 * year, 0 * year, 0 * year)
    end = seconds_of(year + 1, np.ones_like(year), np.ones_like(year), 0 * year, 0 * year, 0 * year)
    return np.round(begin + (values - year) * (end - begin))


def _snapped(days: Floats) -> Floats:
    """Return whole seconds, or whole minutes a second away: days are written in few digits."""
    seconds = np.round(days * DAY)
    minutes = 60.0 * np.round(seconds / 60.0)
    return np.where(np.abs(seconds - minutes) <= 1.0, minutes, seconds)


def _within(low: float, high: float, *, whole: bool) -> Callable[[Floats], Flags]:
    def valid(values: Floats) -> Flags:
        inside: Flags = (values >= low) & (values <= high)
        return inside & (values == np.floor(values)) if whole else inside

    return valid


def _unix(name: str, divisor: float) -> NumberForm:
    limit = LAST_UNIX_SECONDS * divisor
    low = 0.0 if divisor == 1.0 else FIRST_FINE_SECONDS * divisor
    return NumberForm(
        name,
        lambda values: values / divisor,
        lambda values: (np.abs(values) < limit) & (np.abs(values) >= low),
        zoned=True,
    )


UNIX = {
    1.0: _unix("Unix seconds", 1.0),
    1e3: _unix("Unix milliseconds", 1e3),
    1e6: _unix("Unix microseconds", 1e6),
    1e9: _unix("Unix nanoseconds", 1e9),
}
# of 25569.5 days since 1899-12-30, and 719529 days since the year 0
EXCEL = NumberForm("Excel days", lambda v: _snapped(v - 25569.0), _within(20_000, 80_000, whole=False))
MATLAB = NumberForm("MATLAB days", lambda v: _snapped(v - 719529.0), _within(690_000, 800_000, whole=False))
YEAR = NumberForm("year", _years, _within(1500, 2200, whole=True))
DECIMAL_YEAR = NumberForm("year with a fraction", _years, _within(1500, 2200, whole=False))
YYYYMM = NumberForm("YYYYMM", *_digits(day=0))
YYYYMMDD = NumberForm("YYYYMMDD", *_digits())
YYYYMMDDHH = NumberForm("YYYYMMDDHH", *_digits(hour=2))
YYYYMMDDHHMM = NumberForm("YYYYMMDDHHMM", *_digits(hour=2, minute=2))
YYYYMMDDHHMMSS = NumberForm("YYYYMMDDHHMMSS", *_digits(hour=2, minute=2, second=2))
NOTATIONS = (YYYYMMDDHHMMSS, YYYYMMDDHHMM, YYYYMMDDHH, YYYYMMDD, YYYYMM, YEAR, DECIMAL_YEAR, EXCEL, MATLAB)

UNITS = {"s": UNIX[1.0], "ms": UNIX[1e3], "us": UNIX[1e6], "ns": UNIX[1e9]}  # as --time-format has them


def unix_form(largest: float) -> NumberForm:
    """Return the unit of Unix time by the size of the largest number."""
    return UNIX[unix_divisor(largest) or 1.0]
