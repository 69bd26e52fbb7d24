"""Checks of single values: a raw TOML value in, a typed one out, or Invalid with what was expected."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from ewad.config.syntax import parse_duration, quoted

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
Check = Callable[[Any], Any]
T = TypeVar("T")


class Invalid(Exception):  # noqa: N818  (a finding, turned into ConfigError once the source is known)
    """What is wrong with a raw value: problems, each with its path below the value."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems)
        self.problems = problems

    def below(self, step: str | int) -> list[Problem]:
        """Return the problems as seen from one level up."""
        return [((step, *path), message) for path, message in self.problems]


def fail(message: str, *path: str | int) -> Invalid:
    """Return the finding that message holds at path."""
    return Invalid((path, message))


def each(steps: Iterable[tuple[str | int, Callable[[], T]]]) -> list[T]:
    """Return what each step's function returns. Raises Invalid with the problems of all that fail."""
    results: list[T] = []
    problems: list[Problem] = []
    for step, function in steps:
        try:
            results.append(function())
        except Invalid as invalid:
            problems += invalid.below(step)
    if problems:
        raise Invalid(*problems)
    return results


def shown(value: object) -> str:
    """Return a raw value as a message shows it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value!r:.60}"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else "a date or time"


def unknown(name: str, known: Iterable[str], what: str = "") -> Invalid:
    """Return the finding that name is none of known, with the nearest of them."""
    names = sorted(known)
    guess = nearest(name, names) or ";"
    return fail(f"unknown {what}{quoted(name)}{guess} known: {', '.join(names) or 'none'}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean "..."?' of the known name that is the nearest, or "" where none is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean {quoted(near[0])}?" if near else ""


def text(value: Any) -> str:
    """Take a text that is not empty and has no control characters."""
    if not isinstance(value, str) or not value or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise fail(f"expected a text, got {shown(value)}")
    return value


def boolean(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise fail(f"expected true or false, got {shown(value)}")
    return value


def choice(*known: str) -> Check:
    """Take one of the known names."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            options = ", ".join(f'"{name}"' for name in known)
            raise fail(f"expected one of {options}, got {shown(value)}")
        if value not in known:
            raise unknown(value, known)
        return value

    return check


def integer(low: int, high: int) -> Check:
    """Take an integer in low..high."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise fail(f"expected an integer, got {shown(value)}")
        if not low <= value <= high:
            raise fail(f"must be in {low}..{high}, got {shown(value)}")
        return value

    return check


def number(interval: str) -> Check:
    """Take a finite number in an interval such as "[0, 1)" or "(0, inf)"."""
    low, high = (float(bound) for bound in interval[1:-1].split(","))

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise fail(f"expected a number, got {shown(value)}")
        inside = low <= value <= high and (isinstance(value, int) or math.isfinite(value))
        inside = inside and abs(value) < 1e308  # an integer may be larger than any float
        if not inside or (value == low and interval[0] == "(") or (value == high and interval[-1] == ")"):
            raise fail(f"must be in {interval}, got {shown(value)}")
        return float(value)

    return check


def duration(low: str, high: str) -> Check:
    """Take a duration between low and high, as seconds."""
    least, most = parse_duration(low), parse_duration(high)

    def check(value: Any) -> float:
        if not isinstance(value, str):
            raise fail(f'expected a duration such as "5m", got {shown(value)}')
        seconds: float = parsed(parse_duration)(value)
        if not least <= seconds <= most:
            raise fail(f"must be in {low}..{high}, got {shown(value)}")
        return seconds

    return check


def parsed(parse: Callable[[str], Any]) -> Check:
    """Take a text that parse understands; its ValueError is the message."""

    def check(value: Any) -> Any:
        try:
            return parse(value if isinstance(value, str) else text(value))
        except ValueError as error:
            raise fail(str(error)) from error

    return check


def list_of(check: Check, *, repeats: bool = False) -> Check:
    """Take a list of one or more values, different ones unless it may have repeats."""

    def checks(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise fail(f"expected a list of one or more, got {shown(value) if value else 'an empty list'}")
        items = each((index, partial(check, item)) for index, item in enumerate(value))
        seen: set[Any] = set()
        for index, item in enumerate(items):
            if not repeats and item in seen:
                raise fail(f"expected different values, got {shown(value[index])} twice", index)
            seen.add(item)
        return tuple(items)

    return checks


def one_or_list_of(check: Check, *, repeats: bool = False) -> Check:
    """Take one value or a list as list_of does, as a tuple."""
    several = list_of(check, repeats=repeats)
    return lambda value: several(value) if isinstance(value, list) else (check(value),)


def table(
    raw: Any,
    checks: dict[str, Check],
    required: tuple[str, ...] = (),
    build: Callable[[dict[str, Any]], Any] = dict,
    elsewhere: tuple[str, Iterable[str]] = ("", ()),
) -> Any:
    """Return build of a table's checked values. Raises Invalid with every problem in it.

    elsewhere: another table, and its keys: whoever writes one of those here is told of it.
    """
    if not isinstance(raw, dict):
        raise fail(f"expected a table, got {shown(raw)}")
    values: dict[str, Any] = {}

    def take(key: str) -> None:
        if key not in checks and key in elsewhere[1]:
            raise fail(f"unknown key {quoted(key)}: it is one of {elsewhere[0]}")
        if key not in checks:
            raise unknown(key, checks, "key ")
        values[key] = checks[key](raw[key])

    problems: list[Problem] = [((key,), "expected a value, got none") for key in required if key not in raw]
    try:
        each((key, partial(take, key)) for key in raw)
    except Invalid as invalid:
        problems += invalid.problems
    if problems:
        raise Invalid(*problems)
    return build(values)
