"""The network of the course: forward, cost and backward on one flat parameter vector.

Examples are columns, as in the course: X is (n_x, m), Y is (n_y, m), and layer l computes
Z[l] = W[l] A[l-1] + b[l], A[l] = g(Z[l]) with W[l] of (n[l], n[l-1]) and b[l] of (n[l], 1).
theta holds W[1], b[1], W[2], b[2], ... flat, each W row by row; so does its gradient.
Sources: A. Ng, Neural Networks and Deep Learning, weeks 3 and 4; He et al. 2015 and Glorot & Bengio 2010 (the
initial weights).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ewad.numeric.names import lookup

Matrix = NDArray[Any]  # float32 or float64, as the network's dtype says
Layer = tuple[Matrix, Matrix]  # W (n_out, n_in), b (n_out, 1)

# Examples pass through in blocks of so many: the activations of a block stay in the processor's cache, and
# the memory of a step is the same for any m.
BLOCK = 1024
# Work buffers are kept for this many sizes of a block: a training's own, its last smaller one, validation's.
_KEPT_SIZES = 3


class Activation(NamedTuple):
    """apply: A = g(Z), in place.  back: dZ = dA * g'(Z), in place on dA, with g' written in A.

    gain: weights start with a variance of gain / n_in.
    """

    apply: Callable[[Matrix], None]
    back: Callable[[Matrix, Matrix], None]
    gain: float


def _identity(Z: Matrix) -> None:
    pass


def _relu(Z: Matrix) -> None:
    np.maximum(Z, 0.0, out=Z)


def _tanh(Z: Matrix) -> None:
    np.tanh(Z, out=Z)


def _sigmoid(Z: Matrix) -> None:
    Z *= 0.5  # 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2, which cannot overflow
    np.tanh(Z, out=Z)
    Z += 1.0
    Z *= 0.5


def _identity_back(dA: Matrix, A: Matrix) -> None:
    pass


def _relu_back(dA: Matrix, A: Matrix) -> None:
    dA *= np.sign(A)  # A >= 0; quicker than a pass over booleans, which are converted


def _tanh_back(dA: Matrix, A: Matrix) -> None:
    dA *= 1.0 - A * A


def _sigmoid_back(dA: Matrix, A: Matrix) -> None:
    dA *= A * (1.0 - A)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_identity, _identity_back, 1.0),
    "relu": Activation(_relu, _relu_back, 2.0),  # He: half of the units are silent
    "sigmoid": Activation(_sigmoid, _sigmoid_back, 1.0),  # Xavier in the course's form
    "tanh": Activation(_tanh, _tanh_back, 1.0),
}


class Cost(NamedTuple):
    """total(output, Z, Y, dZ): turn Z of the output layer into A, write dZ / gain, both in place, and return
    the sum of losses.

    gain: stands before the derivative of a loss.  per_output: a loss is the mean over outputs, not the sum.
    """

    total: Callable[[Activation, Matrix, Matrix, Matrix], float]
    gain: float
    per_output: bool


def _squared_errors(output: Activation, Z: Matrix, Y: Matrix, dZ: Matrix) -> float:
    output.apply(Z)
    np.subtract(Z, Y, out=dZ)
    errors = dZ.ravel()
    squares = float(errors.dot(errors))
    output.back(dZ, Z)
    return squares


def _cross_entropy(output: Activation, Z: Matrix, Y: Matrix, dZ: Matrix) -> float:
    # -y log(a) - (1 - y) log(1 - a) = log(1 + exp(-|z|)) + max(z, 0) - y z, finite for every z
    np.abs(Z, out=dZ)
    np.negative(dZ, out=dZ)
    np.exp(dZ, out=dZ)
    np.log1p(dZ, out=dZ)
    total = float(dZ.sum() + np.maximum(Z, 0.0, out=dZ).sum() - np.vdot(Y, Z))
    output.apply(Z)
    np.subtract(Z, Y, out=dZ)  # the sigmoid's derivative cancels
    return total


COSTS: dict[str, Cost] = {
    "mean_squared_error": Cost(_squared_errors, gain=2.0, per_output=True),
    "binary_cross_entropy": Cost(_cross_entropy, gain=1.0, per_output=False),
}


class _Work(NamedTuple):
    """Buffers for m examples: (A, dA) of each layer above the input, and a column of m ones.

    A and dA of an identity output share an array.
    """

    layers: list[Layer]
    ones: Matrix


@lru_cache(maxsize=64)
def layout(layers: tuple[int, ...]) -> list[tuple[int, int, int, tuple[int, int]]]:
    """Return where each layer's W starts, its b starts and ends in theta, and the shape of W."""
    spans, start = [], 0
    for n_in, n_out in pairwise(layers):
        middle = start + n_in * n_out
        spans.append((start, middle, middle + n_out, (n_out, n_in)))
        start = middle + n_out
    return spans


