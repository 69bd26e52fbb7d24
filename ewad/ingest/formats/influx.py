"""format = "influx": lines such as weather,station=roof temp=21.4,hum=44i 1772359200000000000.

Source: InfluxDB documentation, "Line protocol". The measurement and the tags are labels, each field a value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.lines import BOOLEAN, NUMBER, SPANS, TEXT, Lines, LinesWay
from ewad.ingest.formats.point import Asked, Format, OpenWay, Point, ReadPoints
from ewad.ingest.formats.reasons import quote_payload, too_large
from ewad.ingest.topics import Labels

_PART = re.compile(rb"(?:[^,\\]|\\.)+", re.DOTALL)  # of a head, between commas
_TAG = re.compile(rb"((?:[^=\\]|\\.)+)=(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\([ ,=\\])")
_ESCAPED_IN_TEXT = re.compile(r'\\(["\\])')
_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_WHITE = b" \t\r\n\v\f\0"
_MARK = b"\xef\xbb\xbf"


class LineReader:
    """Reads payloads as lines, a point each."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.lines = Lines(_labels, _plain, max_bytes)

    def __call__(self, topic: str, payload: bytes) -> Sequence[Point]:
        """Return the points of a payload. Raises DecodeError."""
        if len(payload) > self._max_bytes:
            raise too_large(len(payload), self._max_bytes)
        text, lines = trimmed(payload), self.lines
        n = lines.take(text)
        if lines.kernel.fault >= 0:
            raise _invalid(text[lines.kernel.fault :])
        if not n:
            raise DecodeError("empty", "expected a line, got none")
        kinds, values, times = lines.kinds[:n].tolist(), lines.values[:n].tolist(), lines.times[:n].tolist()
        heads, entries, spans = (
            lines.heads[:n].tolist(),
            lines.entries[:n].tolist(),
            lines.spans[: SPANS * n].tolist(),
        )
        found: list[Point] = []
        start, head, fields = -1, -1, dict[str, float | bool | str]()
        for k in range(n):
            begin, end, key, key_end, value, value_end = spans[SPANS * k : SPANS * (k + 1)]
            if begin != start:
                start, fields = begin, {}
                head, labels = lines.labels_of(heads[k], text[begin:end])
                found.append(Point(fields, labels, times[k] if times[k] == times[k] else None))
            name = lines.name(entries[k], head, text[key:key_end])
            if kinds[k] == NUMBER:
                fields[name] = values[k]
            elif kinds[k] == BOOLEAN:
                fields[name] = values[k] == 1.0
            else:
                fields[name] = (
                    _text(text[value:value_end]) if kinds[k] == TEXT else _word(text[value:value_end])
                )
        return found


def trimmed(payload: bytes) -> bytes:
    """Return a payload without what is never data at its ends (values.TRIMMED)."""
    while True:
        text = payload.strip(_WHITE).removeprefix(_MARK).removesuffix(_MARK)
        if len(text) == len(payload):
            return text
        payload = text


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as lines, a point each."""
    return LineReader(max_bytes)


def open_ways(points: Any, asked: Asked) -> OpenWay:
    """Return what gives a topic its quick way."""
    return lambda topic, waiting: LinesWay(points.lines, asked, waiting)


def _labels(head: bytes) -> Labels:
    parts = _PART.findall(head)
    if sum(len(part) + 1 for part in parts) != len(head) + 1:
        raise _invalid(head)
    measurement, *tags = parts
    labels = [("measurement", _plain(measurement))]
    for tag in sorted(tags):
        pair = _TAG.fullmatch(tag)
        if pair is None:
            raise _invalid(head)
        labels.append((_label_name(_plain(pair[1])), _plain(pair[2])))
    return tuple(labels)


def _label_name(name: str) -> str:
    """Return a tag's key as the name of a label."""
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return plain if plain[:1].isalpha() and plain not in _TAKEN else f"tag_{plain}"


_TAKEN = ("stream", "group", "measurement", "field", "beta", "horizon", "le", "quantile", "expert", "reason")


def _word(text: bytes) -> float:
    """Return nan and inf, which are refused later, each alone."""
    if not _NOT_FINITE.fullmatch(text):
        raise _invalid(text)
    return float(text)


def _text(text: bytes) -> str:
    plain = text.decode(errors="replace")
    return _ESCAPED_IN_TEXT.sub(r"\1", plain) if "\\" in plain else plain


def _plain(text: bytes) -> str:
    plain = text.decode(errors="replace")
    return _ESCAPED.sub(r"\1", plain) if "\\" in plain else plain


def _invalid(text: bytes) -> DecodeError:
    return DecodeError(
        "invalid_payload",
        f"expected a line such as weather,station=roof temp=21.4, got {quote_payload(text)}",
    )


FORMAT = Format(open_points, fields=(("*", ""),), dynamic=True, ways=open_ways)
