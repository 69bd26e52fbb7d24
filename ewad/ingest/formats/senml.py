"""format = "senml": sensor measurement lists in JSON.

Source: RFC 8428. A record is resolved before it is read: base name, time, unit, value; relative times, below
2**28 s, count from the time of arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.json import parse_json
from ewad.ingest.formats.packs import RELATIVE, pack_ways
from ewad.ingest.formats.point import Format, Point, ReadPoints


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as records: {n, u, v, t}."""

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        document = parse_json(payload, max_bytes)
        if type(document) is not list or not all(type(record) is dict for record in document):
            raise DecodeError("invalid_payload", "expected a list of SenML records")
        base: dict[str, Any] = {}
        found = []
        for record in document:
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
    resolved = {"n": name, "u": record.get("u", base.get("bu")), "v": value}
    if time < RELATIVE:
        return Point(resolved, delay=time)
    return Point(resolved, (), time)


def _number(found: Any) -> float:
    if type(found) not in _PLAIN:
        raise DecodeError("invalid_payload", "expected numbers in bt, t, v and bv")
    return float(found)


FORMAT = Format(open_points, fields=(("v", ""),), labels=(("name", "n"),), ways=pack_ways)
