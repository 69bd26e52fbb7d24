"""What a time field holds -> Unix seconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ewad.config.settings import StreamSettings
from ewad.config.syntax import DSMR
from ewad.errors import DecodeError
from ewad.ingest.formats.reasons import quote_payload
from ewad.ingest.formats.values import parse_number

LAST_UNIX_SECONDS = 2.0**63 / 1e9  # 2262-04-11, where nanoseconds end; a later time is a mistake
FIRST_FINE_SECONDS = 1e9  # 2001-09-09: from here on numbers tell by their size that they are ms, us or ns

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?:[Zz]|[+-]\d\d:?\d\d))?", re.ASCII
)
_COMPACT = re.compile(r"\d{8}[Tt]\d{6}(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII)  # ISO 8601, basic
_DSMR = re.compile(r"(\d{12})([SW])", re.ASCII)  # YYMMDDhhmmss; S: summer time

QUARTER_SECONDS = 900.0  # zones differ by whole quarters of an hour
MOST_APART_SECONDS = 14.0 * 3600.0  # from UTC, in any zone
CLOCKS_APART_SECONDS = 30.0  # of a device, and its delay

ReadTime = Callable[[Any, float], float]  # what was found, the time of arrival -> Unix seconds


def unix_seconds(value: float | str, zone: tzinfo = UTC, near: float | None = None) -> float | None:
    """Return the Unix time in seconds that value means: a number in s, ms, us or ns by its size, or RFC 3339.

    A text without an offset is of the zone. An hour that the clocks repeat is the one nearer to `near`.
    None if value is neither, or a time beyond the year 2262.
    """
    if isinstance(value, str):
        text = value.strip()
        number = parse_number(text)
        if number is None:
            return _iso_seconds(text, zone, near)
        value = number
    divisor = unix_divisor(abs(value))
    return None if divisor is None else value / divisor


def unix_divisor(size: float) -> float | None:
    """Return how many of its unit make a second, for a Unix time of this size: s, or ms, us or ns since 2001.

    None between these: year 10,000 in seconds is not 1978 in milliseconds.
    """
    if size < LAST_UNIX_SECONDS:
        return 1.0
    fine = (1e3, 1e6, 1e9)
    return next((d for d in fine if FIRST_FINE_SECONDS * d <= size < LAST_UNIX_SECONDS * d), None)


def zone_offset(time: float, arrival: float) -> float:
    """Return the seconds from arrival to time if zones differ by so much, else 0.

    A time that is itself a whole quarter of an hour tells nothing: it may be the beginning of an interval.
    """
    apart = time - arrival
    whole = round(apart / QUARTER_SECONDS) * QUARTER_SECONDS
    near = abs(whole) <= MOST_APART_SECONDS and abs(apart - whole) <= CLOCKS_APART_SECONDS
    return whole if near and time % QUARTER_SECONDS else 0.0


def time_reader(block: StreamSettings, where: str) -> ReadTime:
    """Return what reads the times of a block.  where: the beginning of its errors."""
    zone: tzinfo = UTC if block.time_zone is None else ZoneInfo(block.time_zone)
    form = block.time_format
    expected = (
        f"{where}expected Unix time or RFC 3339" if form is None else f"{where}expected a time as {form}"
    )

    def read(found: Any, arrival: float) -> float:
        seconds = None
        if type(found) in (int, float, str):
            seconds = (
                unix_seconds(found, zone, arrival) if form is None else _formatted(found, form, zone, arrival)
            )
        if seconds is None:
            raise DecodeError(
                "invalid_time", f"{expected}, got {quote_payload(str(found)[:200].encode(errors='replace'))}"
            )
        return seconds

    return read


def _iso_seconds(text: str, zone: tzinfo, near: float | None) -> float | None:
    if not _RFC3339.fullmatch(text) and not _COMPACT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper().replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    except ValueError:
        return None
    return _seconds(moment, zone, near)


def _formatted(found: float | str, form: str, zone: tzinfo, near: float) -> float | None:
    text = str(found).strip()
    if form == DSMR:
        return _dsmr_seconds(text, zone, near)
    try:
        return _seconds(datetime.strptime(text, form), zone, near)
    except ValueError:
        return None


def _dsmr_seconds(text: str, zone: tzinfo, near: float) -> float | None:
    parts = _DSMR.fullmatch(text)
    if parts is None:
        return None
    try:
        moment = datetime.strptime(parts[1], "%y%m%d%H%M%S")
    except ValueError:
        return None
    if zone is UTC:  # the meter says its offset itself: that of Central Europe
        return (moment - timedelta(hours=2 if parts[2] == "S" else 1)).replace(tzinfo=UTC).timestamp()
    return _seconds(moment.replace(fold=0 if parts[2] == "S" else 1), zone, None)


def _seconds(moment: datetime, zone: tzinfo, near: float | None) -> float | None:
    """Return the Unix time of a moment; without an offset of its own it is the zone's."""
    try:
        if moment.tzinfo is not None:
            found = [moment.timestamp()]
        else:
            first = moment.replace(tzinfo=zone)
            found = [
                first.timestamp(),
                first.replace(fold=1).timestamp(),
            ]  # the same but where clocks go back
    except (OverflowError, ValueError):  # a year that no platform's clock knows
        return None
    seconds = found[0] if near is None else min(found, key=lambda each: abs(each - near))
    return seconds if seconds < LAST_UNIX_SECONDS else None
