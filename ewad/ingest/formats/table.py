"""The formats that a block may name, each by its file."""

from __future__ import annotations

from importlib import import_module

from ewad.config import formats
from ewad.ingest.formats.point import Format


def _loaded(module: str) -> Format:
    found = import_module(f"{__package__}.{module}").FORMAT
    if not isinstance(found, Format):
        raise TypeError(f"{__package__}.{module}.FORMAT: expected a Format, got {type(found).__name__}")
    return found


FORMATS = {name: _loaded(entry.module) for name, entry in formats.FORMATS.items()}
