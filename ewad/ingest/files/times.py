"""Cells -> Unix seconds: texts in any usual form, and times of day.

A Form reads a whole column in one way. Which one is decided from all of the file (columns.py, roles.py).
"""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.ingest.files.zones import zone_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY = 86_400.0
EPOCH = datetime.date(1970, 1, 1).toordinal()
CLOCK_WORDS = ("now", "today")  # other libraries would put in the time of the reading

MONTHS = {
    **{name.lower(): i for i, name in enumerate(calendar.month_abbr) if name},
    "mär": 3,
    "mrz": 3,
    "mai": 5,
    "okt": 10,
    "dez": 12,
    "fév": 2,
    "avr": 4,
    "juin": 6,
    "juil": 7,
    "aoû": 8,
    "déc": 12,
    "ene": 1,
    "abr": 4,
    "ago": 8,
    "dic": 12,
}
_ZONE = (
    r"(?P<zone>[Zz](?![a-z+-])|(?:UTC|GMT|Z)?\s?[+-]\d{1,2}(?::?\d{2})?(?!\d)|[A-Z]{2,4}T?\b"
    r"|\[?[A-Z][A-Za-z_]+/[A-Za-z_/+-]+\]?)"
)
_CLOCK = (
    r"(?P<H>\d{1,2})(?:[:.h](?P<M>\d{2})(?:[:.](?P<S>\d{2})(?:[.,:](?P<f>\d{1,9}))?)?)?"
    r"(?P<gap>\s*)(?P<ap>[AaPp]\.?\s?[Mm]\.?)?"
)
_COMPACT_CLOCK = r"(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?(?:[.,](?P<f>\d{1,9}))?"
_TAIL = rf"(?:(?:\s*[Tt,;_]\s*|\s+|\s*-\s+|:)(?:{_CLOCK})(?:\s*{_ZONE}(?:\s*\[[\w/+-]+\])?)?)?"
_COMPACT_TAIL = rf"[Tt ]?{_COMPACT_CLOCK}(?:\s*{_ZONE})?"
_WEEKDAY = r"(?:(?:[Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)[a-z]*\.?,?\s+)?"
PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TAIL}",
        rf"{_WEEKDAY}(?P<a>\d{{1,2}})(?P<sep>[-/. ])(?P<b>\d{{1,2}})(?P=sep)(?P<c>\d{{4}}|\d{{2}}){_TAIL}",
        rf"{_WEEKDAY}(?P<d>\d{{1,2}})[-/. ]*(?P<mon>[^\W\d_]{{3,9}})\.?[-/., ]*(?P<y>\d{{4}}|\d{{2}}){_TAIL}",
        rf"{_WEEKDAY}(?P<mon>[^\W\d_]{{3,9}})\.?[- ]+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,\s*|\s+|-)"
        rf"(?P<y>\d{{4}}){_TAIL}",
        rf"{_WEEKDAY}(?P<mon>[^\W\d_]{{3}})\s+(?P<d>\d{{1,2}})\s+{_CLOCK}(?:\s*{_ZONE})?\s+(?P<y>\d{{4}})",
        rf"(?P<y>\d{{4}})(?P<m>\d{{2}})(?P<d>\d{{2}}){_COMPACT_TAIL}",
        rf"(?P<y>\d{{4}})(?P<m>\d{{2}})(?P<d>\d{{2}}){_TAIL}",
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})|(?P<y2>\d{4})\s?M(?P<m2>\d{1,2})",
        r"(?P<mon>[^\W\d_]{3,9})\.?[-/ ,]+(?P<y>\d{4}|\d{2})",
        r"(?P<y>\d{4})[-/ ]?Q(?P<q>[1-4])|Q(?P<q2>[1-4])[-/ ](?P<y2>\d{4})",
        r"(?P<y>\d{4})-?W(?P<w>\d{2})(?:-?(?P<wd>[1-7]))?",
    )
)
NUMERIC_DATE = PATTERNS[1]
CLOCK_ALONE = re.compile(
    r"\s*(?P<H>\d{1,2})"
    r"(?::(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?|\.(?P<M2>\d{2})\.(?P<S2>\d{2}))"
    r"\s*(?P<ap>[AaPp]\.?\s?[Mm]\.?)?\s*"
)
ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?")


class Moment(NamedTuple):
    """Seconds since 1970 as the cell's clock shows them, and its zone: hours east, a name, or None."""

    seconds: float
    zone: str | float | None


def looks_like_a_time(cell: str) -> bool:
    """Return whether a text is a date, a time of day or both, and no plain number."""
    cell = cell.strip()
    if len(cell) < 4 or len(cell) > 64 or not any(map(str.isdigit, cell)):
        return False
    if CLOCK_ALONE.fullmatch(cell):
        return True
    if re.fullmatch(r"[-+\d.,eE]*", cell) and not re.fullmatch(r"\d+[-.]\d+[-.]\d+|\d{4}-\d\d", cell):
        return False
    return any(read_text(cell, order) is not None for order in ("dmy", "mdy", "ymd"))


