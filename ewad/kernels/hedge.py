"""Weights over experts by their track record: exponentially weighted averages of their losses (Hedge).

Source: Freund & Schapire 1997 (Hedge), with discounted losses so that an expert that recovers returns:
Chernov & Zhdanov 2010, Prediction with expert advice under discounted loss.
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats

# The record reaches back about 1 / (1 - 0.9985) = 670 samples, and over the last third of them while they are
# few: experts that start slowly, since they have more to learn, are not held to what they began with.
RECORD_BETA = 0.9985
YOUNG = 3.0
# An expert whose discounted loss is ahead of the best's by one mean loss of the best weighs exp(-0.15) of it.
LEARNING_RATE = 0.15
# Below this share of the best's weight an expert is left out, until its record is better.
DROPPED = 1e-3
FAR = -7.0  # its logarithm, and somewhat less: nearer ones alone need be worked out
# Losses are bounded, as Hedge wants them: a spike or a step must not outweigh the whole record. At this many
# scales, or, far ahead where ordinary errors are as large, at so many scales times the root of the horizon.
ERROR_LIMIT = 10.0
FAR_ERROR_LIMIT = 3.0
# What even the best of them loses beyond this, as where a step came, says nothing of the experts, and would
# make all their losses alike.
COMMON_LIMIT = 3.0
# An expert that said nothing, as one without a season yet, is counted as twice as far off as the worst of
# those that did: it has to earn its weight from then on.
SILENT = 4.0  # times its loss
# A smaller mean loss is none: whoever has lost anything is far behind. Nothing overflows when divided by it.
NO_LOSS = 1e-300
# A record of hundreds of samples is slow to tell that an expert is right no more, as after a change of unit.
# So a second one counts as well, of about the last 30 samples and two horizons; by as much less as the
# horizon is far, since errors that overlap are few.
LATELY = 30.0
INF = float("inf")


class HedgeKernel:
    """The track record of every expert for each stream and horizon.

    Rows: record: (n_horizons, n_experts) discounted sums of losses.  weight: (n_horizons,) what a discounted
    sum of ones would be.  lately, lately_weight: the same of a quick record.
    """

    def __init__(self, horizons: tuple[int, ...], n_experts: int) -> None:
        self.n_horizons, self.n_experts = len(horizons), n_experts
        ahead = np.array(horizons, dtype=np.float64)
        limits = np.maximum(ERROR_LIMIT / np.sqrt(ahead), FAR_ERROR_LIMIT)
        self.array, self.arrays = np.zeros(n_experts), (ahead, limits, 1.0 - 1.0 / (LATELY + 2.0 * ahead))
        self.horizons, self.limits = memory.doubles(ahead), memory.doubles(limits)
        self.quick = memory.doubles(self.arrays[2])
        self.shares = memory.doubles(self.array)

    def bind(self, record: Floats, weight: Floats, lately: Floats, lately_weight: Floats) -> None:
        """Work on these arrays from now on."""
        self.record, self.weight = memory.doubles(record), memory.doubles(weight)
        self.lately, self.lately_weight = memory.doubles(lately), memory.doubles(lately_weight)

    def write_shares(self, n_rows: int, out: Floats) -> None:
        """Write what the experts weigh in the first rows to out, (n_rows, n_horizons, n_experts)."""
        found = memory.doubles(out)
        for o in range(n_rows * self.n_horizons):
            self.weigh(o)
            for e in range(self.n_experts):
                found[o * self.n_experts + e] = self.shares[e]

    def observe(self, row: int, i: int, number: float, errors: Floats) -> Floats:
        """Call `take`, from Python; return the shares, (n_experts,): the same array each time."""
        self.take(row, i, number, memory.doubles(errors))
        shares: Floats = self.array
        return shares

    def take(self, row: int, i: int, number: float, errors: Floats) -> None:
        """Learn from what each expert missed a sample by; `shares` is what they weigh after it, (n_experts,).

        errors: (n_experts,) in scales times the root of the horizon, the i-th; NaN where an expert had no
        forecast. Where none had, nothing is learnt. They become losses.  number: of the sample in its stream.
        """
        n, limit = self.n_experts, self.limits[i]
        known = 0.0
        worst = 0.0
        for e in range(n):
            if errors[e] == errors[e]:
                miss = min(abs(errors[e]), limit)
                errors[e] = miss * miss
                worst = max(worst, errors[e])
                known = 1.0
        least = INF
        for e in range(n):
            if errors[e] != errors[e]:
                errors[e] = SILENT * worst
            least = min(least, errors[e])
        common = max(least - COMMON_LIMIT, 0.0)
        decay = min(RECORD_BETA, 1.0 - YOUNG / (number + YOUNG + 1.0))
        quick = min(decay, self.quick[i])
        at = row * self.n_horizons + i
        o = at * n
        for e in range(n):
            self.record[o + e] = decay * self.record[o + e] + (errors[e] - common)
            self.lately[o + e] = quick * self.lately[o + e] + (errors[e] - common)
        self.weight[at] = known + decay * self.weight[at]
        self.lately_weight[at] = known + quick * self.lately_weight[at]
        self.weigh(at)

    def weigh(self, at: int) -> None:
        """Fill in shares, which sum to 1, from both records.  at: of the stream and its horizon."""
        n, shares, o = self.n_experts, self.shares, at * self.n_experts
        best = INF
        lately = INF
        for e in range(n):
            best = min(best, self.record[o + e])
            lately = min(lately, self.lately[o + e])
        pace = -LEARNING_RATE / max(best / max(self.weight[at], 1.0), NO_LOSS)
        quick = -LEARNING_RATE / max(lately / max(self.lately_weight[at], 1.0), NO_LOSS)
        quick /= self.horizons[at % self.n_horizons]
        top = -INF
        for e in range(n):
            shares[e] = pace * (self.record[o + e] - best) + quick * (self.lately[o + e] - lately)
            top = max(top, shares[e])
        total = 0.0
        for e in range(n):
            behind = shares[e] - top
            shares[e] = 0.0
            if behind > FAR:
                share = math.exp(behind)
                if share >= DROPPED:
                    shares[e] = share
                    total += share
        for e in range(n):
            shares[e] /= total
