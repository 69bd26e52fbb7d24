"""format = "sparkplug": Sparkplug B, spBv1.0/GROUP/TYPE/NODE[/DEVICE].

Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6. A certificate of birth names the metrics, later payloads may
name them by its aliases alone. Values of the past (`is_historical`) are samples with their own times. Node
control metrics, templates and data sets are no measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.point import Format, Point, ReadPoints
from ewad.ingest.formats.protobuf import double, fields, float32, signed
from ewad.ingest.formats.reasons import too_large

_BIRTHS, _DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
_DEATHS = ("NDEATH", "DDEATH")
_COMMANDS = ("NCMD", "DCMD", "STATE")
_MOST_NODES = 100_000  # whose aliases are kept
# Numbers of data types: what they are, and of how many bits if they are signed.
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNREADABLE = {16: "a data set", 19: "a template"}
_TIMESTAMP, _METRIC = 1, 2  # of a payload


class _Metric(NamedTuple):
    name: str
    alias: int | None
    time: float | None
    value: Any  # None: null, or nothing that is a number


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as points, one for each metric, {name: value}."""
    aliases: dict[tuple[str, ...], dict[int, str]] = {}  # (group, node, device) -> alias -> name

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        if len(payload) > max_bytes:
            raise too_large(len(payload), max_bytes)
        kind, owner = _owner(topic)
        if kind in _COMMANDS or kind in _DEATHS:
            if kind == "NDEATH":
                for gone in [key for key in aliases if key[:2] == owner[:2]]:
                    del aliases[gone]
            raise DecodeError("missing_field", f"{kind} holds no measurement")
        time, metrics = _payload(payload)
        if kind in _BIRTHS:
            if len(aliases) >= _MOST_NODES:
                aliases.clear()
            aliases[owner] = {m.alias: m.name for m in metrics if m.alias is not None}
        known = aliases.get(owner, {})
        found = []
        for metric in metrics:
            name = metric.name or known.get(-1 if metric.alias is None else metric.alias, "")
            if not name:
                raise DecodeError(
                    "unknown_alias",
                    f"alias {metric.alias}: expected a certificate of birth that names it, got none yet:"
                    ' ask for one by "Node Control/Rebirth"',
                )
            if not name.startswith(("Node Control/", "Device Control/")) and name != "bdSeq":
                found.append(Point({name: metric.value}, (), time if metric.time is None else metric.time))
        if not found:
            raise DecodeError("missing_field", f"{kind} holds no measurement")
        return found

    return points


def topics(topic: str) -> Sequence[str]:
    """Return the topics of data and of births of the same node or device."""
    levels = topic.split("/")
    for place, level in enumerate(levels):
        if level in (*_BIRTHS, *_DATA):
            kinds = (level[0] + kind for kind in ("DATA", "BIRTH"))
            return ["/".join([*levels[:place], kind, *levels[place + 1 :]]) for kind in kinds]
    return (topic,)


def _owner(topic: str) -> tuple[str, tuple[str, ...]]:
    """Return the type of a message and whose it is: group, node and maybe device."""
    levels = topic.split("/")
    if len(levels) < 3:
        raise DecodeError("invalid_payload", "expected a topic such as spBv1.0/GROUP/NDATA/NODE")
    start = next((i for i, level in enumerate(levels) if level.startswith("spBv")), 0)
    if levels[start + 1 : start + 2] == ["STATE"]:
        return "STATE", ()
    _, group, kind, *owner = [*levels[start:], "", ""][: max(4, len(levels) - start)]
    if kind not in (*_BIRTHS, *_DATA, *_DEATHS, *_COMMANDS):
        raise DecodeError("invalid_payload", "expected a topic such as spBv1.0/GROUP/NDATA/NODE")
    return kind, (group, *owner)


def _payload(payload: bytes) -> tuple[float | None, list[_Metric]]:
    """Return time and metrics of a payload. Raises DecodeError."""
    time: float | None = None
    metrics = []
    for number, value in fields(payload):
        if number == _TIMESTAMP and type(value) is int:
            time = value / 1e3
        elif number == _METRIC and type(value) is bytes:
            metrics.append(_metric(value))
    return time, metrics


def _metric(content: bytes) -> _Metric:
    name, alias, time, data_type, null = "", None, None, 0, False
    value: tuple[int, int | bytes] | None = None
    for number, found in fields(content):
        if number == 1 and type(found) is bytes:
            name = found.decode("utf-8", "replace")
        elif number == 2 and type(found) is int:
            alias = found
        elif number == 3 and type(found) is int:
            time = found / 1e3
        elif number == 4 and type(found) is int:
            data_type = found
        elif number == 7:
            null = bool(found)
        elif 10 <= number <= 18:
            value = number, found
    number_and_found = None if null else value
    told = None if number_and_found is None else _value(*number_and_found, data_type)
    return _Metric(name, alias, time, told)


def _value(number: int, found: Any, data_type: int) -> Any:
    """Return what a metric holds as a number, true, false or text; a data set or template as a table."""
    if data_type in _UNREADABLE or number in (17, 18):
        return {}
    if number in (10, 11) and type(found) is int:
        return signed(found, _SIGNED[data_type]) if data_type in _SIGNED else found
    if number == 12 and type(found) is bytes and len(found) == 4:
        return float32(found)
    if number == 13 and type(found) is bytes and len(found) == 8:
        return double(found)
    if number == 14 and type(found) is int:
        return bool(found)
    if number == 15 and type(found) is bytes:
        return found.decode("utf-8", "replace")
    return None


FORMAT = Format(open_points, fields=(("*", ""),), topics=topics)
