"""format = "json": a document of JSON, whose unread parts are nobody's business."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.layouts import document_ways
from ewad.ingest.formats.point import Format, Point, Quick, ReadPoints
from ewad.ingest.formats.reasons import quote_around, too_large

# What C, Arduino and Python print for numbers that are none. It is no JSON, but costs its own field alone.
# A text without an end goes to the end of the payload, once: each of its quotes would begin another.
_BARE = re.compile(r'"(?:[^"\\]|\\.?)*+(?:"|\Z)|([+-]?)\b(nan|inf(?:inity)?)\b', re.IGNORECASE | re.DOTALL)
# An escape, or two that are a character together; [1]: half of two alone, which no UTF-8 can carry.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_BYTE = re.compile(r"\(byte (\d+)\)|\(char (\d+)\)")
_DOCUMENTS = b"{", b"[", b'"'  # how a payload begins that is more than a number or a bare text
_TRIMMED = b" \t\r\n\xef\xbb\xbf"
_LONG_DIGITS = 400  # of an integer: no float has more


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as documents."""

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        return (Point(parse_json(payload, max_bytes)),)

    def points_but_texts(topic: str, payload: bytes) -> Sequence[Point]:
        try:
            return points(topic, payload)
        except DecodeError as error:
            if error.reason == "invalid_json" and payload.lstrip(_TRIMMED)[:1] not in _DOCUMENTS:
                raise DecodeError("missing_field", f"{error}, which `texts` skips") from error
            raise

    return points_but_texts if block.texts == "skip" else points


def parse_json(payload: bytes, max_bytes: int) -> Any:
    """Return the document.

    Bare nan and inf become texts, bytes and escapes that are no character become question marks, numbers too
    large for a float infinite: what is wrong with them shows where they are read. Raises DecodeError.
    """
    if len(payload) > max_bytes:
        raise too_large(len(payload), max_bytes)
    try:
        return msgspec.json.decode(payload)
    except (ValueError, RecursionError):  # also of msgspec
        return _parse_with_care(payload)


def _parse_with_care(payload: bytes) -> Any:
    text = payload.decode("utf-8-sig", "replace").strip(" \t\r\n\0")
    if not text:
        raise DecodeError("empty", "expected JSON, got an empty payload")
    text = _ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
    try:
        return json.loads(quote_bare(text), parse_int=_integer)
    except RecursionError as error:
        shown = quote_around(payload, 0)
        raise DecodeError("unsupported", f"expected fewer levels of JSON, got {shown}") from error
    except ValueError as error:
        raise _invalid(payload, error) from error


def quote_bare(text: str) -> str:
    """Return the document with bare nan and inf as texts: "nan", "inf" and "-inf"."""
    return _BARE.sub(_quoted_word, text)


def _quoted_word(found: re.Match[str]) -> str:
    """Return a bare word as a text; texts stay."""
    if not found[2]:
        return found[0]
    sign = "-" if found[1] == "-" and found[2][0] in "iI" else ""
    return f'"{sign}{found[2][:3].lower()}"'


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < _LONG_DIGITS else float("-inf" if digits[0] == "-" else "inf")


def _invalid(payload: bytes, error: ValueError) -> DecodeError:
    """Return the refusal, with the text around the first byte that is wrong."""
    try:
        msgspec.json.decode(payload)
        why = str(error)
    except (ValueError, RecursionError) as first:
        why = str(first)
    place = _BYTE.search(why)
    at = int(place[1] or place[2]) if place else 0
    return DecodeError("invalid_json", f"expected JSON, got {quote_around(payload, at)}: {why}")


def quick_value(steps: tuple[str, ...], limit: float, max_bytes: int, careful: Quick) -> Quick:
    """Return the reader of one field for the common case, an object with a number; the rest is careful's.

    Typed decoding builds no objects but the number: a quarter of the time of decoding the document.
    """
    try:
        decode = _typed_decoder(steps)
    except ValueError:  # msgspec can't name such a field
        return careful

    low, high, depth = -limit, limit, len(steps)

    def value(payload: bytes) -> float:
        if len(payload) <= max_bytes:
            try:
                found = decode(payload)
                for _ in range(depth):
                    found = found.inner
            except (ValueError, RecursionError):
                pass
            else:
                if low < found < high:
                    return found  # type: ignore[no-any-return]
        return careful(payload)

    return value


def _typed_decoder(steps: tuple[str, ...]) -> Callable[[bytes], Any]:
    shape: Any = float
    for step in reversed(steps):
        shape = msgspec.defstruct("Level", [("inner", shape)], rename={"inner": step}, gc=False)
    return msgspec.json.Decoder(shape).decode


FORMAT = Format(open_points, quick=quick_value, ways=document_ways)
