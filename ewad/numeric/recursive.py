"""Recursive least squares with forgetting, many models at once, a block of examples a step.

Source: Haykin, Adaptive Filter Theory, ch. 10; a block of examples by the Sherman-Morrison-Woodbury identity.
"""

from __future__ import annotations

import numpy as np

from ewad.numeric.recurrence import Floats

# So many models' covariances are updated at a time: they, and their products, stay in the cache.
_CACHED = 16


def initial_covariance(n_x: int, ridge: float) -> Floats:
    """Return P: (n_x, n_x) of a model that has seen nothing; ridge: what its squared parameters cost."""
    return np.eye(n_x) / ridge


def update(covariance: Floats, theta: Floats, X: Floats, Y: Floats, forgetting: float, bound: float) -> None:
    """Let each model learn from its block of examples; covariance and theta change in place.

    covariance: (k, n_x, n_x) symmetric.  theta: (k, n_x, n_y).  X: (k, size, n_x).  Y: (k, size, n_y).
    forgetting: the weight that all earlier examples keep, in (0, 1]. A model forgets nothing while the trace
    of its covariance is above bound: where the input has stopped moving, forgetting would only inflate it.
    """
    for first in range(0, len(theta), _CACHED):
        part = slice(first, first + _CACHED)
        _update(covariance[part], theta[part], X[part], Y[part], forgetting, bound)


def _update(P: Floats, theta: Floats, X: Floats, Y: Floats, forgetting: float, bound: float) -> None:
    size = X.shape[1]
    PX = P @ X.transpose(0, 2, 1)  # (k, n_x, size)
    keep = np.where(np.trace(P, axis1=1, axis2=2) < bound, forgetting, 1.0)[:, None, None]
    S = X @ PX
    S[:, range(size), range(size)] += keep[:, :, 0]
    error = Y - X @ theta  # (k, size, n_y)
    if size == 1:
        theta += PX * (error / S)
        PX /= np.sqrt(S)
        P -= PX * PX.transpose(0, 2, 1)
    else:
        gain = np.linalg.solve(S, PX.transpose(0, 2, 1))  # (k, size, n_x)
        theta += gain.transpose(0, 2, 1) @ error
        P -= PX @ gain
        P += P.transpose(0, 2, 1).copy()  # symmetric to the last bit, for ever
        P *= 0.5
    if keep.min() < 1.0:
        P /= keep