def read_text(cell: str, order: str) -> Moment | None:
    """Return the moment that a cell tells; order: of the numbers in 01/02/03: "dmy", "mdy" or "ymd"."""
    cell = cell.strip()
    for pattern in PATTERNS:
        found = pattern.fullmatch(cell)
        if found is not None:
            moment = _moment({k: v for k, v in found.groupdict().items() if v is not None}, order)
            if moment is not None:
                return moment
    return None


def _moment(parts: dict[str, str], order: str) -> Moment | None:
    try:
        days = _days(parts, order)
        seconds = _second_of_day(parts)
    except (ValueError, KeyError):
        return None
    zone = parts.get("zone")
    if zone is not None:
        known = zone_of(zone)
        if known is None:
            return None
        return Moment(days * DAY + seconds, known)
    return Moment(days * DAY + seconds, None)


def _days(parts: dict[str, str], order: str) -> int:
    """Return the days since 1970. Raises ValueError or KeyError for a date that is none."""
    if "q" in parts or "q2" in parts:
        return _date(parts.get("y") or parts["y2"], 3 * int(parts.get("q") or parts["q2"]) - 2, 1)
    if "w" in parts:
        day = datetime.date.fromisocalendar(int(parts["y"]), int(parts["w"]), int(parts.get("wd", 1)))
        return day.toordinal() - EPOCH
    if "a" in parts:
        named = dict(zip(order, (parts["a"], parts["b"], parts["c"]), strict=True))
        if len(named["y"]) not in (2, 4) or (len(parts["c"]) == 4 and order == "ymd"):
            raise ValueError("no year")
        return _date(named["y"], int(named["m"]), int(named["d"]))
    if "mon" in parts:
        word = parts["mon"].lower()
        month = MONTHS.get(word[:3]) or MONTHS.get(word[:4]) or 0
        if not month:
            raise ValueError("no month")
        return _date(parts["y"], month, int(parts.get("d", 1)))
    return _date(parts.get("y") or parts["y2"], int(parts.get("m") or parts["m2"]), int(parts.get("d", 1)))


def _date(year: str, month: int, day: int) -> int:
    number = int(year)
    if len(year) == 2:  # as POSIX has it
        number += 1900 if number >= 69 else 2000
    return datetime.date(number, month, day).toordinal() - EPOCH


def _second_of_day(parts: dict[str, str]) -> float:
    """Return the seconds since midnight; 24:00 is the midnight that ends the day."""
    if "H" not in parts:
        return 0.0
    hour, minute, second = int(parts["H"]), int(parts.get("M", 0)), int(parts.get("S", 0))
    half = parts.get("ap", "")[:1].lower()
    if "M" not in parts and not half and len(parts["H"]) != 2:
        raise ValueError("no hour")
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("no hour")
        hour = hour % 12 + 12 * (half == "p")
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and minute + second > 0):
        raise ValueError("no time of day")
    fraction = parts.get("f")
    return 3600.0 * hour + 60.0 * minute + second + (float(f"0.{fraction}") if fraction else 0.0)


# -- forms: a column read in one way --


ORDERS = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}


class Times(NamedTuple):
    """(n,) seconds since 1970, NaN where a cell is no time; whether each is of a zone of its own."""

    seconds: Floats
    zoned: Flags


