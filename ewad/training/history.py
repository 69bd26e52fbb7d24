"""The history that models are trained on: every stream's samples on disk, read one stream at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ewad.errors import SourceError
from ewad.ingest.files import FileOptions, read
from ewad.ingest.files.spool import Spool
from ewad.kernels.memory import Floats


class TrainingHistory(Mapping[str, tuple[Floats, Floats]]):
    """Stream -> its times and values in order of time; a name may continue from file to file.

    summaries: the lines that tell how each file was read. To be closed: the samples lie in temporary files.
    """

    def __init__(self, paths: Sequence[Path], options: FileOptions | None = None) -> None:
        self.summaries: list[str] = []
        self._numbers: dict[str, int] = {}
        self._spool = Spool()
        try:
            for path in paths:
                self._take(path, options)
        except BaseException:
            self.close()
            raise

    def _take(self, path: Path, options: FileOptions | None) -> None:
        with read(path, options, certain=True) as file:
            self.summaries += file.summary()
            if file.layout == "messages":
                raise SourceError(f"{path}: expected columns of numbers to train on, got recorded messages")
            for chunk in file:
                numbers = [self._numbers.setdefault(name, len(self._numbers)) for name in file.names]
                self._spool.add(np.array(numbers)[chunk.stream], chunk.time, chunk.value)

    def lengths(self) -> list[int]:
        """Return how many samples each stream has."""
        counts = self._spool.counts.tolist()
        return [*counts, *[0] * (len(self._numbers) - len(counts))]

    def __getitem__(self, name: str) -> tuple[Floats, Floats]:
        number, place = self._numbers[name], 0
        times, values = np.empty((2, int(self._spool.counts[number])))
        for piece in self._spool.pieces(number):
            times[place : place + len(piece)], values[place : place + len(piece)] = (
                piece["time"],
                piece["value"],
            )
            place += len(piece)
        if (np.diff(times) < 0.0).any():
            order = np.argsort(times, kind="stable")
            return times[order], values[order]
        return times, values

    def __iter__(self) -> Iterator[str]:
        counts = self._spool.counts
        return (name for name, n in self._numbers.items() if n < len(counts) and counts[n])

    def __len__(self) -> int:
        return int(np.count_nonzero(self._spool.counts))

    def __enter__(self) -> TrainingHistory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the samples."""
        self._spool.close()
