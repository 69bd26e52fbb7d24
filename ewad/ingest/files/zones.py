"""Zones of times: offsets, names of the zone database, abbreviations, and those in names of columns."""

from __future__ import annotations

import re

# Abbreviations that mean one zone wherever a file may come from; hours east of Greenwich.
ABBREVIATIONS = {
    "Z": 0.0,
    "UTC": 0.0,
    "GMT": 0.0,
    "UT": 0.0,
    "WET": 0.0,
    "WEST": 1.0,
    "CET": 1.0,
    "CEST": 2.0,
    "MEZ": 1.0,
    "MESZ": 2.0,
    "EET": 2.0,
    "EEST": 3.0,
    "MSK": 3.0,
    "JST": 9.0,
    "KST": 9.0,
    "HKT": 8.0,
    "SGT": 8.0,
    "AWST": 8.0,
    "ACST": 9.5,
    "ACDT": 10.5,
    "AEST": 10.0,
    "AEDT": 11.0,
    "NZST": 12.0,
    "NZDT": 13.0,
    "EDT": -4.0,
    "CDT": -5.0,
    "MST": -7.0,
    "MDT": -6.0,
    "PST": -8.0,
    "PDT": -7.0,
    "EST": -5.0,
    "AKST": -9.0,
    "AKDT": -8.0,
    "HST": -10.0,
    "BRT": -3.0,
    "ART": -3.0,
    "SAST": 2.0,
}


def zone_of(text: str) -> float | str | None:
    """Return a zone: hours east of Greenwich, or a name of the zone database; None for what is neither.

    "GMT+2" and "UTC+2" are two hours east, as people write them.
    """
    text = text.strip().strip("[]()")
    if text.upper() in ABBREVIATIONS and "/" not in text:
        return ABBREVIATIONS[text.upper()]
    offset = re.fullmatch(r"(?:UTC|GMT|Z)?\s?([+-])(\d{1,2})(?::?(\d{2}))?", text)
    if offset:
        hours = int(offset[2]) + int(offset[3] or 0) / 60.0
        return (-hours if offset[1] == "-" else hours) if hours <= 15 else None
    return text if "/" in text and is_zone(text) else None


def is_zone(name: str) -> bool:
    """Return whether the zone database has the name."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def zone_in_name(name: str) -> float | str | None:
    """Return the zone that a column's name tells, such as that of "Date Time, GMT-05:00" or "time (UTC)"."""
    found = re.search(r"\b(?:UTC|GMT)\s?[+-]\d{1,2}(?::?\d{2})?|[A-Z][a-z]+/[A-Z][A-Za-z_]+", name)
    if found:
        return zone_of(found[0])
    found = re.search(r"(?:^|[\s(\[_,])(UTC|GMT|CET|CEST|EST|PST|MST)(?:$|[\s)\]_])", name)
    return zone_of(found[1]) if found else (0.0 if name.lower().endswith("_utc") else None)
