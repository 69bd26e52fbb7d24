"""format = "senml": sensor measurement lists in JSON.

Source: RFC 8428. A record is resolved before it is read: base name, time, unit, value; relative times, below
2**28 s, count from the time of arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ewad.config.settings import StreamSettings
from ewad.config.syntax import quoted
from ewad.errors import DecodeError
from ewad.ingest.formats.json import parse_json
from ewad.ingest.formats.packs import RELATIVE, pack_ways
from ewad.ingest.formats.point import Format, Point, ReadPoints
from ewad.ingest.formats.times import LAST_UNIX_SECONDS
from ewad.ingest.formats.values import JSON_NAMES


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as records: {n, u, v, t}."""

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        document = parse_json(payload, max_bytes)
        if type(document) is not list or not all(type(record) is dict for record in document):
            got = JSON_NAMES.get(type(document), "a number") if type(document) is not list else "others in it"
            raise DecodeError("invalid_payload", f"expected a list of SenML records, got {got}")
        base: dict[str, Any] = {}
        found = []
        for record in document:
            _check_understood(record)
            if not _BASES.isdisjoint(record):
                base |= {key: record[key] for key in _BASES & record.keys()}
            point = _resolved(record, base)
            if point is not None:
                found.append(point)
        if not found:
            raise DecodeError("missing_field", "expected a record with a value, got none")
        return found

    return points


_BASES = frozenset(("bn", "bt", "bu", "bv", "bs"))
_PLAIN = frozenset((int, float))
VERSION = 10  # of RFC 8428


def _check_understood(record: dict[str, Any]) -> None:
    """Raise DecodeError for a later version, or a key that who does not know it may not pass over (4.4)."""
    version = record.get("bver", VERSION)
    if type(version) is not int or version > VERSION:
        got = quoted(str(version))
        raise DecodeError("unsupported", f"expected SenML of version (bver) {VERSION} at most, got {got}")
    for key in record:
        if key[-1:] == "_":
            raise DecodeError(
                "unsupported", f"expected no SenML key that has to be understood, got {quoted(key)}"
            )


def _resolved(record: dict[str, Any], base: dict[str, Any]) -> Point | None:
    """Return the record with its base values; None if it only sets those."""
    if ("s" in record or "bs" in base) and not {"v", "vb"} & record.keys():
        raise DecodeError("unsupported", "expected SenML values, got a sum (s, bs), which ewad does not read")
    name = f"{base.get('bn', '')}{record.get('n', '')}"
    value = record.get("v", record.get("vb", record.get("vs")))
    if "v" in record and "bv" in base:
        value = _number(record["v"]) + _number(base["bv"])
    elif value is None:
        if "bv" not in base or "vd" in record or not (record.keys() - {"bn", "bt", "bu", "bv", "bver"}):
            return None
        value = base["bv"]
    time = _number(base.get("bt", 0)) + _number(record.get("t", 0))
    if not -LAST_UNIX_SECONDS < time < LAST_UNIX_SECONDS:
        raise DecodeError("invalid_time", f"expected bt and t from 1677 to 2262, got {time!r} s")
    resolved = {"n": name, "u": record.get("u", base.get("bu")), "v": value}
    if time < RELATIVE:
        return Point(resolved, delay=time)
    return Point(resolved, (), time)


def _number(found: Any) -> float:
    if type(found) not in _PLAIN:
        raise DecodeError("invalid_payload", "expected numbers in bt, t, v and bv")
    return float(found)


FORMAT = Format(open_points, fields=(("v", ""),), labels=(("name", "n"),), ways=pack_ways)
