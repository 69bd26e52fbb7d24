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

from ewad.numeric.mixture import RECORD_BETA
from ewad.numeric.pending import Pending
from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.rows import RowState

# Changes are bounded, in scales times the root of the horizon: a spike must not outweigh the whole record.
CHANGE_LIMIT = 3.0
# Doubt fades between one and two standard errors: what was right beyond them was no chance.
CHANCE = 2.0
# A young record is no reason to doubt: its errors overlap, and a season has to be believed before it has been
# seen several times. Doubt grows with the weight of the record, squared.
# A record of hundreds of samples says hardly anything else after a few more: the share is worked out at each
# fourth sample of a stream, and stands until the next.
STANDS = 4
TINY = 1e-300


class Calibration(RowState):
    """The record of what forecasts of each stream and horizon promised, and what came.

    record: (n_streams, n_horizons, 4) discounted sums of promised**2, came**2, promised * came, and of ones.
    share: (n_streams, n_horizons) how much of its change a forecast is followed by.
    pending: forecasts, and the last values when they were made.
    """

    record: Floats
    share: Floats

    def __init__(self, horizons: Sequence[int], n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self._horizons = np.array(horizons, dtype=np.float64)
        self.pending = Pending(horizons, 2, n_streams)
        self.add_rows("record", len(horizons), 4)
        self.add_rows("share", len(horizons), fill=1.0)

    def update(self, runs: Runs, number: Integers, decay: Floats | float, changes: Floats) -> Floats:
        """Return the share that stands after each sample, (n, n_horizons).

        number: (n,) of each sample in its stream, from 0.  decay: see `decays_after`.
        changes: (n, n_horizons, 2) the change that was forecast for it, and the one that came, in scales
        times the root of the horizon; NaN: unknown. They are bounded in place.
        """
        rows = runs.rows
        np.minimum(np.maximum(changes, -CHANGE_LIMIT, out=changes), CHANGE_LIMIT, out=changes)
        terms = np.empty((*changes.shape[:2], 4))
        np.multiply(changes, changes, out=terms[:, :, :2])
        np.multiply(changes[:, :, 0], changes[:, :, 1], out=terms[:, :, 2])
        terms[:, :, 3] = 1.0
        unknown = np.isnan(terms[:, :, 2])
        if unknown.any():
            terms[unknown] = 0.0
        record = advance(decay, terms, self.record[rows], runs)
        self.record[rows] = runs.last(record)
        since = number % STANDS
        share: Floats = self.share[rows]
        if runs.longest == 1 and since.all():
            return share.copy()
        share = _share(record, self._horizons)[np.maximum(np.arange(len(number)) - since, 0)]
        earlier = since > runs.rank  # worked out before this batch
        share[earlier] = self.share[runs.series[runs.run[earlier]]]
        self.share[rows] = runs.last(share)
        return share

    def update_one(self, row: int, number: int, decay: float, promised: float, came: float) -> float:
        """As `update`, of one sample and one horizon: quicker with numbers."""
        known = not math.isnan(promised + came)
        if known:
            promised = min(max(promised, -CHANGE_LIMIT), CHANGE_LIMIT)
            came = min(max(came, -CHANGE_LIMIT), CHANGE_LIMIT)
        else:
            promised = came = 0.0
        square, moved, agreed, weight = self.record[row, 0].tolist()
        square = decay * square + promised * promised
        moved = decay * moved + came * came
        agreed = decay * agreed + promised * came
        weight = decay * weight + known
        self.record[row, 0] = square, moved, agreed, weight
        if number % STANDS == 0:
            self.share[row, 0] = self._share_of(square, moved, agreed, weight)
        return self.share.item(row, 0)

    def _share_of(self, square: float, moved: float, agreed: float, weight: float) -> float:
        """As `_share`, of one horizon."""
        if square == 0.0:
            return 1.0
        noise = self._horizons.item(0) * moved / max(weight, TINY)
        evidence = agreed / math.sqrt(max(square * noise, TINY))
        if evidence >= CHANCE:
            return 1.0
        mature = min((1.0 - RECORD_BETA) * weight, 1.0)
        slope: float = max(agreed, 0.0) / (square + noise)
        doubt: float = mature * mature * min(CHANCE - evidence, 1.0)
        return 1.0 - (1.0 - slope) * doubt


def _share(record: Floats, horizons: Floats) -> Floats:
    """Return the share after each sample: 1, less what slope, evidence and the record's age leave open."""
    promised, moved, agreed, weight = record[:, :, 0], record[:, :, 1], record[:, :, 2], record[:, :, 3]
    noise = horizons * moved  # errors of forecasts h ahead overlap h times
    noise /= np.maximum(weight, TINY)
    right = np.maximum(agreed, 0.0)
    # The slope is at most 1 where evidence is less than CHANCE = 2: a sum is at least two geometric means.
    doubt = CHANCE - right / np.sqrt(np.maximum(promised * noise, TINY))
    np.minimum(np.maximum(doubt, 0.0, out=doubt), 1.0, out=doubt)
    mature = np.minimum((1.0 - RECORD_BETA) * weight, 1.0)
    doubt *= mature
    doubt *= mature
    noise += promised
    doubt *= 1.0 - right / np.maximum(noise, TINY)
    doubt *= promised > 0.0
    return np.subtract(1.0, doubt, out=doubt)
