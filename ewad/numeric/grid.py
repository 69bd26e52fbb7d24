"""The rows of regular grids, each stream's open interval: see `ewad.kernels.grid`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ewad.kernels.grid import GridKernel
from ewad.kernels.memory import Booleans, Floats, Integers
from ewad.numeric.rows import RowState


@dataclass(frozen=True, slots=True)
class Closed:
    """The intervals that samples have closed, held ones among them, in order of arrival: (m,) each.

    stream: whose they are.  time: when they began.  value: of each.  restart: whether a gap lies before it.
    sample: the place of the sample that closed it.
    fresh: (n,) for each sample, whether the interval that is open after it follows a gap.
    """

    stream: Integers
    time: Floats
    value: Floats
    restart: Booleans
    sample: Integers
    fresh: Booleans


class Grid(RowState):
    """The open interval of every stream; see `GridKernel`."""

    interval: Floats
    total: Floats
    samples: Integers
    restart: Booleans

    def __init__(
        self, every_seconds: float, resample: Literal["mean", "last"], max_gap_seconds: float
    ) -> None:
        """max_gap_seconds: empty intervals of together more than that are not held."""
        super().__init__()
        self.every_seconds = every_seconds
        self.resample = resample
        self.max_gap_seconds = max_gap_seconds
        self.add_rows("interval")
        self.add_rows("total")
        self.add_rows("samples", dtype=np.int64)
        self.add_rows("restart", dtype=np.bool_)
        self.step = GridKernel(every_seconds, resample == "mean", max_gap_seconds)
        self.work_with(self.step)

    def update(self, stream: Integers, time: Floats, value: Floats) -> Closed:
        """Return the intervals that these samples close.

        stream: (n,) rows.  time: (n,) never going back within a stream.  value: (n,).
        """
        whose, began, values, restart, sample, fresh = [], [], [], [], [], []
        rows = zip(stream.tolist(), time.tolist(), value.tolist(), strict=True)
        for i, (row, now, x) in enumerate(rows):
            closed, first, held, anew, is_fresh = self.step.close(row, now, x)
            fresh.append(is_fresh)
            for k in range(closed):
                whose.append(row)
                began.append(first + k * self.every_seconds)
                values.append(held)
                restart.append(anew and k == 0)
                sample.append(i)
        return Closed(
            np.array(whose, dtype=np.int64),
            np.array(began),
            np.array(values),
            np.array(restart, dtype=np.bool_),
            np.array(sample, dtype=np.int64),
            np.array(fresh, dtype=np.bool_),
        )

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Let the open interval of each stream be the one in which its last sample lies now."""
        self.interval[...] = np.floor(newest / self.every_seconds)
