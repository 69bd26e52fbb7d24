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

import numpy as np

from ewad.kernels.averages import AverageKernel
from ewad.kernels.memory import Floats, Integers
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


@dataclass(frozen=True, slots=True)
class Held(ByTime):
    """By time, of a value that stands until the next one: what counts is how long, not how often it came."""


Decay = ByCount | ByTime


class ExponentialAverage(RowState):
    """Bias-corrected mean and variance of every stream under one decay; the arrays are those of its kernel.

    step: takes in a sample.
    """

    weight: Floats
    pairs: Floats
    mean: Floats
    scatter: Floats
    held: Floats  # where values stand until the next one

    def __init__(self, decay: Decay, n_streams: int = 0, follower: ExponentialAverage | None = None) -> None:
        """follower: the average that takes in each sample after this one."""
        super().__init__(n_streams)
        self.decay = decay
        for name in ("weight", "pairs", "mean", "scatter"):
            self.add_rows(name)
        beta, half_life = math.nan, math.inf
        self.holds = isinstance(decay, Held)
        if self.holds:
            self.add_rows("held", fill=math.nan)
        if isinstance(decay, ByCount):
            beta = decay.beta
        else:
            half_life = decay.half_life_seconds
        after = None if follower is None else follower.step
        self.step: AverageKernel = AverageKernel(beta, half_life, self.holds, after)
        self.work_with(self.step)

    def update(self, stream: Integers, elapsed: Floats, value: Floats) -> tuple[Floats, Floats]:
        """Take in samples in their order; return the mean and the standard deviation after each.

        stream: (n,) rows.  elapsed: (n,) seconds since the stream's last sample, >= 0 (without meaning for a
        stream's first).  value: (n,) finite.  A deviation is NaN before two samples.
        """
        out = np.empty((len(value), 2))
        self.step.take_all(stream, elapsed, value, out)
        return out[:, 0], out[:, 1]

    def smoothed(self, rows: slice | Integers = slice(None)) -> Floats:
        """Return the mean of each of these streams, of all by default; NaN before the first sample."""
        return np.where(self.weight[rows] > 0.0, self.mean[rows], self.held[rows] if self.holds else np.nan)

    def stddev(self) -> Floats:
        """Return the unbiased weighted standard deviation, (n_streams,); NaN before two samples."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(self.scatter * (self.weight / self.pairs))  # pairs is 0 before two

    def after(self, elapsed: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, (n_streams,) each, so many seconds after each last sample.

        They move where values are held; else they are those of the last sample.
        """
        if not isinstance(self.decay, Held):
            return self.smoothed(), self.stddev()
        stood = -np.expm1(np.maximum(elapsed, 0.0) * (-math.log(2.0) / self.decay.half_life_seconds))
        past = (1.0 - stood) * self.weight
        weight = stood + past
        centre = self.smoothed()
        deviation = self.held - centre
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(weight > 0.0, stood / weight, 0.0)
            scatter = deviation * deviation * share * past + (1.0 - stood) * self.scatter
            return centre + deviation * share, np.sqrt(scatter / weight)

    def raw(self) -> Floats:
        """Return the course's uncorrected v, (n_streams,): mean * (1 - beta**t).

        Under a half-life it is sum of w * x, which tends to no average.
        """
        gain = 1.0 - self.decay.beta if isinstance(self.decay, ByCount) else 1.0
        return self.mean * self.weight * gain
