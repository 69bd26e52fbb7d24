"""format = "keyvalue": temp=21.4 hum=44, with white space, commas or semicolons between the pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.fields import keys_of_labels
from ewad.ingest.formats.point import Format, Point, ReadPoints
from ewad.ingest.formats.reasons import quote_payload, too_large
from ewad.ingest.formats.values import TRIMMED, parse_number

_PAIR = re.compile(r'\s*([^\s=:;,"]+)\s*[=:]\s*("(?:[^"\\]|\\.)*"|[^\s;,]+)[\s;,]*')


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as tables of numbers and texts by their keys."""

    spelled = keys_of_labels(block)

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        if len(payload) > max_bytes:
            raise too_large(len(payload), max_bytes)
        text = payload.decode("utf-8-sig", "replace").strip(TRIMMED)
        if not text:
            raise DecodeError("empty", "expected key=value pairs, got an empty payload")
        table: dict[str, float | str] = {}
        place = 0
        while place < len(text):
            pair = _PAIR.match(text, place)
            if pair is None:
                shown = quote_payload(text[place:].encode())
                raise DecodeError("invalid_payload", f"expected key=value pairs, got {shown}")
            table[pair[1]] = _value(pair[2], pair[1] in spelled)
            place = pair.end()
        return (Point(table),)

    return points


def _value(text: str, spelled: bool) -> float | str:
    """Return the number that a text spells, or the text; spelled: as it is."""
    if text[0] == '"' and len(text) > 1:
        return text[1:-1]
    number = None if spelled else parse_number(text)
    return text if number is None else number


FORMAT = Format(open_points, fields=(("*", ""),))
