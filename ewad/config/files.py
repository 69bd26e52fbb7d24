"""Files that the configuration names: whether they can be read, and the secrets in them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from ewad.config import checks
from ewad.config.checks import fail


def readable(base: pathlib.Path, name: str) -> pathlib.Path:
    """Return the path of a file below base. Raises Invalid if it can't be read."""
    path = base / name
    try:
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:
        raise fail(f"expected a readable file, got {path}: {reason(error)}") from error


def resolve(values: dict[str, Any], base: pathlib.Path) -> None:
    """Replace each *_file in values by its path below base. Raises Invalid naming all that can't be read."""
    files = [(key, partial(readable, base, values[key])) for key in values if key.endswith("_file")]
    for (key, _), path in zip(files, checks.each(files), strict=True):
        values[key] = str(path)


def credential(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the path of a credential that systemd handed over, None if there is none of this name.

    Raises Invalid where that can't be told.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    path = pathlib.Path(directory or "", name)
    try:
        return str(path) if directory and path.is_file() else None
    except OSError as error:  # a folder of another user
        raise fail(f"can't read $CREDENTIALS_DIRECTORY: {path}: {reason(error)}") from error


def content(file: str, key: str) -> str:
    """Return the text of a file. Raises Invalid at key, which doesn't show it."""
    try:
        return pathlib.Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"can't read {file}: {reason(error)}", key) from error


def reason(error: Exception) -> str:
    """Return why a file can't be read, without its name."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
