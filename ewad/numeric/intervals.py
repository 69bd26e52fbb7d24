"""Prediction intervals that keep their coverage whatever the errors do: adaptive conformal inference.

Each side of an interval is as wide as a quantile of the errors, tracked online: it widens by a step when a
value falls outside, and narrows by a small one when not, so that over time the share outside is what was
asked for. While more were inside of late, both narrow faster, and slower while there were less: where one
side is hardly ever missed, as of rain that is often none, the other makes up for it. A value that was
forecast exactly is inside of any interval and tells nothing of widths: it moves none.
Source: Gibbs & Candes 2021; Angelopoulos, Candes & Tibshirani 2023 (quantile tracking, error integration).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.pending import Due, DueOne, Pending
from ewad.numeric.recurrence import Floats, Integers, Runs, advance, previous
from ewad.numeric.robust import NOTHING
from ewad.numeric.rows import RowState

# A value outside widens its side by about this share; over the fourth root of the horizon, since what is
# learnt of a step comes as much later.
STEP = 0.015
# The first steps are larger: one over two horizons and a quarter of the forecasts scored so far.
EAGER = 0.25
# Widths follow the size of about the last 14 errors, times the fourth root of the horizon, since errors
# overlap far ahead: quick enough for noise that comes and goes, or has a season, so that the widths
# themselves, in such sizes, need only move slowly. No error counts as more than so many units: one spike
# would widen intervals for as long; larger errors the widths learn by themselves.
SIZE_MEMORY, ERROR_LIMIT = 14.0, 1.6
# Widths before anything is known: 1.645 deviations, 90 % of a normal distribution.
FIRST_WIDTH = 1.645
# In sizes of the errors: no narrower, no wider than this.
NARROWEST, WIDEST = 1e-3, 1e3
# Coverage is reported, and made up for, over about the last 1 / (1 - 0.995) = 200 scored intervals.
COVERAGE_BETA = 0.995
# A score is held at most this high, and cools by this factor a sample: a scrape sees what came between.
HIGHEST_SCORE, COOLING = 10.0, 0.8
NO_ROOM = 1e-300  # nothing missed is nothing, even by an interval without a width


class ConformalIntervals(RowState):
    """The widths of every stream's intervals, below and above the forecast of each horizon.

    width: (n_streams, n_horizons, 2) in root mean square errors.  square, square_weight: (n_streams,
    n_horizons) what those are made of.  scored: (n_streams, n_horizons) forecasts scored.  inside, weight:
    (n_streams, n_horizons) discounted sums of the intervals that held their value, and of all.  anomaly:
    (n_streams,) the score.
    """

    width: Floats
    square: Floats
    square_weight: Floats
    scored: NDArray[np.int64]
    inside: Floats
    weight: Floats
    anomaly: Floats

    def __init__(self, coverage: float, horizons: Sequence[int], n_streams: int = 0) -> None:
        """coverage: the share of values to fall inside, in (0, 1)."""
        super().__init__(n_streams)
        self._coverage = coverage
        self._outside = (1.0 - coverage) / 2.0  # on each side
        self._horizons = np.array(horizons)
        self._twice = 2.0 * self._horizons
        slowness = self._horizons**0.25
        self._step_size = STEP / slowness
        self._size_beta = 1.0 - 1.0 / (SIZE_MEMORY * slowness)
        n = len(horizons)
        self.pending = Pending(horizons, 2, n_streams)
        self.add_rows("width", n, 2, fill=FIRST_WIDTH)
        self.add_rows("scored", n, dtype=np.int64)
        for name in ("square", "square_weight", "inside", "weight"):
            self.add_rows(name, n)
        self.add_rows("anomaly", fill=np.nan)

    def update(self, runs: Runs, due: Due, error: Floats, unit: Floats) -> Floats:
        """Return the widths around the forecasts after each sorted sample, (n, n_horizons, 2).

        error: (n, n_horizons) value - forecast made for it, 0 where that is but rounding; NaN where there was
        none.  unit: (n, n_horizons) of what order errors may be, such as the scale of the stream times the
        root of the horizon.
        """
        relative = error / unit
        size = (self._size(runs, relative) * unit)[:, :, None]
        given = self.pending.take(due)  # the widths given out for each sample
        if due.lost is not None:
            given[due.lost] = np.nan
        if runs.longest == 1:
            known = ~np.isnan(error + given[:, :, 0])
        else:
            known = ~np.isnan(error) & (~np.isnan(given[:, :, 0]) | (runs.rank[:, None] >= self._horizons))
        step, aim = self._steps(runs, known), self._aims(runs, known)
        step *= np.abs(relative) > NOTHING
        widths = np.empty_like(given)
        sides = np.empty_like(given)  # how far below, how far above
        np.negative(error, out=sides[:, :, 0])
        sides[:, :, 1] = error
        if len(runs.series) == len(self._horizons) == 1:
            self._follow(runs.series.item(), sides, given, known, step, aim, size, widths)
        else:
            for rank, (members, rows) in enumerate(runs.by_rank()):
                if rank:
                    self._hand_over(rank, members, widths, given)
                outside = sides[members] > given[members]  # never of NaN
                width = self._widen(rows, outside, known[members], step[members], aim[members])
                widths[members] = width * size[members]
        self.pending.keep(due, widths)
        self._score(runs, sides, given)
        return widths

    def update_one(self, due: DueOne, error: float, unit: float) -> tuple[float, float]:
        """As `update`, of one sample and one horizon: quicker with numbers. Returns below, above."""
        row = due.row
        relative = error / unit
        size = self._size_one(row, relative) * unit
        sides, given = (-error, error), self.pending.take_one(due)
        known = not (math.isnan(error) or math.isnan(given[0]))
        scored, weight, inside = self.scored.item(row, 0), self.weight.item(row, 0), self.inside.item(row, 0)
        step = (known and abs(relative) > NOTHING) * max(
            self._step_size.item(0), 1.0 / (self._twice.item(0) + EAGER * scored)
        )
        aim = self._outside - (1.0 - COVERAGE_BETA) * self._coverage * weight
        width, self.inside[row, 0] = _widened(
            self.width[row, 0].tolist(), inside, sides, given, known, step, aim
        )
        self.width[row, 0], self.scored[row, 0] = width, scored + known
        self.weight[row, 0] = COVERAGE_BETA * weight + known
        widths = width[0] * size, width[1] * size
        self.pending.forecasts[row, due.place] = widths
        self._score_one(row, *((error, given[1]) if error > 0.0 else (-error, given[0])))
        return widths

    def _follow(
        self,
        row: int,
        sides: Floats,
        given: Floats,
        known: NDArray[np.bool_],
        step: Floats,
        aim: Floats,
        size: Floats,
        widths: Floats,
    ) -> None:
        """Find the widths after each of many samples of one stream, for one horizon: quicker with numbers.

        Writes them to widths, and to given those that this very batch has given out.
        """
        (horizon,) = self._horizons.tolist()
        width, inside = self.width[row, 0].tolist(), self.inside.item(row, 0)
        found: list[list[float]] = []
        had = given[:, 0].tolist()
        columns = (array.reshape(len(sides), -1).tolist() for array in (sides, known, step, aim, size))
        for i, (side, (here,), (by,), (aimed,), (unit,)) in enumerate(zip(*columns, strict=True)):
            if i >= horizon:
                had[i] = found[i - horizon]
            width, inside = _widened(width, inside, side, had[i], here, by, aimed)
            found.append([width[0] * unit, width[1] * unit])
        widths[:, 0], given[:, 0] = found, had
        self.width[row, 0], self.inside[row, 0] = width, inside

    def _size_one(self, row: int, error: float) -> float:
        """As `_size`, of one sample and one horizon."""
        known = not math.isnan(error)
        bounded = min(abs(error), ERROR_LIMIT) if known else 0.0
        beta = self._size_beta.item(0)
        self.square[row, 0] = square = bounded * bounded + beta * self.square.item(row, 0)
        self.square_weight[row, 0] = weight = known + beta * self.square_weight.item(row, 0)
        return math.sqrt(square / weight) if weight > 0.0 else 1.0

    def _score_one(self, row: int, miss: float, room: float) -> None:
        """As `_score`, of one sample."""
        faded = COOLING * self.anomaly.item(row)
        if math.isnan(miss):
            self.anomaly[row] = faded
            return
        now = miss / max(room, miss / HIGHEST_SCORE + NO_ROOM)
        self.anomaly[row] = faded if math.isnan(now) or faded > now else now

    def _steps(self, runs: Runs, known: NDArray[np.bool_]) -> Floats:
        """Return (n, n_horizons) how far each sample moves widths; count the intervals scored."""
        rows, before = runs.rows, runs.spread(self.scored[runs.rows])
        if runs.longest > 1:
            total = known.cumsum(axis=0)
            before = before + total - known - runs.spread(runs.first(total - known))
        step = np.maximum(self._step_size, 1.0 / (self._twice + EAGER * before))
        step *= known
        self.scored[rows] = runs.last(before) + runs.last(known)
        return step

    def _aims(self, runs: Runs, known: NDArray[np.bool_]) -> Floats:
        """Return (n, n_horizons) the share to fall outside each side, if no value had been inside of late."""
        rows, was = runs.rows, self.weight[runs.rows]
        weight = advance(COVERAGE_BETA, known.astype(np.float64), was, runs)
        aim = self._outside - (1.0 - COVERAGE_BETA) * self._coverage * previous(weight, was, runs)
        self.weight[rows] = runs.last(weight)
        return np.asarray(aim)

    def _hand_over(self, rank: int, members: slice | Integers, widths: Floats, given: Floats) -> None:
        """Write to given the widths that this very batch has given out for these samples."""
        near = (self._horizons <= rank).nonzero()[0]
        if len(near):
            at = np.arange(members.start, members.stop) if isinstance(members, slice) else members
            given[at[:, None], near] = widths[at[:, None] - self._horizons[near], near]

    def _size(self, runs: Runs, error: Floats) -> Floats:
        """Return (n, n_horizons) the root mean square of the errors so far, 1 before the first."""
        rows, unknown = runs.rows, np.isnan(error)
        bounded = np.minimum(np.abs(error), ERROR_LIMIT)
        bounded[unknown] = 0.0
        beta: Floats | float = np.broadcast_to(self._size_beta, bounded.shape)
        if len(self._size_beta) == 1:
            beta = self._size_beta.item()  # quicker as a number
        square = advance(beta, bounded * bounded, self.square[rows], runs)
        weight = advance(beta, (~unknown).astype(np.float64), self.square_weight[rows], runs)
        self.square[rows], self.square_weight[rows] = runs.last(square), runs.last(weight)
        if weight.all():
            return np.sqrt(square / weight)
        return np.sqrt(np.divide(square, weight, out=np.ones(square.shape), where=weight > 0.0))

    def _widen(
        self,
        rows: slice | Integers,
        outside: NDArray[np.bool_],
        known: NDArray[np.bool_],
        step: Floats,
        aim: Floats,
    ) -> Floats:
        """Move the widths of these streams, each by one sample; return them."""
        inside = self.inside[rows]
        share = np.maximum(aim + (1.0 - COVERAGE_BETA) * inside, 0.0)
        width = np.exp((outside - share[:, :, None]) * step[:, :, None])
        width *= self.width[rows]
        np.minimum(np.maximum(width, NARROWEST, out=width), WIDEST, out=width)
        self.width[rows] = width
        self.inside[rows] = COVERAGE_BETA * inside + (known > (outside[:, :, 0] | outside[:, :, 1]))
        return np.asarray(width)

    def _score(self, runs: Runs, sides: Floats, given: Floats) -> None:
        """Note how far out of the nearest interval's reach each value was."""
        above = sides[:, 0, 1] > 0.0
        miss, room = (np.where(above, a[:, 0, 1], a[:, 0, 0]) for a in (sides, given))
        now = miss / np.maximum(room, miss / HIGHEST_SCORE + NO_ROOM)
        if runs.longest > 1:
            now *= COOLING ** (runs.spread(runs.length) - runs.rank - 1.0)
            now = np.fmax.reduceat(now, runs.start)
        rows = runs.rows
        self.anomaly[rows] = np.fmax(now, COOLING**runs.length * self.anomaly[rows])

    def coverage(self) -> Floats:
        """Return (n_streams, n_horizons) the share of values inside; NaN before the first."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.inside / self.weight)


def _widened(
    width: Sequence[float],
    inside: float,
    sides: Sequence[float],
    given: Sequence[float],
    known: bool,
    step: float,
    aim: float,
) -> tuple[list[float], float]:
    """Return the widths of one stream and horizon, and the sum of intervals that held, one sample later."""
    outside = [side > room for side, room in zip(sides, given, strict=True)]  # never of NaN
    share = max(aim + (1.0 - COVERAGE_BETA) * inside, 0.0)
    moved = [
        min(max(math.exp((out - share) * step) * was, NARROWEST), WIDEST)
        for out, was in zip(outside, width, strict=True)
    ]
    return moved, COVERAGE_BETA * inside + (known and not any(outside))
