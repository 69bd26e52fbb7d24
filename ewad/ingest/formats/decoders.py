"""Payload -> values. One function per format, in DECODERS; a newcomer is one builder and one line there.

A decoder gives one finite number, or raises DecodeError with a reason out of REASONS. Formats that can
carry several fields or a time build a record decoder instead: see Decoders.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from ewad.config.settings import StreamSettings
from ewad.config.syntax import parse_field, quoted
from ewad.engine import VALUE_LIMIT
from ewad.errors import DecodeError

# Why a message gave no sample; the counters of all of them start at 0.
REASONS = {
    "empty": "the payload is empty",
    "not_a_number": "the payload or field is not a number",
    "not_finite": "the number is NaN or infinite",
    "out_of_range": "the number is too large to be averaged",
    "invalid_json": "the payload is not JSON",
    "missing_field": "the payload lacks the configured field",
    "null": "the field is null",
    "wrong_type": "the field holds neither a number nor a number in a string",
    "invalid_time": "the time field is neither Unix time nor RFC 3339",
    "future_time": "the time field lies more than a day ahead",
    "too_large": "the payload is larger than limits.max_payload_bytes",
    "retained": "a retained message whose value is not new, or that the block ignores",
    "topic_too_long": "the topic is longer than 1,024 bytes",
    "unknown_topic": "no [[stream]] block matches the topic",
    "stream_limit": "limits.max_streams streams exist already",
}
LAST_UNIX_SECONDS = 2.0**63 / 1e9  # 2262-04-11, where nanoseconds end; a later time is a mistake
FIRST_FINE_SECONDS = 1e9  # 2001-09-09: from here on numbers tell by their size that they are ms, us or ns
QUOTED = 40  # characters of a payload that a message may show

Value = Callable[[bytes], float]
# a value per field (None: absent, while others are there), and the event time if the block has a time_field
Found = tuple[Sequence[float | DecodeError | None], float | None]
Record = Callable[[bytes], Found]


@dataclass(frozen=True, slots=True)
class Decoders:
    """How one block's payloads are read: by value if each is one number and no time, else by record."""

    value: Value | None
    record: Record


def build(block: StreamSettings, max_payload_bytes: int) -> Decoders:
    """Return the decoders of a block; they refuse what its scale and offset would carry past VALUE_LIMIT."""
    limit = min(VALUE_LIMIT, (VALUE_LIMIT - abs(block.offset)) / abs(block.scale))
    limit *= 1.0 - 1e-12  # what scaling rounds up stays below VALUE_LIMIT
    return DECODERS[block.format](block, max_payload_bytes, limit)


def decode_number(payload: bytes, max_bytes: int = 65536, limit: float = VALUE_LIMIT) -> float:
    """Return the number that payload spells in ASCII; white space around it is allowed."""
    try:
        value = float(payload)
    except ValueError:
        value = limit  # refused below
    if -limit < value < limit and ord("_") not in payload and len(payload) <= max_bytes:
        return value
    raise _refusal(payload, max_bytes)


def build_number(block: StreamSettings, max_bytes: int, limit: float) -> Decoders:
    """Return the decoders of format = "number"."""
    low = -limit

    def value(payload: bytes) -> float:
        # decode_number without its call: this runs for every message. 95 is "_": float takes 1_000
        try:
            number = float(payload)
        except ValueError:
            number = limit
        if low < number < limit and 95 not in payload and len(payload) <= max_bytes:
            return number
        raise _refusal(payload, max_bytes)

    return Decoders(value, lambda payload: ([value(payload)], None))


def build_json(block: StreamSettings, max_bytes: int, limit: float) -> Decoders:
    """Return the decoders of format = "json": the block's fields, or the whole document if it names none."""
    fields = [_Field(path, limit) for path, _ in block.fields] or [_Field(None, limit)]
    read_time = None if block.time_field is None else _time_reader(block.time_field)

    def record(payload: bytes) -> Found:
        document = _parse(payload, max_bytes)
        time = None if read_time is None else read_time(document)
        if len(fields) == 1:
            return [fields[0].value(document)], time
        return _several(fields, document), time

    single = len(fields) == 1 and read_time is None
    return Decoders(_quick_value(fields[0], max_bytes, limit) if single else None, record)


DECODERS: dict[str, Callable[[StreamSettings, int, float], Decoders]] = {
    "number": build_number,
    "json": build_json,
}


class _Missing:
    """What a path leads to that the document does not have."""


class _Field:
    """One number in a JSON document."""

    def __init__(self, path: str | None, limit: float) -> None:
        self.steps = () if path is None else parse_field(path)
        self.where = "" if path is None else f"field {quoted(path)}: "
        self.limit = limit

    def value(self, document: Any) -> float:
        found = _follow(document, self.steps)
        kind = type(found)
        if kind is float or kind is int:
            return self._within(found)
        if kind is str:
            return self._spelled(found)
        if found is _Missing:
            raise DecodeError("missing_field", f"{self.where}expected a number, got no such field")
        reason = "null" if found is None else "wrong_type"
        raise DecodeError(reason, f"{self.where}expected a number, got {_JSON_NAMES[kind]}")

    def _within(self, found: float) -> float:
        if -self.limit < found < self.limit:
            return float(found)
        raise DecodeError("out_of_range", f"{self.where}expected a number below {self.limit:g} in size")

    def _spelled(self, found: str) -> float:
        payload = found.encode(errors="replace")
        try:
            return decode_number(payload, len(payload), self.limit)
        except DecodeError as error:
            raise DecodeError(error.reason, f"{self.where}{error}") from None


