"""Samples of many series on disk as they come, to be read again series by series, in bounded memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE_SAMPLES = 65_536
SAMPLE = np.dtype([("series", np.int64), ("time", np.float64), ("value", np.float64)])

Samples = NDArray[np.void]


class Spool:
    """A file of samples, each with the number of its series. Within a series they stay in their order."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._sorted: Any = None
        self.counts: NDArray[np.int64] = np.zeros(0, np.int64)  # of each series

    def add(self, series: NDArray[Any], time: NDArray[np.float64], value: NDArray[np.float64]) -> None:
        """Append samples, (n,) each; those of NaN are none."""
        known = ~np.isnan(value)
        samples = np.empty(int(known.sum()), SAMPLE)
        samples["series"], samples["time"], samples["value"] = series[known], time[known], value[known]
        counts = np.bincount(samples["series"], minlength=len(self.counts))
        counts[: len(self.counts)] += self.counts
        self.counts = counts
        self._file.write(samples.tobytes())

    def series(self) -> Iterator[tuple[int, Samples]]:
        """Yield each series that has samples: its number, and they."""
        ends = np.cumsum(self.counts)
        for number in np.flatnonzero(self.counts).tolist():
            yield number, self.of(number, int(ends[number]))

    def of(self, number: int, end: int | None = None) -> Samples:
        """Return the samples of a series."""
        end = int(self.counts[: number + 1].sum()) if end is None else end
        return _read(self._together(), end - int(self.counts[number]), int(self.counts[number]))

    def pieces(self, number: int) -> Iterator[Samples]:
        """Yield the samples of a series, PIECE_SAMPLES at a time."""
        end, count = int(self.counts[: number + 1].sum()), int(self.counts[number])
        for start in range(end - count, end, PIECE_SAMPLES):
            yield _read(self._together(), start, min(PIECE_SAMPLES, end - start))

    def close(self) -> None:
        """Let go of the files."""
        self._file.close()
        if self._sorted is not None:
            self._sorted.close()

    def _together(self) -> Any:
        """Return the file of all samples, series by series: sorted by counting, from one file to another."""
        if self._sorted is None:
            self._file.flush()
            self._sorted = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
            places = np.cumsum(self.counts) - self.counts
            total = int(self.counts.sum())
            for start in range(0, total, PIECE_SAMPLES):
                piece = _read(self._file, start, min(PIECE_SAMPLES, total - start))
                piece = piece[np.argsort(piece["series"], kind="stable")]
                numbers, first, n = np.unique(piece["series"], return_index=True, return_counts=True)
                for number, begin, count in zip(numbers.tolist(), first.tolist(), n.tolist(), strict=True):
                    data = piece[begin : begin + count].tobytes()
                    os.pwrite(self._sorted.fileno(), data, int(places[number]) * SAMPLE.itemsize)
                    places[number] += count
        return self._sorted


def _read(file: Any, start: int, count: int) -> Samples:
    """Return so many samples of a file from one on."""
    data = os.pread(file.fileno(), count * SAMPLE.itemsize, start * SAMPLE.itemsize)
    return np.frombuffer(data, SAMPLE)
