"""The last rows of a replay's results, of the first streams: what a picture of them shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.engine.settings import GroupSettings
from ewad.kernels.memory import Floats
from ewad.outputs.files.intervals import Intervals
from ewad.outputs.files.rows import Table

Key = tuple[int, str]  # the index of a group, and a stream's name there


class LastRows:
    """The last `points` rows of the first `streams` streams; of a model on a grid its intervals instead.

    total: how many rows each stream that is kept has had.  omitted: the streams that are not kept.
    """

    def __init__(self, groups: Sequence[GroupSettings], streams: int, points: int) -> None:
        self.total: dict[Key, int] = {}
        self.omitted: set[Key] = set()
        self._groups = groups
        self._streams = streams
        self._points = points
        self._tables: dict[Key, list[Table]] = {}
        self._intervals: dict[Key, Intervals] = {}

    def write(self, table: Table) -> None:
        """Keep the last rows of the first streams."""
        for key in dict.fromkeys(zip(table["group"].tolist(), table["stream"], strict=True)):
            if key in self._tables or len(self._tables) < self._streams:
                self._keep(key, table)
            else:
                self.omitted.add(key)

    def columns(self, key: Key) -> dict[str, Floats]:
        """Return the last rows of a stream that is kept."""
        parts = self._tables[key]
        return {name: np.concatenate([part[name] for part in parts])[-self._points :] for name in parts[0]}

    def clear(self) -> None:
        """Keep nothing of what came."""
        self._tables.clear()

    def _keep(self, key: Key, table: Table) -> None:
        group, name = key
        mine = (table["group"] == group) & (table["stream"] == name)
        part = {column: values[mine] for column, values in table.items() if column != "stream"}
        model = self._groups[group].model
        if model is not None and model.every_seconds is not None:
            part = self._intervals.setdefault(key, Intervals(model)).take(part)
        self.total[key] = self.total.get(key, 0) + len(part["time"])
        kept = self._tables.setdefault(key, [])
        kept.append(part)
        while sum(len(part["time"]) for part in kept[1:]) >= self._points:
            del kept[0]
