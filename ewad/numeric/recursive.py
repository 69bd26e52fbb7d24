"""Recursive least squares with forgetting, many models at once, a block of examples a step.

Source: Haykin, Adaptive Filter Theory, ch. 10; a block of examples by the Sherman-Morrison-Woodbury identity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ewad.numeric.recurrence import Floats

# So many models' covariances are updated at a time: they, and their products, stay in the cache.
_CACHED = 16
# What has learnt nothing yet is at the bound, in whatever order its trace is summed up.
_AT_BOUND = 1.0 - 1e-9
_ALL_KEPT = np.ones((1, 1, 1))


def initial_covariance(n_x: int, ridge: float) -> Floats:
    """Return P: (n_x, n_x) of a model that has seen nothing; ridge: what its squared parameters cost."""
    return np.eye(n_x) / ridge


def update(
    covariance: Floats, theta: Floats, X: Floats, Y: Floats, forgetting: float, trace_bound: float
) -> None:
    """Let each model learn from its block of examples; covariance and theta change in place.

    covariance: (k, n_x, n_x) symmetric.  theta: (k, n_x, n_y).  X: (k, size, n_x).  Y: (k, size, n_y).
    forgetting: the weight that all earlier examples keep, in (0, 1]. A model forgets nothing while the trace
    of its covariance is above trace_bound: where the input has stopped moving, it would only be inflated.
    """
    trace_bound *= _AT_BOUND
    for first in range(0, len(theta), _CACHED):
        part = slice(first, first + _CACHED)
        step = _by_one if X.shape[1] == 1 else _by_block
        step(covariance[part], theta[part], X[part], Y[part], forgetting, trace_bound)


def bind(P: Floats, theta: Floats, forgetting: float, trace_bound: float) -> Callable[[Floats, Floats], None]:
    """Return what lets one model learn from one example, x: (n_x,) and y: (n_y,): `update` on arrays that are
    always the same ones, in a third of its time. Not for two threads at once.
    """
    trace_bound *= _AT_BOUND
    diagonal, ones = P.reshape(-1)[:: len(P) + 1], np.ones(len(P))
    square, grow = np.empty_like(P), np.array(1.0 / forgetting)

    def learn(x: Floats, y: Floats) -> None:
        keep = forgetting if diagonal.dot(ones) < trace_bound else 1.0
        Px = P.dot(x)
        s = float(x.dot(Px)) + keep
        column, row = Px[:, None], Px[None]
        error = np.subtract(y, x.dot(theta))
        error /= s
        np.add(theta, column.dot(error[None]), theta)
        np.multiply(Px, s**-0.5, Px)
        np.dot(column, row, square)
        np.subtract(P, square, P)
        if keep != 1.0:
            np.multiply(P, grow, P)  # a product takes a third of a quotient's time

    return learn


def _by_one(P: Floats, theta: Floats, X: Floats, Y: Floats, forgetting: float, trace_bound: float) -> None:
    """Learn from one example a model: a rank-one update."""
    PX = P @ X.transpose(0, 2, 1)  # (k, n_x, 1)
    keep = _kept(P, forgetting, trace_bound)
    S = X @ PX
    S += keep
    error = Y - X @ theta  # (k, 1, n_y)
    error /= S
    theta += PX * error
    PX /= np.sqrt(S)
    P -= _squared(PX)
    if keep is not _ALL_KEPT:
        P /= keep


def _by_block(P: Floats, theta: Floats, X: Floats, Y: Floats, forgetting: float, trace_bound: float) -> None:
    """Learn from a block of examples a model: an update of the block's rank."""
    PX = P @ X.transpose(0, 2, 1)  # (k, n_x, size)
    keep = _kept(P, forgetting, trace_bound)
    S = X @ PX
    diagonal = np.arange(S.shape[1])
    S[:, diagonal, diagonal] += keep[:, :, 0]
    gain = np.linalg.solve(S, PX.transpose(0, 2, 1))  # (k, size, n_x)
    theta += gain.transpose(0, 2, 1) @ (Y - X @ theta)
    P -= PX @ gain
    P += P.transpose(0, 2, 1).copy()  # symmetric to the last bit, for ever
    P *= 0.5
    if keep is not _ALL_KEPT:
        P /= keep


def _squared(columns: Floats) -> Floats:
    """Return the product of each column with itself, (k, n, n); columns: (k, n, 1)."""
    products = np.empty((*columns.shape[:2], columns.shape[1]))
    for column, product in zip(columns, products, strict=True):
        np.dot(column, column.T, product)  # a third of the time of one broadcast product
    return products


def _kept(P: Floats, forgetting: float, trace_bound: float) -> Floats:
    """Return the weight, (k, 1, 1), that earlier examples keep; one object where no model forgets."""
    trace = np.einsum("kii->k", P)
    if forgetting == 1.0 or np.minimum.reduce(trace) >= trace_bound:
        return _ALL_KEPT
    return np.where(trace < trace_bound, forgetting, 1.0)[:, None, None]