@dataclass
class TextForm:
    """Texts; order: of the numbers in 01/02/03; format: as strptime's, or None for any usual form."""

    order: str
    format: str | None = None
    ambiguous: bool = False  # whether another order reads the same cells
    shown: str = ""  # an example, for people
    _fast: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What people are told of the form."""
        if self.format:
            return self.format
        return (
            {"dmy": "day first", "mdy": "month first", "ymd": "year first"}[self.order]
            if self.ambiguous
            else ""
        )

    def read(self, cells: Sequence[Any]) -> Times:
        """Return the times of texts."""
        import pandas as pd

        texts = pd.Series(np.asarray(cells, dtype=object)).astype(str)
        if self.format:
            return _strptime(texts, self.format)
        seconds, zoned = np.full(len(texts), np.nan), np.zeros(len(texts), np.bool_)
        left = np.arange(len(texts))
        for way in list(self._fast):
            left = _fill(seconds, zoned, left, _strptime(texts.iloc[left], way))
            if not len(left):
                return Times(seconds, zoned)
        if len(left) > 50 and len(self._fast) < 4:
            found = _strptime_format(texts.iloc[left[0]], self.order)
            if found is not None and found not in self._fast:
                self._fast.append(found)
                left = _fill(seconds, zoned, left, _strptime(texts.iloc[left], found))
        for i in left.tolist():
            moment = read_text(texts.iloc[i], self.order)
            if moment is not None:
                seconds[i], zoned[i] = _absolute(moment)
        return Times(seconds, zoned)


def _absolute(moment: Moment) -> tuple[float, bool]:
    if moment.zone is None:
        return moment.seconds, False
    if isinstance(moment.zone, float):
        return moment.seconds - 3600.0 * moment.zone, True
    import zoneinfo

    clock = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=moment.seconds)
    return clock.replace(tzinfo=zoneinfo.ZoneInfo(moment.zone)).timestamp(), True


def _fill(seconds: Floats, zoned: Flags, left: NDArray[np.int64], found: Times) -> NDArray[np.int64]:
    """Put in what was found in the places left; return those still left."""
    known = ~np.isnan(found.seconds)
    seconds[left[known]], zoned[left[known]] = found.seconds[known], found.zoned[known]
    return left[~known]


def _strptime(texts: Any, way: str) -> Times:
    """Return the times of texts by pandas; way: "ISO8601" or a format. Words for the present are no times."""
    import pandas as pd

    has_zone = "%z" in way or "%Z" in way
    zoned = np.full(len(texts), has_zone)
    if way == "ISO8601":
        ends = texts.str
        zoned = (ends.endswith("Z") | ends.contains(r"\d[+-]\d\d:?\d\d$", regex=True)).to_numpy(np.bool_)
        texts = texts.where(texts.str.match(r"\d{4}-\d\d-\d\d(?:$|[T ])"))
    try:
        dates = pd.to_datetime(texts, format=way, utc=True, errors="coerce")
    except ValueError:  # no format of any time
        return Times(np.full(len(texts), np.nan), zoned)
    moments = dates.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
    return Times(np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6), zoned)


def _strptime_format(cell: str, order: str) -> str | None:
    """Return the strptime format that reads a cell as read_text does; None where there is none."""
    if ISO.fullmatch(cell):
        return "ISO8601"
    for pattern in PATTERNS[:7]:
        found = pattern.fullmatch(cell)
        if found is not None:
            break
    else:
        return None
    words = {"y": "%Y", "m": "%m", "d": "%d", "mon": "%b", "H": "%H", "M": "%M", "S": "%S", "f": "%f"}
    words |= dict(zip("abc", ({"y": "%y", "m": "%m", "d": "%d"}[part] for part in order), strict=True))
    parts = {name: text for name, text in found.groupdict().items() if text is not None}
    if len(parts.get("c", "")) == 4:
        words["c"] = "%Y"
    if parts.get("ap"):
        words |= {"H": "%I", "ap": "%p"}
    for name in ("y", "f", "mon", "ap", "zone"):
        if name in parts and not _PLAIN_PARTS[name].fullmatch(parts[name]):
            return None
    way = cell
    for name in sorted(parts, key=found.start, reverse=True):
        if name in ("sep", "gap", "zone") or (name == "ap" and name not in words):
            continue
        way = way[: found.start(name)] + words[name] + way[found.end(name) :]
    if "zone" in parts:
        way = way.removesuffix(parts["zone"]) + "%z"
    return way


_PLAIN_PARTS = {
    "y": re.compile(r"\d{4}"),
    "f": re.compile(r"\d{1,9}"),
    "mon": re.compile("|".join(name for name in calendar.month_abbr if name)),
    "ap": re.compile(r"[AaPp][Mm]"),
    "zone": re.compile(r"Z|[+-]\d\d:?\d\d"),
}


def seconds_of_day(cells: Sequence[Any], unit: int = 1) -> Floats:
    """Return the seconds since midnight of times of day; NaN where a cell is none.

    unit: what an hour is in numbers: 1 (5), 100 (930) or 10,000 (93000).
    """
    found = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if isinstance(cell, (int, float, np.number)):
            found[i] = _of_digits(float(cell), unit)
            continue
        match = CLOCK_ALONE.fullmatch(str(cell))
        if match is None:
            if re.fullmatch(r"\s*\d{1,6}\s*", str(cell)):
                found[i] = _of_digits(float(cell), unit)
            continue
        named = {name: text for name, text in match.groupdict("").items() if text}
        parts = {name.removesuffix("2"): text for name, text in named.items()}
        try:
            found[i] = _second_of_day(parts)
        except ValueError:
            continue
    return found


def _of_digits(number: float, unit: int) -> float:
    """Return the seconds since midnight of a number whose hour is so many."""
    if not 0.0 <= number < np.inf or number != int(number):
        return np.nan
    whole = int(number) * (10_000 // unit)
    hour, minute, second = whole // 10_000, whole // 100 % 100, whole % 100
    seconds = 3600.0 * hour + 60.0 * minute + second
    return seconds if seconds <= DAY and minute < 60 and second < 61 else np.nan
