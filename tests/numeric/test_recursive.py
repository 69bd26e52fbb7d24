"""Recursive least squares against weighted ridge regression of all data, solved by numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.recursive import bind, initial_covariance, update


def fit(X, Y, size, forgetting, ridge=2.0, bound=np.inf):
    """Return covariance and theta of k models after all their examples, learnt in blocks of that size."""
    k, n, n_x = X.shape
    covariance = np.tile(initial_covariance(n_x, ridge), (k, 1, 1))
    theta = np.zeros((k, n_x, Y.shape[2]))
    for first in range(0, n, size):
        part = slice(first, first + size)
        update(covariance, theta, X[:, part], Y[:, part], forgetting, bound)
    return covariance, theta


def weighted_ridge(X, Y, size, forgetting, ridge=2.0):
    """Minimise sum of w * error**2 + w0 * ridge * theta**2; a block weighs `forgetting` of each later one."""
    blocks = len(X) // size
    weight = np.repeat(forgetting ** np.arange(blocks - 1.0, -1.0, -1.0), size)[:, None]
    information = X.T @ (weight * X) + forgetting**blocks * ridge * np.eye(X.shape[1])
    return np.linalg.inv(information), np.linalg.solve(information, X.T @ (weight * Y))


def examples(seed, k, n, n_x, n_y):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, n, n_x)), rng.normal(size=(k, n, n_y))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.sampled_from([1, 3, 17]),  # 17: more than are updated at a time
    size=st.sampled_from([1, 2, 8]),
    n_x=st.integers(1, 6),
    n_y=st.integers(1, 3),
    forgetting=st.sampled_from([1.0, 0.99, 0.7]),
)
def test_equals_weighted_ridge_regression_of_all_examples(seed, k, size, n_x, n_y, forgetting):
    X, Y = examples(seed, k, 5 * size, n_x, n_y)
    covariance, theta = fit(X, Y, size, forgetting)
    for i in range(k):
        inverse, solution = weighted_ridge(X[i], Y[i], size, forgetting)
        np.testing.assert_allclose(theta[i], solution, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(covariance[i], inverse, rtol=1e-8, atol=1e-10)


def test_blocks_of_any_size_come_to_the_same_where_nothing_is_forgotten():
    X, Y = examples(1, 2, 24, 4, 2)
    one = fit(X, Y, 1, 1.0)
    for size in (2, 3, 8, 24):
        for got, expected in zip(fit(X, Y, size, 1.0), one, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-13)


def test_one_example_by_hand():
    # P = 1/2, x = 2, y = 3: S = 1 + 2 * 1/2 * 2 = 3; theta = (1/2 * 2) * 3 / 3 = 1; P = 1/2 - 1 * 1 / 3
    covariance, theta = np.full((1, 1, 1), 0.5), np.zeros((1, 1, 1))
    update(covariance, theta, np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 3.0), 1.0, np.inf)
    assert theta[0, 0, 0] == pytest.approx(1.0)
    assert covariance[0, 0, 0] == pytest.approx(1 / 6)


def test_a_bound_model_learns_what_it_learns_beside_others():
    for n_x in range(1, 70):
        X, Y = examples(n_x, 2, 3, n_x, 2)
        bound = float(np.trace(initial_covariance(n_x, 3.0)))  # where every model begins
        covariance, theta = initial_covariance(n_x, 3.0), np.zeros((n_x, 2))
        learn = bind(covariance, theta, 0.99, bound)
        for x, y in zip(X[0], Y[0], strict=True):
            learn(x, y)
        for got, expected in zip((covariance, theta), fit(X, Y, 1, 0.99, 3.0, bound), strict=True):
            np.testing.assert_allclose(got, expected[0], rtol=1e-10, atol=1e-12)


def test_a_bound_model_stays_symmetric_and_bounded_where_the_input_has_stopped():
    X, Y = examples(3, 1, 2000, 4, 1)
    X[0, 400:, 1:] = 0.0  # nothing but the intercept moves any more
    covariance, theta = initial_covariance(4, 2.0), np.zeros((4, 1))
    bound = float(np.trace(covariance))
    learn = bind(covariance, theta, 0.9, bound)
    for x, y in zip(X[0], Y[0], strict=True):
        learn(x, y)
    assert np.array_equal(covariance, covariance.T)
    assert np.trace(covariance) <= bound / 0.9


@pytest.mark.parametrize(("k", "size"), [(1, 1), (3, 1), (3, 8)])
def test_the_covariance_stays_symmetric_to_the_last_bit(k, size):
    X, Y = examples(2, k, 4000, 5, 1)
    X[:, :, 1] = X[:, :, 0] + 1e-6 * X[:, :, 1]  # nearly dependent: where rounding hurts
    covariance, theta = fit(X, Y, size, 0.99)
    assert np.array_equal(covariance, covariance.transpose(0, 2, 1))
    assert np.isfinite(theta).all()
    assert (np.linalg.eigvalsh(covariance) > 0.0).all()


@pytest.mark.parametrize("size", [1, 8])
def test_the_covariance_stays_bounded_where_the_input_has_stopped(size):
    X, Y = examples(3, 1, 2000, 4, 1)
    X[:, 400:, 1:] = 0.0  # nothing but the intercept moves any more
    bound = np.trace(initial_covariance(4, 2.0))
    covariance, _ = fit(X, Y, size, 0.9, bound=bound)
    assert np.trace(covariance[0]) <= bound / 0.9
    unbounded, _ = fit(X, Y, size, 0.9)
    assert np.trace(unbounded[0]) > 1e6 * bound


def test_what_was_forgotten_is_learnt_anew():
    X, Y = examples(4, 1, 2000, 3, 1)
    before, after = np.array([[1.0], [2.0], [3.0]]), np.array([[-1.0], [0.0], [5.0]])
    Y[0, :1000], Y[0, 1000:] = X[0, :1000] @ before, X[0, 1000:] @ after
    np.testing.assert_allclose(fit(X, Y, 4, 0.9)[1][0], after, atol=1e-6)
    assert np.abs(fit(X, Y, 4, 1.0)[1][0] - after).max() > 0.5
