"""The forecasting models: how a flat parameter vector turns features into forecasts, and how it learns.

An expert sees standardised differences, X: (m, n_x), and forecasts standardised changes, Y: (m, n_y).
Many models of the same kind work side by side: the examples lie in k runs, a run for each model, of
`length` (k,) examples each, and theta: (k, n_params) has one row a run. Squared errors and gradients come
back as sums over each run, so that a mini-batch may be collected in pieces of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ewad.numeric.recurrence import Floats, Integers

# Runs of examples at least this long, on average, are worth a matrix product each.
_LONG_RUN = 8


class Expert(Protocol):
    """What every expert here is: a frozen record of its shape with these functions."""

    @property
    def n_params(self) -> int:
        """The length of one model's theta."""

    def penalised(self) -> Floats:
        """Return (n_params,) 1 where L2 regularisation holds a parameter back, 0 for biases."""

    def predict(self, theta: Floats, length: Integers, X: Floats) -> Floats:
        """Return Y: (m, n_y)."""

    def gradient(self, theta: Floats, length: Integers, X: Floats, Y: Floats) -> tuple[Floats, Floats]:
        """Return squared errors (k,) and their gradients (k, n_params), summed over each run; m >= 1."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """Nothing changes. The yardstick of every forecast; it has no parameters."""

    n_x: int
    n_y: int

    @property
    def n_params(self) -> int:
        """0."""
        return 0

    def penalised(self) -> Floats:
        """Return nothing: (0,)."""
        return np.zeros(0)

    def predict(self, theta: Floats, length: Integers, X: Floats) -> Floats:
        """Return zeros: no change."""
        return np.zeros((len(X), self.n_y))

    def gradient(self, theta: Floats, length: Integers, X: Floats, Y: Floats) -> tuple[Floats, Floats]:
        """Return the squared changes; there is nothing to learn."""
        squares = np.add.reduceat(np.sum(Y * Y, axis=1), np.cumsum(length) - length)
        return squares, np.zeros((len(length), 0))


@dataclass(frozen=True, slots=True)
class Linear:
    """Y = X W + b, with theta = (W, b) as (n_x + 1, n_y), flat."""

    n_x: int
    n_y: int

    @property
    def n_params(self) -> int:
        """(n_x + 1) * n_y."""
        return (self.n_x + 1) * self.n_y

    def penalised(self) -> Floats:
        """Return 1 for W and 0 for b."""
        return np.repeat([1.0, 0.0], [self.n_x * self.n_y, self.n_y])

    def predict(self, theta: Floats, length: Integers, X: Floats) -> Floats:
        """Return X W + b of each example's model."""
        matrix = theta.reshape(-1, self.n_x + 1, self.n_y)  # (k, n_x + 1, n_y)
        if len(length) == 1:
            return np.asarray(X @ matrix[0, :-1] + matrix[0, -1])
        matrix = np.repeat(matrix, length, axis=0)  # (m, n_x + 1, n_y)
        return np.asarray(np.einsum("mx,mxy->my", X, matrix[:, :-1]) + matrix[:, -1])

    def gradient(self, theta: Floats, length: Integers, X: Floats, Y: Floats) -> tuple[Floats, Floats]:
        """Return the squared errors and 2 X'(X W + b - Y)."""
        error = self.predict(theta, length, X) - Y  # (m, n_y)
        sums = np.empty((len(length), self.n_x + 1, self.n_y))
        if len(length) == 1:
            np.matmul(X.T, error, out=sums[0, :-1])
            error.sum(axis=0, out=sums[0, -1])
            squares = np.array([np.vdot(error, error)])
        else:
            start = np.cumsum(length) - length
            self._products(start, length, X, error, sums[:, :-1])
            np.add.reduceat(error, start, axis=0, out=sums[:, -1])
            squares = np.add.reduceat(np.einsum("my,my->m", error, error), start)
        sums *= 2.0
        return squares, sums.reshape(len(length), -1)

    def _products(self, start: Integers, length: Integers, X: Floats, error: Floats, out: Floats) -> None:
        """Write X'error of each run to out: (k, n_x, n_y)."""
        if len(X) < _LONG_RUN * len(length):
            np.add.reduceat(X[:, :, None] * error[:, None, :], start, axis=0, out=out)
            return
        for i, (a, z) in enumerate(zip(start, start + length, strict=True)):
            np.matmul(X[a:z].T, error[a:z], out=out[i])


EXPERTS: dict[str, type[Persistence | Linear]] = {"persistence": Persistence, "linear": Linear}
