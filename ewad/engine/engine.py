"""The engine: batches of samples in, averages and forecasts out, live, replayed or recovered alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.engine import state
from ewad.engine.batch import Batch, Results
from ewad.engine.cut import Cut
from ewad.engine.group import Group, Labels
from ewad.engine.settings import GroupSettings

VALUE_LIMIT = 1e150  # squares of values must not overflow
REFUSED = -1


class Engine:
    """All groups of streams. It has no clock and does no I/O: its state depends on its samples alone.

    Chunk invariance: a sequence of samples gives the same state, to rounding, in whatever batches it comes.
    """

    def __init__(self, groups: Sequence[GroupSettings], max_streams: int = 100_000) -> None:
        self.groups = [Group(settings) for settings in groups]
        self.max_streams = max_streams
        self.refused = 0

    @property
    def n_streams(self) -> int:
        """The number of streams in all groups."""
        return sum(len(group.streams) for group in self.groups)

    def add_stream(self, group: int, name: str, labels: Labels = ()) -> int:
        """Return the row of the stream in its group, a new one if need be; REFUSED past max_streams."""
        row = self.groups[group].streams.find(name)
        if row is not None:
            return row
        if self.n_streams >= self.max_streams:
            self.refused += 1
            return REFUSED
        return self.groups[group].add_stream(name, labels)

    def observe(self, batch: Batch) -> Results:
        """Take in a batch of one group and return what stood after each of its samples.

        Raises ValueError, with nothing changed, if the arrays do not fit together, a group or stream is
        unknown, a time is not finite or a value not within VALUE_LIMIT.
        """
        if not 0 <= batch.group < len(self.groups):
            raise ValueError(f"batch: expected group 0 to {len(self.groups) - 1}, got {batch.group}")
        group = self.groups[batch.group]
        n = len(batch)
        if not len(batch.time) == len(batch.value) == n:
            raise ValueError(
                f"batch: expected {n} times and values, got {len(batch.time)}, {len(batch.value)}"
            )
        if n and not 0 <= batch.stream.min() <= batch.stream.max() < len(group.streams):
            raise ValueError(f"batch: streams of {group.name} are rows 0 to {len(group.streams) - 1}")
        if not (np.all(np.abs(batch.value) < VALUE_LIMIT) and np.isfinite(batch.time).all()):
            raise ValueError(f"batch: expected finite times, and values within {VALUE_LIMIT:g}")
        return group.observe(batch)

    def dump(self) -> bytes:
        """Return the whole state in a portable form: a zip of .npy arrays and a JSON header."""
        return self.cut().to_bytes()

    def cut(self) -> Cut:
        """Return the whole state as it is now. Its arrays are views: `copy` it before the next batch."""
        return state.cut(self.groups, {"refused": self.refused})

    def load(self, dump: bytes) -> state.Loaded:
        """Put what fits of a dumped state into a new engine; return what became of it.

        If nothing was dropped, continuing is bit-equal to never having stopped. Raises StateError if the dump
        is damaged or of a newer version; the engine is then to be thrown away. Raises ValueError if the
        engine has streams already.
        """
        if self.n_streams:
            raise ValueError(f"engine: expected a new one to load into, got one of {self.n_streams} streams")
        header, loaded = state.load(self.groups, dump)
        self.refused = header["refused"]
        return loaded
