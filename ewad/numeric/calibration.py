"""How far to follow a forecast away from persistence: less where chance alone could have made it look right.

On a random walk nothing can be learnt, yet of several forecasts by many features one looks right for a while.
So what forecasts promised is regressed on what came. While the slope is less than two standard errors above
zero a forecast is followed by no more than that slope, held back as by one independent sample that came to
nothing; beyond that it is followed in full.
Source: Mincer & Zarnowitz 1969 (the slope of a forecast, here without an intercept).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.mixture import RECORD_BETA, young_decay
from ewad.numeric.pending import Pending
from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.rows import RowState

# Changes are bounded, in scales times the root of the horizon: a spike must not outweigh the whole record.
CHANGE_LIMIT = 3.0
# Doubt fades between one and two standard errors: what was right beyond them was no chance.
CHANCE = 2.0
# A young record is no reason to doubt: its errors overlap, and a season has to be believed before it has been
# seen several times. Doubt grows with the weight of the record, squared.
TINY = 1e-300


class Calibration(RowState):
    """The record of what forecasts of each stream and horizon promised, and what came.

    promised, agreed, moved: (n_streams, n_horizons) discounted sums of promised**2, promised * came, came**2.
    weight: what a discounted sum of ones would be.  pending: forecast and last value when it was made.
    """

    promised: Floats
    agreed: Floats
    moved: Floats
    weight: Floats

    def __init__(self, horizons: Sequence[int], n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self._horizons = np.array(horizons, dtype=np.float64)
        self.pending = Pending(horizons, 2, n_streams)
        for name in ("promised", "agreed", "moved", "weight"):
            self.add_rows(name, len(horizons))

    def update(self, runs: Runs, number: Integers, promised: Floats, came: Floats) -> Floats:
        """Return how much of its change a forecast made after each sample is followed by, (n, n_horizons).

        number: (n,) of each sample in its stream, from 0.  promised: (n, n_horizons) the change that was
        forecast for it, came: the one that came, in scales times the root of the horizon; NaN: unknown.
        """
        rows, unknown = runs.rows, np.isnan(promised) | np.isnan(came)
        known = (~unknown).astype(np.float64)
        promised, came = (_bounded(change, unknown) for change in (promised, came))
        decay = np.minimum(RECORD_BETA, young_decay(number))[:, None]
        square, agreed, moved, weight = (
            advance(decay, increment, state[rows], runs)
            for increment, state in (
                (promised * promised, self.promised),
                (promised * came, self.agreed),
                (came * came, self.moved),
                (known, self.weight),
            )
        )
        self.promised[rows], self.agreed[rows] = runs.last(square), runs.last(agreed)
        self.moved[rows], self.weight[rows] = runs.last(moved), runs.last(weight)
        return _share(square, agreed, moved, weight, self._horizons)

    def update_one(self, row: int, number: int, promised: float, came: float) -> float:
        """As `update`, of one sample and one horizon: quicker with numbers."""
        known = not math.isnan(promised + came)
        if known:
            promised = min(max(promised, -CHANGE_LIMIT), CHANGE_LIMIT)
            came = min(max(came, -CHANGE_LIMIT), CHANGE_LIMIT)
        else:
            promised = came = 0.0
        decay: float = min(RECORD_BETA, young_decay(number))
        square = decay * self.promised.item(row, 0) + promised * promised
        agreed = decay * self.agreed.item(row, 0) + promised * came
        moved = decay * self.moved.item(row, 0) + came * came
        weight = decay * self.weight.item(row, 0) + known
        self.promised[row, 0], self.agreed[row, 0] = square, agreed
        self.moved[row, 0], self.weight[row, 0] = moved, weight
        if square == 0.0:
            return 1.0
        noise = self._horizons.item(0) * moved / max(weight, TINY)
        slope = min(max(agreed / (square + noise), 0.0), 1.0)
        evidence = agreed / math.sqrt(max(square * noise, TINY))
        mature = min((1.0 - RECORD_BETA) * weight, 1.0) ** 2
        return 1.0 - (1.0 - slope) * mature * min(max(CHANCE - evidence, 0.0), 1.0)


def _bounded(change: Floats, unknown: NDArray[np.bool_]) -> Floats:
    """Return the changes within CHANGE_LIMIT, zeros where they are unknown."""
    bounded = np.where(unknown, 0.0, change)
    np.minimum(np.maximum(bounded, -CHANGE_LIMIT, out=bounded), CHANGE_LIMIT, out=bounded)
    return bounded


def _share(promised: Floats, agreed: Floats, moved: Floats, weight: Floats, horizons: Floats) -> Floats:
    """Return the share after each sample: 1, less what slope, evidence and the record's age leave open."""
    noise = horizons * moved / np.maximum(weight, TINY)  # errors of forecasts h ahead overlap h times
    slope = np.minimum(np.maximum(agreed / np.maximum(promised + noise, TINY), 0.0), 1.0)
    evidence = agreed / np.sqrt(np.maximum(promised * noise, TINY))
    doubt = np.minimum(np.maximum(CHANCE - evidence, 0.0), 1.0)
    doubt *= np.square(np.minimum((1.0 - RECORD_BETA) * weight, 1.0))
    return np.where(promised > 0.0, 1.0 - (1.0 - slope) * doubt, 1.0)
