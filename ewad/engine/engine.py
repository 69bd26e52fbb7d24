"""The engine: batches of samples in, averages and forecasts out, live, replayed or recovered alike."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ewad.engine.batch import Batch, Results
from ewad.engine.cut import Cut
from ewad.engine.group import Group, Labels
from ewad.engine.settings import GroupSettings
from ewad.errors import StateError

DUMP_VERSION = 1
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
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        header: dict[str, Any] = {"format": "ewad-engine", "version": DUMP_VERSION, "refused": self.refused}
        header["groups"] = []
        for i, group in enumerate(self.groups):
            header["groups"].append(
                {
                    "name": group.name,
                    "layout": group.settings.layout,
                    "streams": list(zip(group.streams.names, group.streams.labels, strict=True)),
                    "out_of_order": group.out_of_order,
                }
            )
            for part, (owner, n_rows) in group.parts().items():
                for name, array in owner.rows(n_rows).items():
                    arrays[f"{i}/{part}/{name}"] = array
        return Cut(header, arrays)

    def load(self, dump: bytes) -> None:
        """Put a dumped state into a new engine; continuing from it is bit-equal to never having stopped.

        Raises StateError if the dump is damaged, of a newer version, or of differently set groups; the
        engine is then to be thrown away. Raises ValueError if the engine has streams already.
        """
        if self.n_streams:
            raise ValueError(f"engine: expected a new one to load into, got one of {self.n_streams} streams")
        try:
            with np.load(io.BytesIO(dump), allow_pickle=False) as arrays:
                header = json.loads(arrays["header"].tobytes())
                self._load(header, arrays)
        except StateError:
            raise
        except Exception as error:  # whatever zip, numpy or JSON say of damaged bytes
            raise StateError(f"state: expected a dump of this configuration, got {error}") from error

    def _load(self, header: dict[str, Any], arrays: Any) -> None:
        if header["format"] != "ewad-engine" or header["version"] > DUMP_VERSION:
            raise StateError(
                f"state: expected ewad-engine up to version {DUMP_VERSION}, "
                f"got {header['format']} version {header['version']}"
            )
        names = [entry["name"] for entry in header["groups"]]
        if names != [group.name for group in self.groups]:
            raise StateError(f"state: expected groups {[g.name for g in self.groups]}, got {names}")
        self.refused = header["refused"]
        for i, (group, entry) in enumerate(zip(self.groups, header["groups"], strict=True)):
            if entry["layout"] != group.settings.layout:
                raise StateError(
                    f"state: group {group.name}: expected a state of {', '.join(group.settings.layout)}, "
                    f"got one of {', '.join(entry['layout'])}"
                )
            group.out_of_order = entry["out_of_order"]
            for name, labels in entry["streams"]:
                group.add_stream(name, tuple((key, value) for key, value in labels))
            for part, (owner, _) in group.parts().items():
                owner.set_rows({name: arrays[f"{i}/{part}/{name}"] for name in owner.rows(0)})
