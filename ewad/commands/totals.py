"""Which numbers are totals that only grow: by their names, and by how they moved while somebody listened."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ewad.errors import DecodeError
from ewad.ingest.formats.fields import numbers
from ewad.ingest.formats.hints import path_text
from ewad.ingest.formats.json import parse_json
from ewad.ingest.formats.values import parse_number

# A name with one of each is a total's: energy_total, TotalYield, water/total_m3.
WHOLE = {"total", "totals", "cumulative"}
MEASURED = {
    "energy",
    "kwh",
    "wh",
    "yield",
    "gas",
    "water",
    "m3",
    "rain",
    "consumption",
    "in",
    "out",
    "import",
    "export",
}
# But not if it tells of one of these.
NO_TOTALS = {"power", "price", "cost", "rate", "tariff", "today", "day", "daily"}


class Totals:
    """Knows of names whether their numbers are totals. A name is a path, or the last two levels of a topic.

    What grew or fell did so for all names that end alike: topics of one shape stay in one block.
    """

    def __init__(self, payloads: Iterable[tuple[str, bytes, bytes]]) -> None:
        """payloads: topic, and its first and its last payload."""
        self._grown: set[str] = set()
        self._fallen: set[str] = set()
        for topic, first, last in payloads:
            earlier = _named(topic, first)
            for name, number in _named(topic, last).items():
                if number != (before := earlier.get(name, number)):
                    (self._grown if number > before else self._fallen).add(_end(name))

    def has(self, name: str) -> bool:
        """Return whether the name, and how its numbers moved, make plain that they are totals."""
        words = words_of(name)
        if _end(name) in self._fallen or NO_TOTALS & {*words}:
            return False
        named = bool(WHOLE & {*words} and MEASURED & {*words})
        return named or (words[-1:] == ["energy"] and _end(name) in self._grown)


def _end(name: str) -> str:
    return name.rpartition("/")[2]


def words_of(name: str) -> list[str]:
    """Return the words of a name, in small letters."""
    return re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())


def is_uptime(name: str) -> bool:
    """Return whether a name is that of the time for which a device has run, whose growth tells nothing."""
    return "uptime" in words_of(name)


def name_of(topic: str) -> str:
    """Return the name of a topic's number."""
    return "/".join(topic.split("/")[-2:])


def _named(topic: str, payload: bytes) -> dict[str, float]:
    """Return the numbers of a payload by their names."""
    number = parse_number(payload.decode(errors="replace").strip())
    if number is not None:
        return {name_of(topic): number}
    try:
        document = parse_json(payload, len(payload))
    except DecodeError:
        return {}
    if type(document) is not dict:
        return {}
    return {path_text(steps): found for steps, found in numbers(document) if type(found) in (int, float)}
