"""Findings of what is wrong with a raw document, each with its path; checks of a table as a whole."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from ewad.config.syntax import quoted

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
Check = Callable[[Any], Any]
T = TypeVar("T")


LISTED = 20  # names that a message lists beside the nearest of them


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
    guess = nearest(name, names)
    if guess and len(names) > LISTED:
        return fail(f"unknown {what}{quoted(name)}{guess}")
    return fail(f"unknown {what}{quoted(name)}{guess or ';'} known: {', '.join(names) or 'none'}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean "..."?' of the known name that is the nearest, or "" where none is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean {quoted(near[0])}?" if near else ""


def table(
    raw: Any,
    checks: Mapping[str, Check],
    required: Iterable[str] = (),
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
