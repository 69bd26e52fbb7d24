"""How good forecasts turned out to be: sums of their errors, from which any later part can be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.memory import Floats, Integers
from ewad.kernels.scores import ScoresKernel
from ewad.numeric.grid import Grid
from ewad.numeric.rows import RowState

# A stream's samples are summed in at most so many blocks: the part that is scored begins where one does, so
# that it is chosen to 1 / 64 of the samples or better, in bounded memory.
BLOCKS = 128
# Local coverage is that of windows of so many intervals in a row; a window is well covered within so much of
# what was asked for, see the kernel.
WINDOW = 100
LOCALLY = 0.1 + 1e-9

# What is summed of each sample and horizon.
SUMS = (
    "scored",  # forecasts with a value
    "squared",  # their errors
    "absolute",
    "step",  # how far the value was from the one before
    "persistence",  # squared errors of the last value
    "beside",  # squared errors where there was a seasonal one as well
    "seasonal",  # its squared errors
    "covered",  # intervals with a value
    "inside",
    "width",
    "winkler",
    "windows",  # of 100 intervals in a row
    "local",  # of them, those whose coverage is within .1 of what was asked for
)


@dataclass(frozen=True, eq=False)
class Score:
    """Of one part of each stream, (n_streams, n_horizons) each; NaN where there is none.

    mase: the mean absolute error in mean absolute changes from a sample to the next, over the same samples.
    skill: 1 - MSE / MSE of persistence; seasonal_skill: of the seasonal naive forecast, over the samples
    that it has one for.  winkler: the mean score of intervals (Winkler 1972): the width, and what a value
    outside is away, 2 / (1 - coverage) times.  local_coverage: of windows of 100 intervals in a row, the
    share whose coverage is within .1 of what was asked for; worst_coverage: the least of any.
    first: (n_streams,) the number of the first sample scored, from 0.
    """

    scored: Floats
    mse: Floats
    mae: Floats
    mase: Floats
    skill: Floats
    seasonal_skill: Floats
    coverage: Floats
    width: Floats
    winkler: Floats
    local_coverage: Floats
    worst_coverage: Floats
    first: Integers


class Scores(RowState):
    """Forecasts held against what came, block by block of each stream's samples.

    count: (n_streams,) samples so far.  position: those of them since the last gap.  size: of a block.
    sums: (n_streams, BLOCKS, n_horizons, len(SUMS)).  worst: (n_streams, BLOCKS, n_horizons) the least
    coverage of a window.  window: (n_streams, n_horizons, 2) intervals of the one that is being filled, and
    those that held their value.  history: the last values.  pending: (n_streams, sum of
    horizons, 3) forecasts and their ends, for each horizon h in h places by turns.
    """

    count: NDArray[np.int64]
    position: NDArray[np.int64]
    size: NDArray[np.int64]
    sums: Floats
    history: Floats
    pending: Floats
    window: Floats
    worst: Floats

    def __init__(
        self, horizons: Sequence[int], season: int | None, n_streams: int = 0, coverage: float | None = None
    ) -> None:
        """season: in samples, of the seasonal naive forecast; None: there is none.  coverage: that of
        intervals.
        """
        super().__init__(n_streams)
        self.horizons = horizons
        self.season = season
        # the naive forecast repeats the last season that is known when it is made
        ago = tuple(0 if season is None else season * -(-horizon // season) for horizon in horizons)
        depth = max(*horizons, *ago)
        for name in ("count", "position"):
            self.add_rows(name, dtype=np.int64)
        self.add_rows("size", dtype=np.int64, fill=1)
        self.add_rows("sums", BLOCKS, len(horizons), len(SUMS))
        self.add_rows("history", depth)
        self.add_rows("pending", sum(horizons), 3, fill=np.nan)
        self.add_rows("window", len(horizons), 2)
        self.add_rows("worst", BLOCKS, len(horizons), fill=1.0)
        self.step = ScoresKernel(tuple(horizons), ago, depth, coverage or 0.0)
        self.work_with(self.step)

    def update(
        self, stream: NDArray[np.int32], value: Floats, made: Floats, restart: NDArray[np.bool_]
    ) -> None:
        """Take in samples, in their order.

        stream: (n,) rows.  value: (n,).  made: (n, n_horizons, 3) forecast, lower and upper end made right
        after each; NaN where there is none.  restart: (n,) whether a gap lies before the sample: nothing is
        scored across it.
        """
        self.step.take_all(stream, value, made, restart)

    def update_on_grid(
        self, grid: Grid, stream: NDArray[np.int32], time: Floats, value: Floats, made: Floats
    ) -> None:
        """Take in the intervals that samples close; as `update`, and time: (n,)."""
        self.step.take_on_grid(grid.step, stream, time, value, made)

    def score(self, share: float) -> Score:
        """Return the scores of each stream without about the first `share` of its samples, in [0, 1)."""
        begin = np.ceil(share * self.count / self.size)
        later = np.arange(BLOCKS) >= begin[:, None]
        parts = np.where(later[:, :, None, None], self.sums, 0.0).sum(axis=1)
        worst = np.where(later[:, :, None], self.worst, 1.0).min(axis=1)
        sums = {name: parts[:, :, i] for i, name in enumerate(SUMS)}
        with np.errstate(divide="ignore", invalid="ignore"):
            return Score(
                scored=sums["scored"],
                mse=sums["squared"] / sums["scored"],
                mae=sums["absolute"] / sums["scored"],
                mase=_ratio(sums["absolute"], sums["step"]),
                skill=1.0 - _ratio(sums["squared"], sums["persistence"]),
                seasonal_skill=1.0 - _ratio(sums["beside"], sums["seasonal"]),
                coverage=sums["inside"] / sums["covered"],
                width=sums["width"] / sums["covered"],
                winkler=sums["winkler"] / sums["covered"],
                local_coverage=sums["local"] / sums["windows"],
                worst_coverage=np.where(sums["windows"] > 0.0, worst, np.nan),
                first=(begin * self.size).astype(np.int64),
            )


def _ratio(a: Floats, b: Floats) -> Floats:
    """Return a / b, NaN where b is not positive."""
    return np.where(b > 0.0, a / b, np.nan)
