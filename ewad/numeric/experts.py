"""The forecasting models: how a flat parameter vector turns features into forecasts, and how it learns.

Three kinds: those that need no learning, those that learn by gradients (here), and linear models by recursive
least squares (numeric/recursive.py).

An expert sees standardised features, X: (m, n_x), and forecasts standardised changes, Y: (m, n_y).
Many models of the same kind work side by side: the examples lie in k runs, a run for each model, of
`length` (k,) examples each, and theta: (k, n_params) has one row a run. Squared errors and gradients come
back as sums over each run, so that a mini-batch may be collected in pieces of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ewad.numeric.network import ACTIVATIONS, Network, layout
from ewad.numeric.recurrence import Floats, Integers

RELU = ACTIVATIONS["relu"]

# Runs of examples at least this long, on average, are worth a matrix product each.
_LONG_RUN = 8


_TWO = np.array(2.0)  # an array of no axes multiplies quicker than a number
_TWO.flags.writeable = False


class Bound(NamedTuple):
    """A single model on arrays that are always the same ones: the quicker way to use it again and again.

    predict(X): Y, (m, n_y).  gradient(X, Y): the squared error, summed; its gradient is written to the bound
    one.  m >= 1. Not for two threads at once.
    """

    predict: Callable[[Floats], Floats]
    gradient: Callable[[Floats, Floats], float]


class Expert(Protocol):
    """What every expert that learns by gradients is: a frozen record of its shape with these functions."""

    @property
    def n_params(self) -> int:
        """The length of one model's theta."""

    def initial(self) -> Floats:
        """Return theta: (n_params,) of a model that has learnt nothing yet."""

    def penalised(self) -> Floats:
        """Return (n_params,) 1 where L2 regularisation holds a parameter back, 0 for biases."""

    def predict(self, theta: Floats, length: Integers, X: Floats) -> Floats:
        """Return Y: (m, n_y)."""

    def gradient(self, theta: Floats, length: Integers, X: Floats, Y: Floats) -> tuple[Floats, Floats]:
        """Return squared errors (k,) and their gradients (k, n_params), summed over each run; m >= 1."""

    def bind(self, theta: Floats, gradient: Floats) -> Bound:
        """Return one model that reads theta and writes gradient, both (n_params,)."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Y = X W + b, with theta = (W, b) as (n_x + 1, n_y), flat."""

    n_x: int
    n_y: int

    @property
    def n_params(self) -> int:
        """(n_x + 1) * n_y."""
        return (self.n_x + 1) * self.n_y

    def initial(self) -> Floats:
        """Return zeros: the first forecast is persistence."""
        return np.zeros(self.n_params)

    def penalised(self) -> Floats:
        """Return 1 for W and 0 for b."""
        return np.repeat([1.0, 0.0], [self.n_x * self.n_y, self.n_y])

    def predict(self, theta: Floats, length: Integers, X: Floats) -> Floats:
        """Return X W + b of each example's model."""
        matrix = theta.reshape(-1, self.n_x + 1, self.n_y)  # (k, n_x + 1, n_y)
        if len(length) < len(X):
            matrix = np.repeat(matrix, length, axis=0)  # (m, n_x + 1, n_y)
        return np.asarray(np.einsum("mx,mxy->my", X, matrix[:, :-1]) + matrix[:, -1])

    def gradient(self, theta: Floats, length: Integers, X: Floats, Y: Floats) -> tuple[Floats, Floats]:
        """Return the squared errors and 2 X'(X W + b - Y)."""
        error = self.predict(theta, length, X)  # (m, n_y)
        error -= Y
        sums = np.empty((len(length), self.n_x + 1, self.n_y))
        start = np.cumsum(length) - length
        self._products(start, length, X, error, sums[:, :-1])
        np.add.reduceat(error, start, axis=0, out=sums[:, -1])
        squares = np.add.reduceat(np.vecdot(error, error), start)
        sums *= 2.0
        return squares, sums.reshape(len(length), -1)

    def bind(self, theta: Floats, gradient: Floats) -> Bound:
        """Return one model that reads theta and writes gradient."""
        (W, b), (dW, db) = (
            (flat[: -self.n_y].reshape(-1, self.n_y), flat[-self.n_y :]) for flat in (theta, gradient)
        )

        def predict(X: Floats) -> Floats:
            Y: Floats = X.dot(W)
            np.add(Y, b, Y)
            return Y

        def descend(X: Floats, Y: Floats) -> float:
            error = predict(X)
            np.subtract(error, Y, error)
            errors = error.ravel()
            squares = float(errors.dot(errors))
            np.multiply(error, _TWO, error)
            np.dot(X.T, error, dW)
            if len(X) == 1:
                db[:] = errors
            else:
                np.add.reduce(error, axis=0, out=db)
            return squares

        return Bound(predict, descend)

    def _products(self, start: Integers, length: Integers, X: Floats, error: Floats, out: Floats) -> None:
        """Write X'error of each run to out: (k, n_x, n_y)."""
        if len(X) == len(length):
            np.multiply(X[:, :, None], error[:, None, :], out=out)
            return
        if len(X) < _LONG_RUN * len(length):
            np.add.reduceat(X[:, :, None] * error[:, None, :], start, axis=0, out=out)
            return
        for i, (a, z) in enumerate(zip(start, start + length, strict=True)):
            np.matmul(X[a:z].T, error[a:z], out=out[i])


