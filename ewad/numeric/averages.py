"""Exponentially weighted averages of many streams, bias-corrected, by count or by elapsed time.

Convention: beta weights the past. The course's v = beta * v + (1 - beta) * x, corrected by 1 - beta**t,
is the weighted mean of the samples seen so far with weights beta**age; both forms are kept here as one:
the mean, and the weight it stands on. With a half-life the past decays by 0.5**(dt / half_life)
instead, and the same accumulated weight corrects the bias under irregular sampling too.
Source: A. Ng, Improving Deep Neural Networks, week 2 (bias correction); West 1979 (weighted updates).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ewad.numeric.recurrence import Floats, Integers, Runs, advance, previous
from ewad.numeric.rows import RowState


@dataclass(frozen=True, slots=True)
class ByCount:
    """The past decays by beta at each sample: a window of about 1 / (1 - beta) samples."""

    beta: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.beta < 1.0:
            raise ValueError(f"beta: must be in [0, 1), got {self.beta}")


@dataclass(frozen=True, slots=True)
class ByTime:
    """The past decays by half in each half_life_seconds, however many samples came."""

    half_life_seconds: float

    def __post_init__(self) -> None:
        if not 0.0 < self.half_life_seconds < np.inf:
            raise ValueError(f"half_life_seconds: must be positive and finite, got {self.half_life_seconds}")


Decay = ByCount | ByTime


class Averaged(NamedTuple):
    """What stood after each of some samples, (n,) each: see `ExponentialAverage`."""

    mean: Floats
    weight: Floats
    pairs: Floats
    scatter: Floats

    @property
    def stddev(self) -> Floats:
        """The unbiased weighted standard deviation; NaN before two samples."""
        return _stddev(self.weight, self.pairs, self.scatter)


class ExponentialAverage(RowState):
    """Bias-corrected mean and variance of every stream under one decay.

    State, (n_streams,) each:
    weight   sum of w, the weights of the samples so far (0: no sample yet)
    pairs    sum of w_i * w_j over i != j, which is weight**2 - sum of w**2 without its cancellation
    mean     sum of w * x / weight
    scatter  sum of w * (x - mean)**2
    """

    weight: Floats
    pairs: Floats
    mean: Floats
    scatter: Floats

    def __init__(self, decay: Decay, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.decay = decay
        self._remembers = decay != ByCount(0.0)  # without memory a mean is the sample itself, to the last bit
        for name in ("weight", "pairs", "mean", "scatter"):
            self.add_rows(name)

    def update(self, runs: Runs, elapsed: Floats, value: Floats) -> Averaged:
        """Return what stands after each sample; updates the state.

        runs: whose samples these are.  elapsed: (n,) seconds since the stream's last sample, >= 0 (without
        meaning for a stream's first).  value: (n,) finite.  Both are sorted as runs says.
        """
        if len(value) == 1:  # quicker with numbers
            return self._update_one(runs.series.item(), elapsed.item(), value.item())
        rows = runs.rows
        weight0 = self.weight[rows]
        # Averages are taken of deviations from where each stream stood: exact on constant input.
        centre = np.where(weight0 > 0.0, self.mean[rows], runs.first(value))
        decay = self._decay_over(elapsed)

        weight = advance(decay, np.ones(len(value)), weight0, runs)
        past = decay * previous(weight, weight0, runs)  # what all earlier samples weigh now
        centres = runs.spread(centre)
        deviation = surprise = value - centres
        if runs.longest == 1:
            shift = deviation / weight
        else:
            rest = np.zeros(len(centre))
            shift = advance(decay, deviation, rest, runs)
            shift /= weight
            surprise = deviation - previous(shift, rest, runs)
        scatter = advance(decay, surprise * surprise * past / weight, self.scatter[rows], runs)
        pairs = advance(decay * decay, 2.0 * past, self.pairs[rows], runs)
        mean = centres + shift if self._remembers else value

        self.weight[rows] = runs.last(weight)
        self.pairs[rows] = runs.last(pairs)
        self.mean[rows] = runs.last(mean)
        self.scatter[rows] = runs.last(scatter)
        return Averaged(mean, weight, pairs, scatter)

    def _update_one(self, row: int, elapsed: float, value: float) -> Averaged:
        """As `update`, of one sample."""
        weight0, decay = self.weight.item(row), self._decay_of(elapsed)
        past = decay * weight0
        weight = 1.0 + past
        centre = self.mean.item(row) if weight0 > 0.0 else value
        deviation = value - centre
        mean = centre + deviation / weight if self._remembers else value
        pairs = 2.0 * past + decay * decay * self.pairs.item(row)
        scatter = deviation * deviation * past / weight + decay * self.scatter.item(row)
        self.mean[row], self.weight[row], self.pairs[row], self.scatter[row] = mean, weight, pairs, scatter
        return Averaged(*np.array((mean, weight, pairs, scatter)).reshape(4, 1))

    def smoothed(self, rows: slice | Integers = slice(None)) -> Floats:
        """Return the mean of each of these streams, of all by default; NaN before the first sample."""
        return np.where(self.weight[rows] > 0.0, self.mean[rows], np.nan)

    def stddev(self) -> Floats:
        """Return the unbiased weighted standard deviation, (n_streams,); NaN before two samples."""
        return _stddev(self.weight, self.pairs, self.scatter)

    def raw(self) -> Floats:
        """Return the course's uncorrected v, (n_streams,): mean * (1 - beta**t).

        Under a half-life it is sum of w * x, which tends to no average.
        """
        gain = 1.0 - self.decay.beta if isinstance(self.decay, ByCount) else 1.0
        return self.mean * self.weight * gain

    def _decay_over(self, elapsed: Floats) -> Floats | float:
        if isinstance(self.decay, ByCount):
            return self.decay.beta
        return np.exp2(elapsed * (-1.0 / self.decay.half_life_seconds))

    def _decay_of(self, elapsed: float) -> float:
        if isinstance(self.decay, ByCount):
            return self.decay.beta
        return math.exp2(elapsed * (-1.0 / self.decay.half_life_seconds))


def _stddev(weight: Floats, pairs: Floats, scatter: Floats) -> Floats:
    """Return sqrt(scatter / (weight - sum of w**2 / weight)), the unbiased form; NaN where undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(scatter * weight / pairs)  # pairs is 0 before the second sample, and scatter too