_JSON_NAMES = {type(None): "null", bool: "a boolean", list: "an array", dict: "an object"}


def _several(fields: list[_Field], document: Any) -> list[float | DecodeError | None]:
    """Return each field's value, None if absent, or its error. Raises the first error if none has a value."""
    found: list[float | DecodeError | None] = []
    first: DecodeError | None = None
    for field in fields:
        try:
            found.append(field.value(document))
        except DecodeError as error:
            # a device may send its readings apart: an absent one is no fault while another is there
            found.append(None if error.reason in ("missing_field", "null") else error)
            first = first or error
    if first and not any(isinstance(value, float) for value in found):
        raise first
    return found


def _quick_value(field: _Field, max_bytes: int, limit: float) -> Value:
    """Return field's reader for the common case, an object with a plain number; the rest goes the long way.

    Typed decoding builds no objects but the number: a quarter of the time of decoding the document.
    """
    careful = field.value
    try:
        decode = _typed_decoder(field.steps)
    except ValueError:  # msgspec can't name such a field
        return lambda payload: careful(_parse(payload, max_bytes))

    low, depth = -limit, len(field.steps)

    def value(payload: bytes) -> float:
        if len(payload) <= max_bytes:
            try:
                found = decode(payload)
                for _ in range(depth):
                    found = found.inner
            except (ValueError, RecursionError):
                pass
            else:
                if low < found < limit:
                    return found  # type: ignore[no-any-return]
        return careful(_parse(payload, max_bytes))

    return value


def _typed_decoder(steps: tuple[str, ...]) -> Callable[[bytes], Any]:
    shape: Any = float
    for step in reversed(steps):
        shape = msgspec.defstruct("Level", [("inner", shape)], rename={"inner": step}, gc=False)
    return msgspec.json.Decoder(shape).decode


def _parse(payload: bytes, max_bytes: int) -> Any:
    if len(payload) > max_bytes:
        raise _too_large(payload, max_bytes)
    if not payload.strip():
        raise DecodeError("empty", "expected JSON, got an empty payload")
    try:
        return msgspec.json.decode(payload)
    except msgspec.ValidationError as error:  # the grammar is met; a number does not fit
        raise DecodeError("out_of_range", f"expected numbers of ordinary size: {error}") from error
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DecodeError("invalid_json", f"expected JSON, got {quote_payload(payload)}: {why}") from error


def _follow(document: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        if type(document) is dict:
            document = document.get(step, _Missing)
        elif type(document) is list and _INDEX.fullmatch(step) and int(step) < len(document):
            document = document[int(step)]
        else:
            return _Missing
    return document


def _time_reader(path: str) -> Callable[[Any], float]:
    steps = parse_field(path)
    where = f"time field {quoted(path)}: expected Unix time or RFC 3339"

    def read(document: Any) -> float:
        found = _follow(document, steps)
        if found is _Missing:
            raise DecodeError("invalid_time", f"{where}, got no such field")
        seconds = unix_seconds(found) if type(found) in (int, float, str) else None
        if seconds is None:
            raise DecodeError("invalid_time", f"{where}, got {quote_payload(str(found)[:200].encode())}")
        return seconds

    return read


def unix_seconds(value: float | str) -> float | None:
    """Return the Unix time in seconds that value means: a number in s, ms, us or ns by its size, or RFC 3339.

    A text without a zone is UTC. None if value is neither, or a time beyond the year 2262.
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = decode_number(text.encode(errors="replace"))
        except DecodeError:
            return _rfc3339_seconds(text)
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


def _rfc3339_seconds(text: str) -> float | None:
    if not _RFC3339.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds < LAST_UNIX_SECONDS else None


_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII)


def _refusal(payload: bytes, max_bytes: int) -> DecodeError:
    """Return why decode_number does not take payload."""
    if len(payload) > max_bytes:
        return _too_large(payload, max_bytes)
    if not payload.strip():
        return DecodeError("empty", "expected a number, got an empty payload")
    shown = quote_payload(payload)
    try:
        value = float(payload.replace(b"_", b"?"))
    except ValueError:
        return DecodeError("not_a_number", f"expected a number, got {shown}")
    if not math.isfinite(value) and payload.strip().strip(b"+-")[:1].isalpha():
        return DecodeError("not_finite", f"expected a finite number, got {shown}")
    return DecodeError("out_of_range", f"expected a number of ordinary size, got {shown}")


def _too_large(payload: bytes, max_bytes: int) -> DecodeError:
    return DecodeError("too_large", f"expected at most {max_bytes} bytes, got {len(payload)}")


def quote_payload(payload: bytes) -> str:
    """Return the beginning of payload in double quotes, safe to print."""
    text = payload[: 4 * QUOTED + 4].decode(errors="replace")
    return quoted(text, QUOTED)
