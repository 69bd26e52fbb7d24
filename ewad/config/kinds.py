"""What a key takes: a raw TOML value in, a typed one out or Invalid; its JSON schema; and the way back.

A kind is called to take a value. Every piece of the configuration that knows of values asks a kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ewad.config.checks import Check, each, fail, shown, unknown
from ewad.config.syntax import DURATION, format_duration, parse_duration

Schema = Mapping[str, Any]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key takes.

    take: checks and converts a raw value.  words: what it takes, for the reference page.  schema: the same as
    JSON schema, which may allow more.  write: the raw value of a typed one; None where none gives it.
    """

    take: Check
    words: str
    schema: Schema
    write: Callable[[Any], Any] = _same

    def __call__(self, value: Any) -> Any:
        """Return the typed value. Raises Invalid."""
        return self.take(value)

    def into(self, build: Callable[[Any], Any], write: Callable[[Any], Any]) -> Kind:
        """Return the kind whose values are built of this one's; write gives those back, or None."""

        def written(value: Any) -> Any:
            mine = write(value)
            return None if mine is None else self.write(mine)

        return Kind(lambda value: build(self.take(value)), self.words, self.schema, written)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise fail(f"expected a text, got {shown(value)}")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise fail(f"expected true or false, got {shown(value)}")
    return value


text = Kind(_text, "text", {"type": "string", "minLength": 1})  # not empty, no control characters
boolean = Kind(_boolean, "true or false", {"type": "boolean"})


def choice(*known: str) -> Kind:
    """Take one of the known names."""

    def take(value: Any) -> str:
        if not isinstance(value, str):
            options = ", ".join(f'"{name}"' for name in known)
            raise fail(f"expected one of {options}, got {shown(value)}")
        if value not in known:
            raise unknown(value, known)
        return value

    return Kind(take, ", ".join(f'"{name}"' for name in known), {"enum": list(known)})


def integer(low: int, high: int) -> Kind:
    """Take an integer in low..high."""

    def take(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise fail(f"expected an integer, got {shown(value)}")
        if not low <= value <= high:
            raise fail(f"must be in {low}..{high}, got {shown(value)}")
        return value

    return Kind(take, f"integer in {low}..{high}", {"type": "integer", "minimum": low, "maximum": high})


def number(interval: str) -> Kind:
    """Take a finite number in an interval such as "[0, 1)" or "(0, inf)"."""
    low, high = (float(bound) for bound in interval[1:-1].split(","))

    def take(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise fail(f"expected a number, got {shown(value)}")
        inside = low <= value <= high and (isinstance(value, int) or math.isfinite(value))
        inside = inside and abs(value) < 1e308  # an integer may be larger than any float
        if not inside or (value == low and interval[0] == "(") or (value == high and interval[-1] == ")"):
            raise fail(f"must be in {interval}, got {shown(value)}")
        return float(value)

    bounds = {
        "minimum" if interval[0] == "[" else "exclusiveMinimum": low,
        "maximum" if interval[-1] == "]" else "exclusiveMaximum": high,
    }
    finite = {name: bound for name, bound in bounds.items() if math.isfinite(bound)}
    return Kind(take, f"number in {interval}", {"type": "number", **finite})


def duration(low: str, high: str) -> Kind:
    """Take a duration between low and high, as seconds."""
    least, most = parse_duration(low), parse_duration(high)

    def take(value: Any) -> float:
        if not isinstance(value, str):
            raise fail(f'expected a duration such as "5m", got {shown(value)}')
        seconds: float = converted(parse_duration, value)
        if not least <= seconds <= most:
            raise fail(f"must be in {low}..{high}, got {shown(value)}")
        return seconds

    schema = {"type": "string", "pattern": f"^{DURATION}$"}
    return Kind(take, f"duration in {low}..{high}", schema, format_duration)


def converted(parse: Callable[[str], Any], value: Any) -> Any:
    """Return what parse makes of a text. Raises Invalid with the message of its ValueError."""
    try:
        return parse(value if isinstance(value, str) else _text(value))
    except ValueError as error:
        raise fail(str(error)) from error


def parsed(parse: Callable[[str], Any], words: str, write: Callable[[Any], Any]) -> Kind:
    """Take a text that parse understands, as what it means; its ValueError is the message."""
    return Kind(partial(converted, parse), words, {"type": "string", "minLength": 1}, write)


def checked(parse: Callable[[str], Any], words: str) -> Kind:
    """Take a text that parse understands, as it is."""

    def take(value: Any) -> str:
        converted(parse, value)
        return str(value)

    return Kind(take, words, {"type": "string", "minLength": 1})


def list_of(kind: Kind, *, repeats: bool = False, most: int | None = None) -> Kind:
    """Take a list of one or more values, at most so many, as a tuple: each once unless it may repeat."""

    def take(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise fail(f"expected a list of one or more, got {shown(value) if value else 'an empty list'}")
        if most is not None and len(value) > most:
            raise fail(f"expected at most {most}, got {len(value)}")
        items = each((index, partial(kind, item)) for index, item in enumerate(value))
        seen: set[Any] = set()
        for index, item in enumerate(items):
            if not repeats and item in seen:
                raise fail(f"expected different values, got {shown(value[index])} twice", index)
            seen.add(item)
        return tuple(items)

    schema = {"type": "array", "items": kind.schema, "minItems": 1}
    schema |= {} if most is None else {"maxItems": most}

    def written(items: tuple[Any, ...]) -> list[Any] | None:
        return [kind.write(item) for item in items] or None

    return Kind(take, f"list of: {kind.words}", schema, written)


def one_or_list_of(kind: Kind, *, repeats: bool = False) -> Kind:
    """Take one value or a list as list_of does, as a tuple."""
    several = list_of(kind, repeats=repeats)
    schema = {"anyOf": [kind.schema, several.schema]}
    return Kind(
        lambda value: several(value) if isinstance(value, list) else (kind(value),),
        f"{kind.words}, or a list",
        schema,
        several.write,
    )


def by_epoch(kind: Kind) -> Kind:
    """Take a list of [epoch, value], the epochs ascending, as a tuple of pairs."""
    epoch = integer(0, 10**9)

    def pair(item: Any) -> tuple[int, float]:
        if not isinstance(item, list) or len(item) != 2:
            raise fail(f"expected [epoch, rate], got {shown(item)}")
        start, value = each([(0, lambda: epoch(item[0])), (1, lambda: kind(item[1]))])
        return int(start), float(value)

    schema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    several = list_of(Kind(pair, "[epoch, rate]", schema, list))

    def take(value: Any) -> tuple[tuple[int, float], ...]:
        pairs: tuple[tuple[int, float], ...] = several(value)
        epochs = [start for start, _ in pairs]
        if epochs != sorted(set(epochs)):
            raise fail(f"expected ascending epochs, got {epochs}")
        return pairs

    return Kind(take, several.words, several.schema, several.write)
