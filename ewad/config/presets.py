"""Presets: what families of devices send, as TOML files of [[stream]] blocks in ewad/presets; no code."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from ewad.config import checks

FOLDER = "presets"
OF_TIMES = ("time_format", "time_zone")
# What says where the values are in a payload, and what a value means there.
OF_PAYLOADS = (
    "format",
    "columns",
    "delimiter",
    "field",
    "fields",
    "exclude",
    "labels",
    "records",
    "time_field",
)
OF_VALUES = (
    "states",
    "texts",
    "decimal",
    "strip_unit",
    "valid",
    "ignore",
    "kind",
    "per",
    "period",
    "unit",
    "scale",
    "offset",
)


@cache
def names() -> tuple[str, ...]:
    """Return the names of all presets."""
    files = resources.files("ewad").joinpath(FOLDER).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def text(name: str) -> str:
    """Return the file of a preset."""
    return resources.files("ewad").joinpath(FOLDER, f"{name}.toml").read_text(encoding="utf-8")


@cache
def _document(name: str) -> dict[str, Any]:
    return tomllib.loads(text(name))


def blocks(name: str) -> list[dict[str, Any]]:
    """Return the [[stream]] blocks of a preset as raw tables; the name of each is one below the preset's."""
    return [dict(block) for block in _document(name)["stream"]]


def applied(raw: Any) -> list[Any]:
    """Return the raw blocks that a raw block comes to: its preset's, with its own keys above theirs."""
    if not isinstance(raw, dict) or "preset" not in raw:
        return [raw]
    own = {key: value for key, value in raw.items() if key != "preset"}
    name = raw["preset"]
    if not isinstance(name, str) or name not in names():
        found = checks.unknown(str(name), names(), "preset ")
        raise checks.Invalid(*found.below("preset"))
    given = own.pop("name", name)
    theirs = blocks(name)
    merged = []
    for block in theirs:
        part = block.pop("name", "")
        merged.append(block | _of_block(own, block, theirs) | {"name": f"{given}.{part}" if part else given})
    return merged


def _of_block(own: dict[str, Any], block: dict[str, Any], others: list[dict[str, Any]]) -> dict[str, Any]:
    """Return which of a block's own keys count for one block of its preset. others: all blocks of it.

    How payloads are read counts for its measurements alone: neither for whether a device is there, nor for
    blocks that read some fields beside one that takes each number. How times are read counts where the
    preset reads times. If it does so nowhere, the key is a mistake: told.
    """
    measured = [each for each in others if each.get("kind") != "state"]
    documents = [each for each in measured if "field" in each]
    every = [each for each in documents if isinstance(each["field"], str) and each["field"].endswith("*")]
    left_out: tuple[str, ...] = () if block in measured else OF_VALUES
    left_out += () if block in (every or documents or measured) else OF_PAYLOADS
    counting = {key: value for key, value in own.items() if key not in left_out}
    if "time_field" in block | counting or not any("time_field" in other for other in others):
        return counting
    return {key: value for key, value in counting.items() if key not in OF_TIMES}
