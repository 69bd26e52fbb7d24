"""Samples in any order -> in order of time, in bounded memory: sorted runs on disk, merged."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RUN_SAMPLES = 1_000_000  # 20 MB; what fits into one run never sees the disk
PIECE_SAMPLES = 65_536
SAMPLE = np.dtype([("time", np.float64), ("stream", np.int32), ("value", np.float64)])

Samples = NDArray[np.void]


class Chunk(NamedTuple):
    """Samples: Unix seconds, index into the file's names, finite value; each (n,)."""

    time: NDArray[np.float64]
    stream: NDArray[np.int32]
    value: NDArray[np.float64]


def in_order(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the samples in order of time; those of one time as they came."""
    with contextlib.ExitStack() as stack:
        runs: list[Path] = []
        folder: Path | None = None
        last: Samples = np.zeros(0, SAMPLE)
        for run in _runs(chunks):
            if len(last):
                folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ewad-sort-")))
                runs.append(_kept(last, folder, len(runs)))
            last = run
        if folder is None:
            yield from _chunks(last)
            return
        runs.append(_kept(last, folder, len(runs)))
        del last
        for merged in _merged([_Run(np.load(path, mmap_mode="r")) for path in runs]):
            yield from _chunks(merged)


def _runs(chunks: Iterable[Chunk]) -> Iterator[Samples]:
    """Yield sorted runs of about RUN_SAMPLES."""
    parts: list[Samples] = []
    for chunk in chunks:
        part = np.empty(len(chunk.time), SAMPLE)
        part["time"], part["stream"], part["value"] = chunk
        parts.append(part)
        if sum(map(len, parts)) >= RUN_SAMPLES:
            yield _sorted(np.concatenate(parts))
            parts = []
    if parts:
        yield _sorted(np.concatenate(parts))


def _sorted(samples: Samples) -> Samples:
    return samples[np.argsort(samples["time"], kind="stable")]


def _kept(run: Samples, folder: Path, number: int) -> Path:
    path = folder / f"{number}.npy"
    np.save(path, run)
    return path


def _chunks(samples: Samples) -> Iterator[Chunk]:
    for start in range(0, len(samples), PIECE_SAMPLES):
        piece = samples[start : start + PIECE_SAMPLES]
        yield Chunk(piece["time"].copy(), piece["stream"].copy(), piece["value"].copy())


class _Run:
    """A run on disk, of which a piece is in memory."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._next = 0
        self.piece: Samples = np.zeros(0, SAMPLE)
        self.more()

    def more(self) -> None:
        """Read on."""
        new = np.array(self._samples[self._next : self._next + PIECE_SAMPLES])
        self._next += len(new)
        self.piece = np.concatenate([self.piece, new])

    @property
    def ended(self) -> bool:
        """Whether all of it is in memory or gone."""
        return self._next >= len(self._samples)

    def take(self, before: float) -> Samples:
        """Return the samples before a time, and forget them."""
        n = int(np.searchsorted(self.piece["time"], before, side="left"))
        taken, self.piece = self.piece[:n], self.piece[n:]
        return taken


def _merged(runs: list[_Run]) -> Iterator[Samples]:
    """Yield the samples of sorted runs in order of time; of one time, those of earlier runs first."""
    while any(len(run.piece) for run in runs):
        # beyond the last time of a piece more of its run may lie
        bound = min((run.piece["time"][-1] for run in runs if not run.ended), default=np.inf)
        taken = np.concatenate([run.take(bound) for run in runs])
        if len(taken):
            yield _sorted(taken)
        for run in runs:
            # a piece that ends at the bound can't be told apart from what comes next
            while not run.ended and (not len(run.piece) or run.piece["time"][-1] <= bound):
                run.more()
