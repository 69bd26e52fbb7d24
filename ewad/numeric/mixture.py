"""Weights over experts by their track record: exponentially weighted averages of their losses (Hedge).

Source: Freund & Schapire 1997 (Hedge), with discounted losses so that an expert that recovers returns:
Chernov & Zhdanov 2010, Prediction with expert advice under discounted loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.rows import RowState

# The record reaches back about 1 / (1 - 0.9985) = 670 samples, and over the last third of them while they are
# few: experts that start slowly, since they have more to learn, are not held to what they began with.
RECORD_BETA = 0.9985
YOUNG = 3.0
# An expert whose discounted loss is ahead of the best's by one mean loss of the best weighs exp(-0.15) of it.
LEARNING_RATE = 0.15
# Below this share of the best's weight an expert is left out, until its record is better.
DROPPED = 1e-3
# Losses are bounded, as Hedge wants them: a spike or a step must not outweigh the whole record. At this many
# scales, or, far ahead where ordinary errors are as large, at so many scales times the root of the horizon.
ERROR_LIMIT, FAR_ERROR_LIMIT = 10.0, 3.0
# What even the best of them loses beyond this, as where a step came, says nothing of the experts, and would
# make all their losses alike.
COMMON_LIMIT = 3.0
# An expert that said nothing, as one without a season yet, is counted as twice as far off as the worst of
# those that did: it has to earn its weight from then on.
SILENT = 4.0  # times its loss
FEW = 256  # values that one call reduces as quickly as it takes to call once an expert
# A smaller mean loss is none: whoever has lost anything is far behind. Nothing overflows when divided by it.
NO_LOSS = 1e-300


class Hedge(RowState):
    """The track record of every expert for each stream and horizon.

    record: (n_streams, n_horizons, n_experts) discounted sums of losses.  weight: (n_streams, n_horizons)
    what a discounted sum of ones would be.
    """

    record: Floats
    weight: Floats

    def __init__(self, horizons: Sequence[int], n_experts: int, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self._ones = np.ones(n_experts)
        ahead = np.array(horizons, dtype=np.float64)[:, None]
        self._error_limit = np.maximum(ERROR_LIMIT / np.sqrt(ahead), FAR_ERROR_LIMIT)
        self.add_rows("record", len(horizons), n_experts)
        self.add_rows("weight", len(horizons))

    def update(self, runs: Runs, decay: Floats | float, error: Floats) -> Floats:
        """Return the experts' weights after each sorted sample, (n, n_horizons, n_experts).

        decay: see `decays_after`.
        error: (n, n_horizons, n_experts) what each expert missed the sample by, in scales times the root
        of the horizon; NaN where it had no forecast for it. Where none had, nothing is learnt.
        """
        rows = runs.rows
        loss = np.minimum(np.abs(error), self._error_limit)
        loss *= loss
        unknown = np.isnan(loss @ self._ones)
        if unknown.any():
            some = loss[unknown]
            worst = np.nan_to_num(over_experts(np.fmax, some))  # 0 where none said anything
            loss[unknown] = np.where(np.isnan(some), SILENT * worst[:, None], some)
            unknown[unknown] = np.isnan(some).all(axis=1)
        loss -= np.maximum(over_experts(np.minimum, loss) - COMMON_LIMIT, 0.0)[..., None]
        record = advance(decay, loss, self.record[rows], runs)
        of_ones = decay if isinstance(decay, float) else decay[:, :, 0]
        weight = advance(of_ones, (~unknown).astype(np.float64), self.weight[rows], runs)
        self.record[rows] = runs.last(record)
        self.weight[rows] = runs.last(weight)
        return shares(record, weight)

    def update_one(self, row: int, decay: float, errors: Sequence[float]) -> list[float]:
        """As `update`, of one sample and one horizon: quicker with numbers.  errors: of each expert."""
        limit = self._error_limit.item()
        losses = [min(abs(error), limit) ** 2 for error in errors]  # NaN stays
        record: list[float] = self.record[row, 0].tolist()
        known = True
        if math.isnan(sum(losses)):
            said = [loss for loss in losses if not math.isnan(loss)]
            known, silent = bool(said), SILENT * max(said, default=0.0)
            losses = [silent if math.isnan(loss) else loss for loss in losses]
        if (common := min(losses) - COMMON_LIMIT) > 0.0:
            losses = [loss - common for loss in losses]
        record = [decay * was + loss for was, loss in zip(record, losses, strict=True)]
        weight = known + decay * self.weight.item(row, 0)
        self.record[row, 0], self.weight[row, 0] = record, weight
        best = min(record)
        pace = -LEARNING_RATE / max(best / max(weight, 1.0), NO_LOSS)
        shares = [share if (share := math.exp(pace * (it - best))) >= DROPPED else 0.0 for it in record]
        total = sum(shares)
        return [share / total for share in shares]

    def shares(self) -> Floats:
        """Return the weights in force, (n_streams, n_horizons, n_experts)."""
        return shares(self.record, self.weight)


def decay_after(number: int) -> float:
    """Return what a record decays by at a sample, the number of its stream from 0: less while it is young."""
    return min(RECORD_BETA, 1.0 - YOUNG / (number + YOUNG + 1.0))


def decays_after(number: Integers) -> Floats | float:
    """Return `decay_after` of each sample, (n, 1, 1); of a single one as a number.  number: (n,)."""
    if len(number) == 1:
        return decay_after(number.item())
    decay: Floats = np.minimum(RECORD_BETA, 1.0 - YOUNG / (number + YOUNG + 1.0))
    return decay[:, None, None]


def shares(record: Floats, weight: Floats) -> Floats:
    """Return weights that sum to 1 over the last axis; equal ones where nothing is known.

    record: (..., n_experts).  weight: (...).
    """
    best = over_experts(np.minimum, record)
    mean = np.maximum(best / np.maximum(weight, 1.0), NO_LOSS)
    share = record - best[..., None]
    share *= (-LEARNING_RATE / mean)[..., None]
    np.exp(share, out=share)
    share *= share >= DROPPED
    share /= over_experts(np.add, share)[..., None]
    return share


def over_experts(combine: np.ufunc, values: Floats) -> Floats:
    """Return combine.reduce over the last axis, of few entries each; of many rows in a tenth of its time."""
    if values.size <= FEW:
        return np.asarray(combine.reduce(values, axis=-1))
    combined: Floats = values[..., 0].copy()
    for i in range(1, values.shape[-1]):
        combine(combined, values[..., i], out=combined)
    return combined
