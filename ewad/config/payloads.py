"""What the keys of a [[stream]] block take that say how a payload is read."""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Callable
from functools import partial
from typing import Any

from ewad.config import checks
from ewad.config.checks import fail
from ewad.config.kinds import Kind, checked, converted, number, text
from ewad.config.syntax import (
    check_payload_label,
    check_time_format,
    field_name,
    meant_path,
    parse_field,
    quoted,
)

FINITE = number("[-1e100, 1e100]")


def _path(path: str) -> Any:
    return parse_field(path.removeprefix("^"))


def _records_path(path: str) -> Any:
    if path == ".":
        return path
    meant = meant_path(path)
    if meant.endswith(".*"):
        raise ValueError(f"expected the path of the list, such as {quoted(meant[:-2])}, got {quoted(path)}")
    return parse_field(path)


PATH = checked(parse_field, "JSON pointer or dotted path")
# ^ in front: from the whole document, where others begin at a record
PLACED_PATH = checked(_path, "JSON pointer or dotted path, ^ in front: from the whole document")
_RECORDS_PATH = checked(_records_path, "JSON pointer or dotted path; . is the document")
TIME_FORMAT = checked(check_time_format, 'format as strptime\'s, or "dsmr"')


def _fields(value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, list):
        return _listed(value)
    if not isinstance(value, dict):
        return ((PATH(value), ""),)
    if not value:
        raise fail("expected a table of {field = stream suffix}, got an empty one")

    def pair(key: str) -> tuple[str, str]:
        suffix = text(value[key])
        if "/" in suffix and suffix != field_name(
            parse_field(PATH(key))
        ):  # topic + "/" + suffix stays unique
            raise fail(f"expected a suffix without /, got {checks.shown(suffix)}")
        return PATH(key), suffix

    pairs = checks.each((key, partial(pair, key)) for key in value)
    suffixes = [suffix for _, suffix in pairs]
    for key, suffix in pairs:
        if suffixes.count(suffix) > 1:
            raise fail(f"expected different suffixes, got {checks.shown(suffix)} twice", key)
    return tuple(pairs)


def _listed(paths: list[Any]) -> tuple[tuple[str, str], ...]:
    if not paths:
        raise fail("expected a list of one or more paths, got an empty list")
    found = checks.each((index, partial(PATH, path)) for index, path in enumerate(paths))
    for index, path in enumerate(found):
        if path in found[:index]:
            raise fail(f"expected different values, got {checks.shown(path)} twice", index)
    return tuple((path, field_name(parse_field(path))) for path in found)


def _written_fields(fields: tuple[tuple[str, str], ...]) -> Any:
    if not fields:
        return None
    return fields[0][0] if len(fields) == 1 and not fields[0][1] else dict(fields)


FIELDS = Kind(
    _fields,
    'JSON pointer or dotted path, a list, or a table { path = suffix }; "*" is each number',
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string", "minLength": 1},
            },
        ]
    },
    _written_fields,
)


def _labels(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not value:
        raise fail(f'expected a table such as {{ id = "id" }}, got {checks.shown(value)}')

    def pair(name: str) -> tuple[str, str]:
        converted(check_payload_label, name)
        return name, PLACED_PATH(value[name])

    return tuple(checks.each((name, partial(pair, name)) for name in value))


def _states(value: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, dict) or not value:
        raise fail(f"expected a table such as {{ ON = 1, OFF = 0 }}, got {checks.shown(value)}")
    return tuple(
        checks.each((word, lambda word=word: (word, FINITE(value[word]))) for word in value)  # type: ignore[misc]
    )


def _written_table(pairs: tuple[tuple[str, Any], ...]) -> Any:
    return dict(pairs) or None


def _table_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "minProperties": 1, "additionalProperties": schema}


LABELS = Kind(
    _labels, "table { label = path }", _table_of({"type": "string", "minLength": 1}), _written_table
)
STATES = Kind(_states, "table { word = number }", _table_of({"type": "number"}), _written_table)


def _records(value: Any) -> str:
    return str(_RECORDS_PATH(value or "."))


RECORDS = Kind(_records, _RECORDS_PATH.words, {"type": "string"})


def _range(value: Any, end: Callable[[Any], float] = FINITE) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise fail(f"expected [lowest, highest], got {checks.shown(value)}")
    low, high = checks.each((index, partial(end, item)) for index, item in enumerate(value))
    if low >= high:
        raise fail(f"expected [lowest, highest], got [{low:g}, {high:g}]")
    return low, high


def _end(value: Any) -> float:
    """Return a number, or an infinite one: there is no bound."""
    return value if isinstance(value, float) and math.isinf(value) else float(FINITE(value))


_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
RANGE = Kind(_range, "[lowest, highest]", _PAIR, list)
BOUNDS = Kind(partial(_range, end=_end), "[lowest, highest], either may be inf", _PAIR, list)


def _time_zone(value: Any) -> str:
    name = text(value)
    expected = f'expected a time zone such as "Europe/Berlin", got {checks.shown(value)}'
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError) as error:
        raise fail(expected) from error
    except KeyError as error:  # ZoneInfoNotFoundError
        known = zoneinfo.available_timezones()
        remedy = checks.nearest(name, known) if known else ": this machine has no time zones: install tzdata"
        raise fail(expected + remedy) from error
    return str(name)


TIME_ZONE = Kind(_time_zone, "name of a time zone", {"type": "string", "minLength": 1})


def _delimiter(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or value in '\r\n"':
        raise fail(f'expected one character such as ";", got {checks.shown(value)}')
    return value


DELIMITER = Kind(_delimiter, "one character", {"type": "string", "minLength": 1, "maxLength": 1})


def _own_keys(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise fail(f"expected [stream.fields.NAME] tables, got {checks.shown(value)}")
    return value


OWN_KEYS = Kind(_own_keys, "tables of keys by the names of fields", _table_of({"type": "object"}))
