"""How good forecasts turned out to be: sums of their errors, from which any later part can be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.pending import Due, Pending
from ewad.numeric.recurrence import Floats, Integers, Runs
from ewad.numeric.rows import RowState
from ewad.numeric.windows import Windows, positions

# A stream's samples are summed in at most so many blocks: the part that is scored begins where one does, so
# that it is chosen to 1 / 64 of the samples or better, in bounded memory.
BLOCKS = 128

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
)


@dataclass(frozen=True, eq=False)
class Score:
    """Of one part of each stream, (n_streams, n_horizons) each; NaN where there is none.

    mase: the mean absolute error in mean absolute changes from a sample to the next, over the same samples.
    skill: 1 - MSE / MSE of persistence; seasonal_skill: of the seasonal naive forecast, over the samples
    that it has one for.  first: (n_streams,) the number of the first sample scored, from 0.
    """

    scored: Floats
    mse: Floats
    mae: Floats
    mase: Floats
    skill: Floats
    seasonal_skill: Floats
    coverage: Floats
    width: Floats
    first: Integers


class Scores(RowState):
    """Forecasts held against what came, block by block of each stream's samples.

    count: (n_streams,) samples so far.  position: those of them since the last gap.  size: of a block.
    sums: (n_streams, BLOCKS, n_horizons, len(SUMS)).  history: the last values.
    """

    count: NDArray[np.int64]
    position: NDArray[np.int64]
    size: NDArray[np.int64]
    sums: Floats
    history: Floats

    def __init__(self, horizons: Sequence[int], season: int | None, n_streams: int = 0) -> None:
        """season: in samples, of the seasonal naive forecast; None: there is none."""
        super().__init__(n_streams)
        self.horizons = horizons
        self.season = season
        # the naive forecast repeats the last season that is known when it is made
        self._ago = [0 if season is None else season * -(-horizon // season) for horizon in horizons]
        self.pending = Pending(horizons, 3, n_streams)  # forecast, lower, upper
        for name in ("count", "position"):
            self.add_rows(name, dtype=np.int64)
        self.add_rows("size", dtype=np.int64, fill=1)
        self.add_rows("sums", BLOCKS, len(horizons), len(SUMS))
        self.add_rows("history", max(*horizons, *self._ago))

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows streams."""
        super().grow(n_rows)
        self.pending.grow(n_rows)

    def update(self, runs: Runs, value: Floats, made: Floats, restart: NDArray[np.bool_] | None) -> None:
        """Take in sorted samples.

        value: (n,).  made: (n, n_horizons, 3) forecast, lower and upper end made right after each; NaN where
        there is none.  restart: (n,) whether a gap lies before the sample: nothing is scored across it.
        """
        rows = runs.series
        number = runs.spread(self.count[rows]) + runs.rank
        position = positions(self.position[rows], runs, restart)
        due = Due(self.horizons, runs, number, position)
        came = self.pending.exchange(due, made)
        windows = Windows.of(self.history[rows], runs, value)
        self._add(runs, number, self._terms(windows, position, value, came))
        windows.keep(self.history, runs)
        self.count[rows] += runs.length
        self.position[rows] = position[runs.end] + 1

    def _terms(self, windows: Windows, position: Integers, value: Floats, came: Floats) -> Floats:
        """Return what each sample adds to SUMS, (n, n_horizons, len(SUMS)).  came: (n, n_horizons, 3)."""
        terms = np.zeros((*came.shape[:2], len(SUMS)))
        error, room = value[:, None] - came[:, :, 0], came[:, :, 2] - came[:, :, 1]
        below, above = value[:, None] >= came[:, :, 1], value[:, None] <= came[:, :, 2]
        known, covered = ~np.isnan(error), ~np.isnan(room)
        step = np.abs(value - windows.back(1))
        for i, (horizon, ago) in enumerate(zip(self.horizons, self._ago, strict=True)):
            naive = known[:, i] & (position >= ago) if ago else np.zeros(len(value), dtype=np.bool_)
            last, same = value - windows.back(horizon), value - windows.back(ago)
            squared = error[:, i] ** 2
            of_known = (np.ones_like(step), squared, np.abs(error[:, i]), step, last**2)
            of_naive, of_covered = (
                (squared, same**2),
                (np.ones_like(step), below[:, i] & above[:, i], room[:, i]),
            )
            kinds = ((known[:, i], of_known), (naive, of_naive), (covered[:, i], of_covered))
            columns = [np.where(where, what, 0.0) for where, several in kinds for what in several]
            terms[:, i] = np.column_stack(columns)
        return terms

    def _add(self, runs: Runs, number: Integers, terms: Floats) -> None:
        """Add terms to the blocks that their samples fall into, making blocks longer where they run out."""
        rows = runs.series
        while len(full := rows[number[runs.end] >= BLOCKS * self.size[rows]]):
            self.sums[full, : BLOCKS // 2] = self.sums[full, ::2] + self.sums[full, 1::2]
            self.sums[full, BLOCKS // 2 :] = 0.0
            self.size[full] *= 2
        block = number // runs.spread(self.size[rows])
        begins = np.ones(len(block), dtype=np.bool_)
        begins[1:] = (block[1:] != block[:-1]) | (runs.rank[1:] == 0)
        first = np.flatnonzero(begins)
        self.sums[rows[runs.run[first]], block[first]] += np.add.reduceat(terms, first)

    def score(self, share: float) -> Score:
        """Return the scores of each stream without about the first `share` of its samples, in [0, 1)."""
        begin = np.ceil(share * self.count / self.size)
        later = np.arange(BLOCKS) >= begin[:, None]
        parts = np.where(later[:, :, None, None], self.sums, 0.0).sum(axis=1)
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
                first=(begin * self.size).astype(np.int64),
            )


def _ratio(a: Floats, b: Floats) -> Floats:
    """Return a / b, NaN where b is not positive."""
    return np.where(b > 0.0, a / b, np.nan)
