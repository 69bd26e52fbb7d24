"""A linear model with an intercept by recursive least squares with forgetting, a block of examples at a time.

Source: Haykin, Adaptive Filter Theory, ch. 10.
"""

from __future__ import annotations

import numpy as np

from ewad.kernels import algebra, memory
from ewad.kernels.examples import ExamplesKernel
from ewad.kernels.experts.base import Expert
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample

# What has learnt nothing yet is at the bound, in whatever order its trace is summed up.
AT_BOUND = 1.0 - 1e-9


class RecursiveKernel(Expert):
    """Models that learn from a mini-batch as soon as it is full. Rows: see `RecursiveLearner`."""

    def __init__(
        self, examples: ExamplesKernel, start: int, n_x: int, n_y: int, variance: float, forgetting: float
    ) -> None:
        """examples: what it learns from, whole mini-batches.  start: the first feature that it sees.
        variance: of the parameters of a model that has seen nothing.  forgetting: what an example weighs
        after a whole block.
        """
        Expert.__init__(self)
        self.examples, self.start, self.n, self.n_y = examples, start, n_x + 1, n_y
        self.n_covariance = self.n * (self.n + 1) // 2
        self.variance, self.forgetting = variance, forgetting
        self.arrays = np.zeros(self.n), np.zeros(n_y), np.ones(self.n)
        self.px = memory.doubles(self.arrays[0])
        self.errors = memory.doubles(self.arrays[1])
        self.x = memory.doubles(self.arrays[2])  # of an example, with 1 for the intercept

    def bind(self, theta: Floats, covariance: Floats, diverged: Integers) -> None:
        """Work on these arrays from now on."""
        self.theta, self.covariance = memory.doubles(theta), memory.doubles(covariance)
        self.diverged = memory.integers(diverged)

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write x W + b."""
        n, n_y = self.n, self.n_y
        algebra.affine(s.x_now, self.start, self.theta, s.model * n * n_y, n - 1, n_y, out, at)

    def learn(self, s: Sample) -> None:
        """Learn from the mini-batch that the sample completes, if it does."""
        if self.examples.n > 0:
            self.learn_block(s.model)

    def learn_block(self, row: int) -> None:
        """Learn from a model's block, example by example; the first takes on what the whole block forgets.

        A model forgets nothing while the trace of its covariance is above that of one that has seen nothing:
        where the input has stopped moving, it would only be inflated.
        """
        keep = self.forgetting if self.trace(row) < self.n * self.variance * AT_BOUND else 1.0
        for place in range(self.examples.n):
            self.learn_one(row, place, keep)
            keep = 1.0
        theta = row * self.n * self.n_y
        size = algebra.dot(self.theta, theta, self.theta, theta, self.n * self.n_y)
        if size - size != 0.0:  # not finite
            self.start_anew(row)

    def learn_one(self, row: int, place: int, keep: float) -> None:
        """Learn from the example at a place: a rank-one update.  keep: what all earlier ones still weigh."""
        n, n_y, x, px = self.n, self.n_y, self.x, self.px
        p, theta = row * self.n_covariance, row * n * n_y
        seen, came = place * self.examples.n_x + self.start, place * n_y
        for i in range(n - 1):
            x[i] = self.examples.x[seen + i]
        algebra.symmetric_product(self.covariance, p, x, 0, n, px)
        variance = algebra.dot(x, 0, px, 0, n) + keep
        algebra.affine(x, 0, self.theta, theta, n - 1, n_y, self.errors, 0)
        for h in range(n_y):
            self.errors[h] = (self.examples.y[came + h] - self.errors[h]) / variance
        algebra.add_product(px, 0, self.errors, 0, self.theta, theta, n, n_y)
        algebra.symmetric_update(self.covariance, p, px, -1.0 / variance, 1.0 / keep, n)

    def trace(self, row: int) -> float:
        """Return the sum of the variances."""
        total = 0.0
        place = row * self.n_covariance
        for i in range(self.n):
            total += self.covariance[place + i]
            place += i + 1
        return total

    def start_anew(self, row: int) -> None:
        """Let a model without finite parameters forget what it knew."""
        self.diverged[row] += 1
        for i in range(self.n * self.n_y):
            self.theta[row * self.n * self.n_y + i] = 0.0
        place = row * self.n_covariance
        for i in range(self.n):
            for j in range(i):
                self.covariance[place + j] = 0.0
            self.covariance[place + i] = self.variance
            place += i + 1
