"""Streams whose sender has said that it is gone, until the engine is told."""

from __future__ import annotations

from collections.abc import Iterable

from ewad.engine import Ending


class Endings:
    """Streams that have ended, in the order of messages: a sample that comes after takes its stream out."""

    def __init__(self) -> None:
        self._ended: dict[tuple[int, str], None] = {}  # group, name

    def __bool__(self) -> bool:
        return bool(self._ended)

    def add(self, group: int, names: Iterable[str]) -> None:
        """Note that these streams of a group have ended."""
        self._ended |= dict.fromkeys((group, name) for name in names)

    def go_on(self, group: int, name: str) -> None:
        """Note a sample of a stream."""
        self._ended.pop((group, name), None)

    def take(self, time: float) -> list[Ending]:
        """Return those that ended since the last call, for `Engine.end_streams` once no sample waits."""
        ended, self._ended = self._ended, {}
        names: dict[int, list[str]] = {}
        for group, name in ended:
            names.setdefault(group, []).append(name)
        return [Ending(group, its, time) for group, its in names.items()]
