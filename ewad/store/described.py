"""Which blocks of streams a state file holds, as the file itself says: to read it without a configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from ewad.engine import ByCount, ByTime, GroupSettings, Held
from ewad.errors import StateError
from ewad.numeric.averages import Decay
from ewad.store.log import DamagedError, header_of
from ewad.store.reading import is_old, open_log

DECAYS: dict[str, Callable[[float], Decay]] = {kind.__name__: kind for kind in (ByCount, ByTime, Held)}
DECAY = re.compile(r"(\w+)\(\w+=([^,()]+)\)")  # such as ByCount(beta=0.9), how a dump names an average


def described(path: Path) -> tuple[GroupSettings, ...]:
    """Return the blocks of the newest good snapshot: names, topics and averages. Models are left out.

    A block whose values lie on a circle, or that accepts samples out of order, does not say so: what the
    journal holds of it since the snapshot is then taken as of any other. Raises StateError.
    """
    path = path.resolve()
    if is_old(path):
        raise StateError(f"{path}: made by ewad 0.1: its configuration is needed, with -c FILE")
    with closing(open_log(path)) as log:
        for snapshot in log.snapshots:
            try:
                entries: Any = header_of(log.manifest(snapshot))["groups"]
                return tuple(_block(entry) for entry in entries)
            except (DamagedError, msgspec.MsgspecError, ValueError, TypeError, LookupError):
                continue  # `recovery.read` tells of it
    return ()


def _block(entry: Mapping[str, Any]) -> GroupSettings:
    decays = tuple(_decay(meaning) for kind, meaning in entry["parts"] if kind == "average")
    return GroupSettings(entry["name"], decays, topics=tuple(entry["topics"]))


def _decay(meaning: str) -> Decay:
    kind, number = DECAY.findall(meaning)[0]
    return DECAYS[kind](float(number))
