"""The unit that a stream's changes are measured in, and its values with lone spikes held back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Floats, Runs, advance, previous
from ewad.numeric.rows import RowState

# The scale is slow on purpose: about the last 10,000 samples. A window's own deviation would blow up on
# near-constant stretches.
SCALE_BETA = 0.9999
# A change of more scales than this is believed only as far as this, and twice as far each time it insists:
# a spike is gone with the next sample, a step or a change of unit is followed within a few.
SLEW_LIMIT = 50.0
# The way to a lone spike, and the way back, count for the scale as no more than this each: one spike would
# widen it for 10,000 samples. Pulses more often than each 50 samples still do, and come to be believed.
LONE_LIMIT = 5.0


class RobustScale(RowState):
    """Values that move at most so far at a time, and the root mean square of those moves.

    State, (n_streams,) each: steady: the last value as believed.  square, weight: what the scale is made
    of.  streak: how many samples in a row were not believed.
    """

    steady: Floats
    square: Floats
    weight: Floats
    streak: NDArray[np.int64]

    def __init__(self, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        for name in ("steady", "square", "weight"):
            self.add_rows(name)
        self.add_rows("streak", dtype=np.int64)

    def update(self, runs: Runs, known: NDArray[np.bool_], value: Floats) -> tuple[Floats, Floats]:
        """Return the believed values and the scale after each sorted sample, (n,) each.

        known: (n,) whether the sample continues its stream; one that does not is believed as it is.
        The scale is 1 where nothing has moved yet.
        """
        rows = runs.rows
        carried = [array[rows] for array in (self.steady, self.square, self.weight)]
        steady = value.copy()
        change = value - previous(value, carried[0], runs)
        decay: Floats | float = SCALE_BETA
        if not known.all():
            change, decay = np.where(known, change, 0.0), np.where(known, SCALE_BETA, 1.0)
        change *= change
        square = advance(decay, change, carried[1], runs)
        weight = advance(decay, known.astype(np.float64), carried[2], runs)
        mean = previous(square, carried[1], runs) / np.maximum(previous(weight, carried[2], runs), 1.0)
        wild = (change > SLEW_LIMIT**2 * mean) & (mean > 0.0)
        wild[runs.start] |= self.streak[rows] > 0
        if wild.any():
            for run in np.unique(runs.run[wild]).tolist():
                self._follow(runs, run, known, value, (steady, square, weight))
        for name, array in (("steady", steady), ("square", square), ("weight", weight)):
            getattr(self, name)[rows] = runs.last(array)
        return steady, np.where(square > 0.0, np.sqrt(square / np.maximum(weight, 1.0)), 1.0)

    def _follow(
        self,
        runs: Runs,
        run: int,
        known: NDArray[np.bool_],
        value: Floats,
        out: tuple[Floats, Floats, Floats],
    ) -> None:
        """Write what `update` finds for one run that has something hard to believe, sample by sample."""
        row, members = runs.series[run], slice(int(runs.start[run]), int(runs.end[run]) + 1)
        last, square, weight = (float(a[row]) for a in (self.steady, self.square, self.weight))
        streak, followed = int(self.streak[row]), []
        for here, x in zip(known[members].tolist(), value[members].tolist(), strict=True):
            change = x - last if here else 0.0
            scale = math.sqrt(square / max(weight, 1.0))
            limit = SLEW_LIMIT * scale * 2.0 ** min(streak, 1000)
            doubted = streak
            if abs(change) > limit > 0.0:
                change, streak = math.copysign(limit, change), streak + 1
                last, doubted = last + change, streak
            else:
                last, streak = x, 0
            if doubted == 1:
                change = min(abs(change), LONE_LIMIT * scale)
            if here:
                square, weight = SCALE_BETA * square + change * change, SCALE_BETA * weight + 1.0
            followed.append((last, square, weight))
        self.streak[row] = streak
        for array, column in zip(out, zip(*followed, strict=True), strict=True):
            array[members] = column
