"""A linear model with an intercept by recursive least squares with forgetting, a block of examples at a time.

Source: Haykin, Adaptive Filter Theory, ch. 10.
"""

from __future__ import annotations

import numpy as np

from ewad.kernels import algebra, memory
from ewad.kernels.experts.base import Expert
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample

# What has learnt nothing yet is at the bound, in whatever order its trace is summed up.
AT_BOUND = 1.0 - 1e-9


class RecursiveKernel(Expert):
    """Models, and the block of examples that each of them is collecting. Rows: see `RecursiveLearner`.

    The parameters stand still within a block, whose size is the model's batch_size, as with every learner.
    """

    def __init__(
        self, start: int, n_x: int, n_y: int, variance: float, forgetting: float, batch_size: int
    ) -> None:
        """start: the first feature that it sees.  variance: of the parameters of a model that has seen
        nothing. forgetting: what an example weighs after a whole block.
        """
        Expert.__init__(self)
        self.start, self.n, self.n_y, self.batch_size = start, n_x + 1, n_y, batch_size
        self.n_covariance = self.n * (self.n + 1) // 2
        self.variance, self.forgetting = variance, forgetting
        self.arrays = np.zeros(self.n), np.zeros(n_y)
        self.px = memory.doubles(self.arrays[0])
        self.errors = memory.doubles(self.arrays[1])

    def bind(
        self,
        theta: Floats,
        covariance: Floats,
        waiting_x: Floats,
        waiting_y: Floats,
        collected: Integers,
        diverged: Integers,
    ) -> None:
        """Work on these arrays from now on."""
        self.theta, self.covariance = memory.doubles(theta), memory.doubles(covariance)
        self.waiting_x, self.waiting_y = memory.doubles(waiting_x), memory.doubles(waiting_y)
        self.collected, self.diverged = memory.integers(collected), memory.integers(diverged)

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write x W + b."""
        n, n_y = self.n, self.n_y
        algebra.affine(s.x_now, self.start, self.theta, s.model * n * n_y, n - 1, n_y, out, at)

    def learn(self, s: Sample) -> None:
        """Put an example, if the sample completes one, into its model's block; learn from that if it is
        full.
        """
        if not s.ready:
            return
        row, n, n_y = s.model, self.n, self.n_y
        place = row * self.batch_size + self.collected[row]
        for i in range(n - 1):
            self.waiting_x[place * n + i] = s.x[self.start + i]
        self.waiting_x[place * n + n - 1] = 1.0
        for h in range(n_y):
            self.waiting_y[place * n_y + h] = s.y[h]
        self.collected[row] += 1
        if self.collected[row] == self.batch_size:
            self.collected[row] = 0
            self.learn_block(row)

    def learn_block(self, row: int) -> None:
        """Learn from a model's block, example by example; the first takes on what the whole block forgets.

        A model forgets nothing while the trace of its covariance is above that of one that has seen nothing:
        where the input has stopped moving, it would only be inflated.
        """
        keep = self.forgetting if self.trace(row) < self.n * self.variance * AT_BOUND else 1.0
        for i in range(self.batch_size):
            self.learn_one(row, row * self.batch_size + i, keep)
            keep = 1.0
        theta = row * self.n * self.n_y
        size = algebra.dot(self.theta, theta, self.theta, theta, self.n * self.n_y)
        if size - size != 0.0:  # not finite
            self.start_anew(row)

    def learn_one(self, row: int, place: int, keep: float) -> None:
        """Learn from one waiting example: a rank-one update.  keep: the weight that all earlier ones keep."""
        n, n_y, px = self.n, self.n_y, self.px
        x, p, theta = place * n, row * self.n_covariance, row * n * n_y
        algebra.symmetric_product(self.covariance, p, self.waiting_x, x, n, px)
        variance = algebra.dot(self.waiting_x, x, px, 0, n) + keep
        algebra.affine(self.waiting_x, x, self.theta, theta, n - 1, n_y, self.errors, 0)
        for h in range(n_y):
            self.errors[h] = (self.waiting_y[place * n_y + h] - self.errors[h]) / variance
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