@dataclass(frozen=True, slots=True)
class NetworkExpert:
    """Y = a network of n_x, *hidden, n_y units; relu in the hidden layers; theta as `Network` lays it out.

    The output layer starts at zero, so that the first forecast is persistence, not noise.
    """

    n_x: int
    n_y: int
    hidden: tuple[int, ...] = (16,)

    @property
    def layers(self) -> tuple[int, ...]:
        """The units of each layer."""
        return (self.n_x, *self.hidden, self.n_y)

    @property
    def n_params(self) -> int:
        """All weights and biases."""
        return layout(self.layers)[-1][2]

    def initial(self) -> Floats:
        """Return He weights, always the same, under an output layer of zeros."""
        network = Network(self.layers)
        theta: Floats = network.initial(np.random.default_rng(0))
        network.parameters(theta)[-1][0][:] = 0.0
        return theta

    def penalised(self) -> Floats:
        """Return 1 for the weights, 0 for the biases."""
        penalised = np.zeros(self.n_params)
        for W, _ in Network(self.layers).parameters(penalised):
            W[:] = 1.0
        return penalised

    def predict(self, theta: Floats, length: Integers, X: Floats) -> Floats:
        """Return the output of each example's network."""
        rectangle = _Rectangle(length)
        return rectangle.unpack(self._forward(self._layers(theta), rectangle.pack(X))[-1])

    def gradient(self, theta: Floats, length: Integers, X: Floats, Y: Floats) -> tuple[Floats, Floats]:
        """Return the squared errors and their gradient by backward propagation."""
        rectangle, layers = _Rectangle(length), self._layers(theta)
        activations = self._forward(layers, rectangle.pack(X))
        error = rectangle.unpack(activations[-1]) - Y  # (m, n_y)
        dZ = rectangle.pack(2.0 * error)  # padding has no error
        gradient = np.empty_like(theta)
        for layer, (dW, db) in reversed(list(enumerate(self._layers(gradient)))):
            A = activations[layer]
            np.matmul(dZ, A.transpose(0, 2, 1), out=dW)
            dZ.sum(axis=2, keepdims=True, out=db)
            if layer:
                dZ = layers[layer][0].transpose(0, 2, 1) @ dZ
                RELU.back(dZ, A)
        squares = np.vecdot(error, error)
        if len(squares) > len(length):
            squares = np.add.reduceat(squares, np.cumsum(length) - length)
        return squares, gradient

    def bind(self, theta: Floats, gradient: Floats) -> Bound:
        """Return one model that reads theta and writes gradient, with work buffers of its own."""
        network = Network(self.layers)
        return Bound(
            lambda X: network.forward(theta, X.T).T,
            lambda X, Y: network.gradient(theta, X.T, Y.T, out=gradient, total=True)[0],
        )

    def _layers(self, theta: Floats) -> list[tuple[Floats, Floats]]:
        """Return W: (k, n_out, n_in) and b: (k, n_out, 1) of each layer, as views on theta."""
        return [
            (theta[:, start:middle].reshape(-1, n_out, n_in), theta[:, middle:end, None])
            for start, middle, end, (n_out, n_in) in layout(self.layers)
        ]

    def _forward(self, layers: list[tuple[Floats, Floats]], X: Floats) -> list[Floats]:
        """Return X and the activations of each layer, (k, n, longest)."""
        activations = [X]
        for W, b in layers:
            Z = W @ activations[-1]
            Z += b
            if len(activations) < len(layers):
                RELU.apply(Z)
            activations.append(Z)
        return activations


class _Rectangle:
    """Runs of examples laid out as (k, n, longest), the examples as columns, zeros where a run is shorter."""

    def __init__(self, length: Integers) -> None:
        self._k, self._longest = len(length), int(np.maximum.reduce(length))
        self._even = self._longest == int(np.minimum.reduce(length))
        if not self._even:
            self._run = np.repeat(np.arange(self._k), length)
            self._rank = np.arange(len(self._run)) - np.repeat(np.cumsum(length) - length, length)

    def pack(self, rows: Floats) -> Floats:
        """Return rows: (m, n) as (k, n, longest)."""
        if self._even:
            return rows.reshape(self._k, self._longest, -1).transpose(0, 2, 1)
        packed = np.zeros((self._k, self._longest, rows.shape[1]))
        packed[self._run, self._rank] = rows
        return packed.transpose(0, 2, 1)

    def unpack(self, packed: Floats) -> Floats:
        """Return (k, n, longest) as rows: (m, n)."""
        rows = packed.transpose(0, 2, 1)
        if self._even:
            return rows.reshape(self._k * self._longest, -1)
        return np.asarray(rows[self._run, self._rank])


# name -> what makes the expert from (n_x, n_y, units of the hidden layers)
GRADIENT_EXPERTS: dict[str, Callable[[int, int, tuple[int, ...]], Expert]] = {
    "linear": lambda n_x, n_y, hidden: Linear(n_x, n_y),
    "network": NetworkExpert,
}
# name -> what the squared parameters of a linear model by recursive least squares cost it
RECURSIVE_EXPERTS: dict[str, float] = {
    "rls": 100.0,  # many features: held back firmly, or it learns the noise of the first thousand samples
    "seasonal": 3.0,  # a handful of features, averages and calendar: it has to be quick
}
# What needs no learning.
FIXED_EXPERTS = ("persistence", "seasonal_naive")
EXPERTS: tuple[str, ...] = (*FIXED_EXPERTS, *GRADIENT_EXPERTS, *RECURSIVE_EXPERTS)