class Network:
    """Layers of n_x, ..., n_y units; `activation` in the hidden ones, `output` in the last.

    The cost is J = 1/m * sum of losses + l2 / (2m) * sum of ||W[l]||**2 (biases are free). The loss of an
    example is, for mean_squared_error, the mean over its n_y outputs of (a - y)**2, without the half; for
    binary_cross_entropy the sum over its outputs of -y log(a) - (1 - y) log(1 - a), with output="sigmoid".
    It keeps work buffers and the views on its last arguments, nothing else: parameters are passed in. Not for
    two threads at once.
    """

    def __init__(
        self,
        layers: Sequence[int],
        activation: str = "relu",
        output: str = "identity",
        cost: str = "mean_squared_error",
        dtype: DTypeLike = np.float64,
    ) -> None:
        """Raises ValueError for names, sizes or types that are not known here."""
        self.layers = tuple(layers)
        if len(self.layers) < 2 or min(self.layers) < 1:
            raise ValueError(f"layers: expected [n_x, ..., n_y], all positive, got {list(layers)}")
        self.activation, self.output, self.cost_name = activation, output, cost
        self._hidden = lookup(ACTIVATIONS, activation, "activation")
        self._output = lookup(ACTIVATIONS, output, "output")
        self._cost = lookup(COSTS, cost, "cost")
        if cost == "binary_cross_entropy" and output != "sigmoid":
            raise ValueError(f'output: expected "sigmoid" under binary_cross_entropy, got "{output}"')
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {self.dtype}")
        self.n_params = sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.layers))
        self._spans = layout(self.layers)
        self._work: dict[int, _Work] = {}
        self._losses = self.layers[-1] if self._cost.per_output else 1  # of an example
        self._seen: tuple[Matrix, Matrix, tuple[list[Layer], list[Layer]]] | None = None

    def initial(self, rng: np.random.Generator) -> Matrix:
        """Return theta: (n_params,) to start from: W normal, of variance 2/n_in before relu (He) and 1/n_in
        before the others (Xavier); b zero.
        """
        theta = np.zeros(self.n_params, dtype=self.dtype)
        last = len(self.layers) - 2
        for layer, (W, _) in enumerate(self.parameters(theta)):
            gain = (self._output if layer == last else self._hidden).gain
            W[:] = rng.standard_normal(W.shape) * np.sqrt(gain / W.shape[1])
        return theta

    def parameters(self, theta: Matrix) -> list[Layer]:
        """Return (W, b) of each layer, as views on theta or on a gradient."""
        if theta.shape != (self.n_params,):
            raise ValueError(f"theta: expected {(self.n_params,)}, got {theta.shape}")
        return [
            (theta[start:middle].reshape(shape), theta[middle:end].reshape(-1, 1))
            for start, middle, end, shape in self._spans
        ]

    def forward(self, theta: Matrix, X: ArrayLike) -> Matrix:
        """Return A[L]: (n_y, m), a new array."""
        X = np.asarray(X, self.dtype)
        _check("X", X, self.layers[0])
        layers = (
            self._seen[2][0] if self._seen is not None and self._seen[0] is theta else self._layers(theta)
        )
        if X.shape[1] <= BLOCK:
            Z, _ = self._forward(layers, X).layers[-1]
            self._output.apply(Z)
            return Z.copy()
        result = np.empty((self.layers[-1], X.shape[1]), dtype=self.dtype)
        for a, z in _blocks(X.shape[1]):
            Z, _ = self._forward(layers, X[:, a:z]).layers[-1]
            self._output.apply(Z)
            result[:, a:z] = Z
        return result

    def cost(self, theta: Matrix, X: ArrayLike, Y: ArrayLike, l2: float = 0.0) -> float:
        """Return J. Raises ValueError if X, Y and the layers do not fit, or where there are no examples."""
        X, Y = self._examples(X, Y)
        layers = self._layers(theta)
        m: int = X.shape[1]
        total = 0.0
        for a, z in _blocks(m):
            Z, dZ = self._forward(layers, X[:, a:z]).layers[-1]
            total += self._cost.total(self._output, Z, Y[:, a:z], dZ)
        return total / (m * self._losses) + self._penalty(layers, m, l2)

    def gradient(
        self, theta: Matrix, X: ArrayLike, Y: ArrayLike, l2: float = 0.0, out: Matrix | None = None
    ) -> tuple[float, Matrix]:
        """Return J and its gradient: (n_params,), written to `out` where given. Raises as cost does."""
        X, Y = self._examples(X, Y)
        m: int = X.shape[1]
        gradient = np.empty(self.n_params, dtype=self.dtype) if out is None else out
        layers, gradients = self._views(theta, gradient)
        if m <= BLOCK:
            total = self._backward(layers, gradients, X, Y)
        else:
            total = self._backward(layers, gradients, X[:, :BLOCK], Y[:, :BLOCK])
            part = np.empty_like(gradient)
            parts = self.parameters(part)
            for a, z in _blocks(m, BLOCK):
                total += self._backward(layers, parts, X[:, a:z], Y[:, a:z])
                gradient += part
        losses = m * self._losses
        gradient *= self._cost.gain / losses
        J = total / losses
        if l2:
            J += self._penalty(layers, m, l2)
            for (W, _), (dW, _) in zip(layers, gradients, strict=True):
                dW += l2 / m * W
        return J, gradient

    def _forward(self, layers: list[Layer], X: Matrix) -> _Work:
        """Return the work buffers filled with A; in the last layer's A stands Z, not yet activated."""
        work = self._buffers(X.shape[1])
        A = X
        for layer, (W, b) in enumerate(layers):
            if layer:
                self._hidden.apply(A)
            Z = work.layers[layer][0]
            W.dot(A, Z)
            Z += b
            A = Z
        return work

    def _backward(self, layers: list[Layer], gradients: list[Layer], X: Matrix, Y: Matrix) -> float:
        """Write the gradient of these examples' losses over the cost's gain, and return the sum of losses."""
        work, ones = self._forward(layers, X)
        Z, dZ = work[-1]
        total = self._cost.total(self._output, Z, Y, dZ)
        for layer in reversed(range(len(layers))):
            A = work[layer - 1][0] if layer else X
            dW, db = gradients[layer]
            dZ.dot(A.T, dW)
            dZ.dot(ones, db)  # the sum over examples
            if layer:
                dA = work[layer - 1][1]
                layers[layer][0].T.dot(dZ, dA)
                self._hidden.back(dA, A)
                dZ = dA
        return total

    def _buffers(self, m: int) -> _Work:
        work = self._work.get(m)
        if work is None:
            if len(self._work) == _KEPT_SIZES:
                self._work.clear()
            shapes = [(n, m) for n in self.layers[1:]]
            layers = [(np.empty(shape, self.dtype), np.empty(shape, self.dtype)) for shape in shapes]
            if (
                self.output == "identity"
            ):  # dA does not depend on A, and takes its place: one array less in the cache
                layers[-1] = layers[-1][0], layers[-1][0]
            work = self._work[m] = _Work(layers, np.ones((m, 1), self.dtype))
        return work

    def _layers(self, theta: Matrix) -> list[Layer]:
        """Return parameters(theta), a single b as a number: so it is added in half the time."""
        return [(W, b if len(b) > 1 else b.reshape(())) for W, b in self.parameters(theta)]

    def _views(self, theta: Matrix, gradient: Matrix) -> tuple[list[Layer], list[Layer]]:
        """Return the layers of both; at once where the very same arrays come again, as in training."""
        if self._seen is None or self._seen[0] is not theta or self._seen[1] is not gradient:
            self._seen = theta, gradient, (self._layers(theta), self.parameters(gradient))
        return self._seen[2]

    def _penalty(self, layers: list[Layer], m: int, l2: float) -> float:
        return l2 / (2 * m) * sum(float(np.vdot(W, W)) for W, _ in layers) if l2 else 0.0

    def _examples(self, X: ArrayLike, Y: ArrayLike) -> tuple[Matrix, Matrix]:
        X, Y = np.asarray(X, self.dtype), np.asarray(Y, self.dtype)
        m = X.shape[-1] if X.ndim else 0
        if X.shape != (self.layers[0], m) or Y.shape != (self.layers[-1], m):
            _check("X", X, self.layers[0])
            _check("Y", Y, self.layers[-1])
            raise ValueError(f"X and Y: expected as many columns, got {X.shape[1]} and {Y.shape[1]}")
        if m == 0:
            raise ValueError("X: expected examples, got none")
        return X, Y


def _blocks(m: int, first: int = 0) -> Iterator[tuple[int, int]]:
    for start in range(first, m, BLOCK):
        yield start, min(start + BLOCK, m)


def _check(name: str, matrix: Matrix, rows: int) -> None:
    if matrix.ndim != 2 or len(matrix) != rows:
        raise ValueError(f"{name}: expected {rows} rows, a column per example, got {matrix.shape}")
