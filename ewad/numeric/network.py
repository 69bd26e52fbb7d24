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


class _Way(NamedTuple):
    """The way of m examples forward through the layers and back: buffers, and views on theta and gradient.

    up: (W, b, Z) of each layer; A takes the place of Z.  down: (dW, db, A, W', dA) of each layer above the
    first, the last one first, A and dA being those of the layer below it.  first: (dW, db) of the first
    layer.  errors: dZ of the output.  ones: a column of m.  factor: what makes the sum of gradients that
    of J, as an array of no axes: it multiplies quickest.
    """

    theta: Matrix
    gradient: Matrix
    up: list[tuple[Matrix, Matrix, Matrix]]
    down: list[tuple[Matrix, Matrix, Matrix, Matrix, Matrix]]
    first: Layer
    errors: Matrix
    ones: Matrix
    factor: Matrix


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
    It keeps buffers for, and views on, its arguments of the last sizes, nothing else: parameters are passed
    in. Not for two threads at once.
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
        self._gain = np.array(self._cost.gain, self.dtype)
        self._ways: dict[int, _Way] = {}
        self._losses = self.layers[-1] if self._cost.per_output else 1  # of an example

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
        if X.shape[1] <= BLOCK:
            return self._output_of(theta, X).copy()
        result = np.empty((self.layers[-1], X.shape[1]), dtype=self.dtype)
        for a, z in _blocks(X.shape[1]):
            result[:, a:z] = self._output_of(theta, X[:, a:z])
        return result

    def cost(self, theta: Matrix, X: ArrayLike, Y: ArrayLike, l2: float = 0.0) -> float:
        """Return J. Raises ValueError if X, Y and the layers do not fit, or where there are no examples."""
        X, Y = self._examples(X, Y)
        m: int = X.shape[1]
        total = 0.0
        for a, z in _blocks(m):
            way = self._way(theta, None, z - a)
            Z = self._forward(way, X[:, a:z])
            total += self._cost.total(self._output, Z, Y[:, a:z], way.errors)
        return total / (m * self._losses) + self._penalty(theta, m, l2)

    def gradient(
        self,
        theta: Matrix,
        X: ArrayLike,
        Y: ArrayLike,
        l2: float = 0.0,
        out: Matrix | None = None,
        total: bool = False,
    ) -> tuple[float, Matrix]:
        """Return J and its gradient: (n_params,), written to `out` where given. Raises as cost does.

        total: the losses' sum over examples and outputs, not their mean: parts of a mini-batch add up. Raises
        ValueError with l2 then, of which each part would have all.
        """
        if total and l2:
            raise ValueError(f"l2: expected 0 for sums over a part of a mini-batch, got {l2}")
        X, Y = self._examples(X, Y)
        m: int = X.shape[1]
        gradient = np.empty(self.n_params, dtype=self.dtype) if out is None else out
        if m <= BLOCK:
            way = self._way(theta, gradient, m)
            losses = self._backward(way, X, Y)
            gradient *= self._gain if total else way.factor
        else:
            losses, part = 0.0, np.empty_like(gradient)
            gradient[:] = 0.0
            for a, z in _blocks(m):
                losses += self._backward(self._way(theta, part, z - a), X[:, a:z], Y[:, a:z])
                gradient += part
            gradient *= self._gain if total else self._cost.gain / (m * self._losses)
        J = losses if total else losses / (m * self._losses)
        if l2:
            J += self._penalty(theta, m, l2)
            for (W, _), (dW, _) in zip(self.parameters(theta), self.parameters(gradient), strict=True):
                dW += l2 / m * W
        return J, gradient

    def _output_of(self, theta: Matrix, X: Matrix) -> Matrix:
        """Return A[L] of up to BLOCK examples, in a buffer."""
        Z = self._forward(self._way(theta, None, X.shape[1]), X)
        self._output.apply(Z)
        return Z

    def _forward(self, way: _Way, X: Matrix) -> Matrix:
        """Fill the buffers with A; return the last layer's Z, not yet activated."""
        A = X
        for W, b, Z in way.up:
            if A is not X:
                self._hidden.apply(A)
            W.dot(A, Z)
            Z += b
            A = Z
        return A

    def _backward(self, way: _Way, X: Matrix, Y: Matrix) -> float:
        """Write the gradient of these examples' losses over the cost's gain, and return the sum of losses."""
        dZ, ones = way.errors, way.ones
        total = self._cost.total(self._output, self._forward(way, X), Y, dZ)
        for dW, db, A, W_T, dA in way.down:
            dZ.dot(A.T, dW)
            dZ.dot(ones, db)  # the sum over examples
            W_T.dot(dZ, dA)
            self._hidden.back(dA, A)
            dZ = dA
        dW, db = way.first
        dZ.dot(X.T, dW)
        dZ.dot(ones, db)
        return total

    def _way(self, theta: Matrix, gradient: Matrix | None, m: int) -> _Way:
        """Return the way of m examples; the same again where the very same arrays come again, as in training.

        gradient: None where nobody goes back.
        """
        way = self._ways.get(m)
        if way is None or way.theta is not theta or (gradient is not None and way.gradient is not gradient):
            if m not in self._ways and len(self._ways) == _KEPT_SIZES:
                self._ways.clear()
            if gradient is None:
                gradient = _unwritten(self.n_params, self.dtype)
            way = self._ways[m] = self._new_way(theta, gradient, m)
        return way

    def _new_way(self, theta: Matrix, gradient: Matrix, m: int) -> _Way:
        layers, gradients = self.parameters(theta), self.parameters(gradient)
        buffers = [(np.empty((n, m), self.dtype), np.empty((n, m), self.dtype)) for n in self.layers[1:]]
        if (
            self.output == "identity"
        ):  # dA does not depend on A, and takes its place: one array less in the cache
            buffers[-1] = buffers[-1][0], buffers[-1][0]
        up = [  # a single b is a number: it is added in half the time
            (W, b if len(b) > 1 else b.reshape(()), Z) for (W, b), (Z, _) in zip(layers, buffers, strict=True)
        ]
        down = [
            (dW, db, A, W.T, dA)
            for (W, _), (dW, db), (A, dA) in zip(layers[1:], gradients[1:], buffers[:-1], strict=True)
        ]
        factor = np.array(self._cost.gain / (max(m, 1) * self._losses), self.dtype)
        ones = np.ones((m, 1), self.dtype)
        return _Way(theta, gradient, up, down[::-1], gradients[0], buffers[-1][1], ones, factor)

    def _penalty(self, theta: Matrix, m: int, l2: float) -> float:
        return l2 / (2 * m) * sum(float(np.vdot(W, W)) for W, _ in self.parameters(theta)) if l2 else 0.0

    def _examples(self, X: ArrayLike, Y: ArrayLike) -> tuple[Matrix, Matrix]:
        X, Y = np.asarray(X, self.dtype), np.asarray(Y, self.dtype)
        shape = X.shape
        if len(shape) != 2 or shape[0] != self.layers[0] or Y.shape != (self.layers[-1], shape[1]):
            _check("X", X, self.layers[0])
            _check("Y", Y, self.layers[-1])
            raise ValueError(f"X and Y: expected as many columns, got {X.shape[1]} and {Y.shape[1]}")
        if shape[1] == 0:
            raise ValueError("X: expected examples, got none")
        return X, Y


@lru_cache(maxsize=64)
def _unwritten(n_params: int, dtype: np.dtype[Any]) -> Matrix:
    """Return what stands for a gradient where nobody goes back; shared, since nothing is written to it."""
    nowhere = np.empty(n_params, dtype)
    nowhere.flags.writeable = False
    return nowhere


def _blocks(m: int) -> Iterator[tuple[int, int]]:
    for start in range(0, m, BLOCK):
        yield start, min(start + BLOCK, m)


def _check(name: str, matrix: Matrix, rows: int) -> None:
    if matrix.ndim != 2 or len(matrix) != rows:
        raise ValueError(f"{name}: expected {rows} rows, a column per example, got {matrix.shape}")
