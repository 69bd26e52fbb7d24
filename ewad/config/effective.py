"""The effective settings as text in the form of the configuration file, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ewad.config.document import SECTIONS, told
from ewad.config.settings import Settings


def effective(settings: Settings) -> str:
    """Return every setting in force, defaults included, as TOML that `load` reads back."""
    return "\n".join(_sections(settings))


def _sections(settings: Settings) -> Iterator[str]:
    for key, section in SECTIONS.items():
        table, found = section.table, told(settings, key)
        if isinstance(found, dict):
            for name, record in found.items():
                yield _section(table.title.replace("NAME", toml_key(name)), table.written(record))
        else:
            records = found if isinstance(found, tuple) else () if found is None else (found,)
            yield from (_section(table.title, table.written(record)) for record in records)


def _section(title: str, keys: Iterable[tuple[str, Any]]) -> str:
    return "".join([f"{title}\n", *(f"{key} = {toml(value)}\n" for key, value in keys)])


def toml(value: Any) -> str:
    """Return a raw value as TOML, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def toml_key(name: str) -> str:
    """Return a key as TOML, in quotes where it needs them."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else toml(name)
