"""Overrides by environment: EWAD_MQTT__URL, EWAD_STREAM__0__TOPIC, EWAD_MODEL__OUTDOOR__LAGS."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ewad.config.checks import Check, Invalid, Path, fail, unknown
from ewad.config.document import SECTIONS
from ewad.config.syntax import quoted

PREFIX = "EWAD_"
SEPARATOR = "__"


@dataclass(frozen=True, slots=True)
class Override:
    """One variable, and the value that it puts at its place in the document."""

    variable: str
    text: str

    def applied(self, raw: dict[str, Any]) -> tuple[dict[str, Any], Path]:
        """Return raw with the value in its place, and that place; raw itself stays. Raises Invalid."""
        steps = self.variable.removeprefix(PREFIX).split(SEPARATOR)
        document, path = self._placed(raw, steps, ())
        return document, path

    def _placed(self, node: Any, steps: list[str], path: Path) -> tuple[Any, Path]:
        if not steps:
            return _value(self.text, _check_at(path)), path
        if path == ("stream",) or isinstance(node, list):
            return self._placed_in_list(node or [], steps, path)
        if not isinstance(node, dict | None):
            raise fail(f"expected no {quoted(steps[0])} below a single value")
        table = dict(node or {})
        # variables are upper case by custom: a key is found whatever its case
        key = next((key for key in table if key.lower() == steps[0].lower()), steps[0].lower())
        known = _known_keys(path)
        if known is not None and key not in known:
            raise unknown(key, known, "key ")
        table[key], place = self._placed(table.get(key), steps[1:], (*path, key))
        return table, place

    def _placed_in_list(self, node: Any, steps: list[str], path: Path) -> tuple[Any, Path]:
        items = list(node) if isinstance(node, list) else [node]
        if not (steps[0].isascii() and steps[0].isdecimal()) or int(steps[0][:9]) > len(items):
            raise fail(f"expected an index in 0..{len(items)}, got {quoted(steps[0])}")
        index = int(steps[0])
        item, place = self._placed(items[index] if index < len(items) else None, steps[1:], (*path, index))
        items[index : index + 1] = [item]
        return items, place


def overrides(environ: Mapping[str, str]) -> Iterator[Override]:
    """Yield the overrides in environ, list indexes in ascending order."""
    names = (name for name in environ if name.startswith(PREFIX) and SEPARATOR in name)
    for name in sorted(names, key=lambda name: [(len(step), step) for step in name.split(SEPARATOR)]):
        yield Override(name, environ[name])


def _known_keys(path: Path) -> Mapping[str, object] | None:
    """Return the keys of the table at path; None where any name may stand."""
    if not path:
        return SECTIONS
    table = SECTIONS[str(path[0])].table
    return table.kinds if len(path) == table.depth else None


def _check_at(path: Path) -> Check | None:
    table = SECTIONS[str(path[0])].table
    return table.kinds.get(str(path[-1])) if len(path) == table.depth + 1 else None


def _value(text: str, check: Check | None) -> Any:
    """Return text read as a TOML value; text itself if it is none, or if only text fits the key."""
    try:
        value = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    if set(value) != {"value"}:  # a line break let further keys in
        return text
    if check is None or _takes(check, value["value"]) or not _takes(check, text):
        return value["value"]
    return text


def _takes(check: Check, value: Any) -> bool:
    try:
        check(value)
    except Invalid:
        return False
    return True
