"""Streams from one engine to another, with all that is known of them: shards are split and merged so."""

from __future__ import annotations

from collections.abc import Sequence

from ewad.engine.engine import Engine
from ewad.engine.group import Group
from ewad.errors import StateError
from ewad.kernels.memory import Integers


def copy_streams(source: Group, rows: Integers, target: Group) -> None:
    """Add the streams of these rows to a group of the same settings.

    Raises StateError if it has one of them already; the engine is then to be thrown away.
    """
    first = len(target.streams)
    for row in rows.tolist():
        name = source.streams.names[row]
        if target.streams.find(name) is not None:
            raise StateError(f"group {source.name}: expected each stream in one state, got {name} in two")
        target.add_stream(name, source.streams.labels[row])
    for mine, theirs in zip(target.parts(), source.parts(), strict=True):
        for name in () if mine.shared else mine.names:
            getattr(mine.owner, name)[first : mine.n_rows] = getattr(theirs.owner, name)[rows]


def copy_models(source: Group, target: Group) -> None:
    """Let the models that a group's streams share be those of a group of the same settings."""
    for mine, theirs in zip(target.parts(), source.parts(), strict=True):
        if mine.shared:
            mine.put(theirs.arrays())


def has_models(group: Group) -> bool:
    """Whether the streams of a group share models."""
    return any(part.shared for part in group.parts())


def add_counts(sources: Sequence[Engine], target: Engine) -> None:
    """Let the target's counts be those of all sources together."""
    target.refused = target.answered = sum(source.refused for source in sources)
    target.forgotten = sum(source.forgotten for source in sources)
    for index, group in enumerate(target.groups):
        group.out_of_order = sum(source.groups[index].out_of_order for source in sources)
