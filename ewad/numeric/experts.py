"""The forecasting models: how a flat parameter vector turns features into forecasts, and how it learns.

An expert sees standardised differences, X: (m, n_x), and forecasts standardised changes, Y: (m, n_y).
Many models of the same kind learn side by side: theta is (n_models, n_params), and `model` says which
row each example belongs to. Squared errors and gradients come back as sums over the examples, so that a
mini-batch may be collected in pieces of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ewad.numeric.recurrence import Floats, Integers

# Squared errors (k,), their gradients (k, n_params), and the models (k,) that these are of.
Sums = tuple[Floats, Floats, Integers]

# Runs of examples at least this long, on average, are worth a matrix product each.
_LONG_RUN = 8


class Expert(Protocol):
    """What every expert here is: a frozen record of its shape with these functions."""

    @property
    def n_params(self) -> int:
        """The length of one model's theta."""

    def penalised(self) -> Floats:
        """Return (n_params,) 1 where L2 regularisation holds a parameter back, 0 for biases."""

    def predict(self, theta: Floats, model: Integers, X: Floats) -> Floats:
        """Return Y: (m, n_y). theta: (n_models, n_params); model: (m,) ascending; X: (m, n_x)."""

    def gradient(self, theta: Floats, model: Integers, X: Floats, Y: Floats) -> Sums:
        """Return the sums over the examples of each of the k models that have any."""


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

    def predict(self, theta: Floats, model: Integers, X: Floats) -> Floats:
        """Return zeros: no change."""
        return np.zeros((len(X), self.n_y))

    def gradient(self, theta: Floats, model: Integers, X: Floats, Y: Floats) -> Sums:
        """Return the squared changes; there is nothing to learn."""
        models, start = np.unique(model, return_index=True)
        return np.add.reduceat(np.sum(Y * Y, axis=1), start), np.zeros((len(models), 0)), models


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

    def _matrices(self, theta: Floats) -> tuple[Floats, Floats]:
        matrix: Floats = theta.reshape(-1, self.n_x + 1, self.n_y)
        return matrix[:, :-1], matrix[:, -1]

    def predict(self, theta: Floats, model: Integers, X: Floats) -> Floats:
        """Return X W + b of each example's model."""
        W, b = self._matrices(theta)
        if len(X) and model[0] == model[-1]:
            return np.asarray(X @ W[model[0]] + b[model[0]])
        return np.asarray(np.einsum("mx,mxy->my", X, W[model]) + b[model])

    def gradient(self, theta: Floats, model: Integers, X: Floats, Y: Floats) -> Sums:
        """Return the squared errors and 2 X'(X W + b - Y), summed by model."""
        error = self.predict(theta, model, X) - Y  # (m, n_y)
        if model[0] == model[-1]:
            start, models = np.zeros(1, dtype=np.int64), model[:1]
        else:
            start = np.flatnonzero(np.diff(model, prepend=-1))
            models = model[start]
        sums = np.empty((len(models), self.n_x + 1, self.n_y))
        if len(X) >= _LONG_RUN * len(models):
            for i, (a, z) in enumerate(zip(start, [*start[1:], len(X)], strict=True)):
                np.matmul(X[a:z].T, error[a:z], out=sums[i, :-1])
        else:
            np.add.reduceat(X[:, :, None] * error[:, None, :], start, axis=0, out=sums[:, :-1])
        np.add.reduceat(error, start, axis=0, out=sums[:, -1])
        squares = np.add.reduceat(np.einsum("my,my->m", error, error), start)
        return squares, (2.0 * sums).reshape(len(models), -1), models


EXPERTS: dict[str, type[Persistence | Linear]] = {"persistence": Persistence, "linear": Linear}
