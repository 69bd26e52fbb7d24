"""Payloads of Sparkplug B: time, sequence number and metrics, whatever the types of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ewad.errors import DecodeError
from ewad.ingest.formats.protobuf import double, encoded, fields, float32, signed
from ewad.ingest.formats.values import Unreadable

NUMBERS = 256  # of messages: after 255 comes 0
# Numbers of data types: what they are, and of how many bits if they are signed.
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_INT64 = 4
_UNREADABLE = {16: Unreadable("a data set"), 19: Unreadable("a template")}
_TEMPLATE = 18  # the field of its value
_BY_FIELD = {17: _UNREADABLE[16], _TEMPLATE: _UNREADABLE[19]}
_DEFINITION = 5  # of a template: whether it only says what such templates are
_TIMESTAMP, _METRIC, _SEQUENCE = 1, 2, 3


class Metric(NamedTuple):
    """A metric.  kind: its data type, 0 if it tells none.  found: number and content of its value's field."""

    name: str
    alias: int | None
    time: float | None
    kind: int
    found: tuple[int, int | bytes] | None

    def value(self, kind: int) -> Any:
        """Return a number, true, false, a text, None for nothing, or what is Unreadable.

        kind: of the data type, if the metric tells none.
        """
        return None if self.found is None else _value(*self.found, self.kind or kind)


class Payload(NamedTuple):
    """What a payload holds.  time: Unix seconds, of metrics that tell none."""

    time: float | None
    sequence: int | None
    metrics: Sequence[Metric]

    @property
    def life(self) -> int | None:
        """The number of its node's life that a birth or a death tells."""
        told = (each.value(0) for each in self.metrics if each.name == "bdSeq")
        return next((each for each in told if type(each) is int), None)


def read_payload(payload: bytes) -> Payload:
    """Return what a payload holds. Raises DecodeError."""
    time: float | None = None
    sequence: int | None = None
    metrics = []
    for number, value in fields(payload):
        if number == _TIMESTAMP and type(value) is int:
            time = value / 1e3
        elif number == _SEQUENCE and type(value) is int:
            sequence = value % NUMBERS
        elif number == _METRIC and type(value) is bytes:
            metrics.append(_metric(value))
    return Payload(time, sequence, metrics)


def _metric(content: bytes) -> Metric:
    name, alias, time, kind, null = "", None, None, 0, False
    value: tuple[int, int | bytes] | None = None
    for number, found in fields(content):
        if number == 1 and type(found) is bytes:
            name = found.decode("utf-8", "replace")
        elif number == 2 and type(found) is int:
            alias = found
        elif number == 3 and type(found) is int:
            time = found / 1e3
        elif number == 4 and type(found) is int:
            kind = found
        elif number == 7:
            null = bool(found)
        elif 10 <= number <= 18:
            value = number, found
    return Metric(name, alias, time, kind, None if null else value)


def birth_of(payload: Payload) -> bytes:
    """Return a payload of what a birth says of its metrics: their names, aliases, types, and its life."""
    born = b"".join(encoded(_METRIC, _said_of(metric)) for metric in payload.metrics)
    life = payload.life
    return born if life is None else born + encoded(_METRIC, encoded(1, b"bdSeq") + _said_of_life(life))


def _said_of_life(life: int) -> bytes:
    kind = encoded(4, _INT64) if life < 0 else b""
    return kind + encoded(11, life % 2**64)


def _said_of(metric: Metric) -> bytes:
    numbers = ((2, metric.alias), (4, metric.kind or None))
    name = encoded(1, metric.name.encode())
    return name + b"".join(encoded(number, value) for number, value in numbers if value is not None)


def _value(number: int, found: Any, kind: int) -> Any:
    unreadable = _UNREADABLE.get(kind) or _BY_FIELD.get(number)
    if unreadable is not None:
        return None if number == _TEMPLATE and _is_definition(found) else unreadable
    if number in (10, 11) and type(found) is int:
        return signed(found, _SIGNED[kind]) if kind in _SIGNED else found
    if number == 12 and type(found) is bytes and len(found) == 4:
        return float32(found)
    if number == 13 and type(found) is bytes and len(found) == 8:
        return double(found)
    if number == 14 and type(found) is int:
        return bool(found)
    if number == 15 and type(found) is bytes:
        return found.decode("utf-8", "replace")
    return None


def _is_definition(found: Any) -> bool:
    try:
        return type(found) is bytes and (_DEFINITION, 1) in fields(found)
    except DecodeError:
        return False
