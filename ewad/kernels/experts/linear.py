"""A linear model of the features, by gradients: Y = x W + b."""

from __future__ import annotations

import numpy as np

from ewad.kernels import algebra, memory
from ewad.kernels.experts.gradient import GradientExpert
from ewad.kernels.memory import Floats


class LinearKernel(GradientExpert):
    """theta = (W, b) as (n_x + 1, n_y), flat."""

    def prepare(self, n_x: int) -> None:
        """Set the number of features that it sees; before anything else."""
        self.n_x = n_x
        self.array = np.zeros(self.n_outputs)
        self.error = memory.doubles(self.array)

    def predict(self, row: int, x: Floats, x_at: int, out: Floats, at: int) -> None:
        """Write x W + b."""
        algebra.affine(x, x_at + self.start, self.theta, row * self.n, self.n_x, self.n_outputs, out, at)

    def descend(self, row: int, x: Floats, x_at: int, y: Floats, y_at: int, g: int) -> float:
        """Return |x W + b - y|**2; add 2 x' (x W + b - y)."""
        n_y, error = self.n_outputs, self.error
        self.predict(row, x, x_at, error, 0)
        squares = 0.0
        for h in range(n_y):
            error[h] -= y[y_at + h]
            squares += error[h] * error[h]
            error[h] *= 2.0
            self.gradient[g + self.n_x * n_y + h] += error[h]
        algebra.add_product(x, x_at + self.start, error, 0, self.gradient, g, self.n_x, n_y)
        return squares
