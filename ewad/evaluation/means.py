"""Geometric means over series, and how far they would move with other series of the same kind."""

from __future__ import annotations

import numpy as np

from ewad.kernels.memory import Floats

RESAMPLES = 10_000
SEED = 1  # any: the same series give the same interval
COVERAGE = 0.95


def geometric_mean(ratios: Floats) -> Floats:
    """Return the geometric mean of each column; NaN of no series.  ratios: (n_series, k), positive."""
    if not len(ratios):
        return np.full(ratios.shape[1:], np.nan)
    return np.asarray(np.exp(np.log(ratios).mean(axis=0)))


def bootstrap(ratios: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % interval of each column's geometric mean; NaN of fewer than two series.

    The series are drawn anew with replacement; their quantiles are the ends. Source: Efron 1979.
    """
    n = len(ratios)
    if n < 2:
        nothing = np.full(ratios.shape[1:], np.nan)
        return nothing, nothing
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1.0 / n), RESAMPLES)  # (RESAMPLES, n)
    means = drawn @ np.log(ratios) / n  # (RESAMPLES, k)
    ends = (1.0 - COVERAGE) / 2.0
    low, high = np.exp(np.quantile(means, [ends, 1.0 - ends], axis=0))
    return low, high
