"""format = "senml": sensor measurement lists in JSON.

Source: RFC 8428. A record is resolved before it is read: base name, time, unit, value; relative times, below
2**28 s, count from the time of arrival.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

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
        if type(document) is not list:
            raise _unexpected(JSON_NAMES.get(type(document), "a number"))
        base, found = _NO_BASE, []
        for record in document:
            if type(record) is not dict:
                raise _unexpected("others in it")
            if not _COMMON.issuperset(record):
                _check_understood(record)
                base = base.with_those_of(record)
            point = _resolved(record, base)
            if point is not None:
                found.append(point)
        if not found:
            raise DecodeError("missing_field", "expected a record with a value, got none")
        return found

    return points


_COMMON = frozenset(("n", "u", "v", "vb", "vs", "vd", "t", "ut"))  # keys that set no base and need no look
_PLAIN = frozenset((int, float))
VERSION = 10  # of RFC 8428


def _unexpected(got: str) -> DecodeError:
    return DecodeError("invalid_payload", f"expected a list of SenML records, got {got}")


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


class _Base(NamedTuple):
    """What the records before have set. summed: whether there is a base sum."""

    name: str = ""
    time: float = 0.0
    unit: Any = None
    value: float | None = None
    summed: bool = False

    def with_those_of(self, record: dict[str, Any]) -> _Base:
        return _Base(
            str(record.get("bn", self.name)),
            _number(record["bt"]) if "bt" in record else self.time,
            record.get("bu", self.unit),
            _number(record["bv"]) if "bv" in record else self.value,
            self.summed or "bs" in record,
        )


_NO_BASE = _Base()


def _resolved(record: dict[str, Any], base: _Base) -> Point | None:
    """Return the record with its base values; None if it only sets those."""
    prefix, time, unit, base_value, summed = base
    if (summed or "s" in record) and not {"v", "vb"} & record.keys():
        raise DecodeError("unsupported", "expected SenML values, got a sum (s, bs), which ewad does not read")
    value = record["v"] if "v" in record else record.get("vb", record.get("vs"))
    if base_value is not None and "v" in record:
        value = _number(value) + base_value
    elif value is None:
        if base_value is None or "vd" in record or not (record.keys() - {"bn", "bt", "bu", "bv", "bver"}):
            return None
        value = base_value
    if "t" in record:
        time += _number(record["t"])
    resolved = {"n": f"{prefix}{record.get('n', '')}", "u": record.get("u", unit), "v": value}
    if RELATIVE <= time < LAST_UNIX_SECONDS:
        return Point(resolved, (), time)
    if -LAST_UNIX_SECONDS < time < RELATIVE:
        return Point(resolved, delay=time)
    raise DecodeError("invalid_time", f"expected bt and t from 1677 to 2262, got {time!r} s")


def _number(found: Any) -> float:
    """Return the number as a float, one too large for it as infinite. Raises DecodeError."""
    if type(found) not in _PLAIN:
        raise DecodeError("invalid_payload", "expected numbers in bt, t, v and bv")
    try:
        return float(found)
    except OverflowError:
        return math.inf if found > 0 else -math.inf


FORMAT = Format(open_points, fields=(("v", ""),), labels=(("name", "n"),), ways=pack_ways)
