"""format = "influx": lines such as weather,station=roof temp=21.4,hum=44i 1772359200000000000.

Source: InfluxDB documentation, "Line protocol". The measurement and the tags are labels, each field a value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.point import Format, Point, ReadPoints
from ewad.ingest.formats.reasons import quote_payload, too_large
from ewad.ingest.formats.times import unix_divisor
from ewad.ingest.formats.values import TRIMMED
from ewad.ingest.topics import Labels

# A line: measurement and tags, fields, time; a space or comma that is a part of a name stands after \.
_LINE = re.compile(
    r'((?:[^\s\\]|\\.)+)[ ]+((?:[^\s\\"]|\\.|"(?:[^"\\]|\\.)*")+)(?:[ ]+(-?\d{1,19}))?\s*', re.DOTALL
)
_COMMA = re.compile(r"(?<!\\),")
_FIELD = re.compile(r'((?:[^,=\\]|\\.)+)=("(?:[^"\\]|\\.)*"|[^,"]+)(?:,|$)', re.DOTALL)
_ESCAPED = re.compile(r"\\([ ,=\\])")
_WORDS = {"t": True, "T": True, "true": True, "True": True, "TRUE": True}
_WORDS |= {"f": False, "F": False, "false": False, "False": False, "FALSE": False}


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as lines, a point each."""
    heads: dict[str, Labels] = {}  # those that were read, bounded: they come again and again

    def labels_of(head: str) -> Labels:
        labels = heads.get(head)
        if labels is None:
            if len(heads) >= _HEADS:
                heads.clear()
            labels = heads[head] = _labels(head)
        return labels

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        if len(payload) > max_bytes:
            raise too_large(len(payload), max_bytes)
        text = payload.decode("utf-8-sig", "replace").strip(TRIMMED)
        if not text:
            raise DecodeError("empty", "expected a line, got an empty payload")
        found: list[Point] = []
        place = 0
        while place < len(text):
            if text[place] == "#":
                place = (text.find("\n", place) + 1) or len(text)
                continue
            line = _LINE.match(text, place)
            if line is None:
                raise _invalid(text[place:])
            found.append(Point(_fields(line[2]), labels_of(line[1]), _seconds(line[3])))
            place = line.end()
        return found

    return points


_HEADS = 4096


def _labels(head: str) -> Labels:
    measurement, *tags = _COMMA.split(head)
    labels = [("measurement", _plain(measurement))]
    for tag in sorted(tags):
        name, equals, value = tag.partition("=")
        if not name or not equals:
            raise _invalid(head)
        labels.append((_label_name(_plain(name)), _plain(value)))
    return tuple(labels)


def _label_name(name: str) -> str:
    """Return a tag's key as the name of a label."""
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return plain if plain[:1].isalpha() and plain not in _TAKEN else f"tag_{plain}"


_TAKEN = ("stream", "group", "measurement", "field", "beta", "horizon", "le", "quantile", "expert", "reason")


def _fields(text: str) -> dict[str, float | bool | str]:
    fields: dict[str, float | bool | str] = {}
    place = 0
    while place < len(text):
        field = _FIELD.match(text, place)
        if field is None:
            raise _invalid(text[place:])
        fields[_plain(field[1])] = _value(field[2])
        place = field.end()
    return fields


def _value(text: str) -> float | bool | str:
    if text[0] == '"':
        return text[1:-1]
    if text in _WORDS:
        return _WORDS[text]
    try:
        return float((text[:-1] if text[-1] in "iu" else text).encode())
    except ValueError:
        raise _invalid(text) from None


def _seconds(digits: str | None) -> float | None:
    """Return the seconds of a time in ns; of one in s, ms or us too, as its size tells."""
    if digits is None:
        return None
    return int(digits) / (unix_divisor(abs(int(digits))) or 1e9)


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _invalid(text: str) -> DecodeError:
    return DecodeError(
        "invalid_payload",
        f"expected a line such as weather,station=roof temp=21.4, got {quote_payload(text.encode())}",
    )


FORMAT = Format(open_points, fields=(("*", ""),), dynamic=True)
