"""Tables of names: the entry asked for, or an error that suggests the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


def lookup(table: Mapping[str, Entry], name: str, what: str) -> Entry:
    """Return table[name]. Raises ValueError that names the nearest and all known names."""
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name.lower(), table, n=1)
    guess = f'; did you mean "{near[0]}"?' if near else ";"
    raise ValueError(f'{what}: unknown "{name}"{guess} known: {", ".join(sorted(table)) or "none"}')
