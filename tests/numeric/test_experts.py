"""Experts that learn, by samples, against the course's network, finite differences and ridge regression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.engine import recursive_learner
from ewad.engine.examples import WaitingExamples
from ewad.engine.learner import Learner
from ewad.engine.recursive_learner import RecursiveLearner
from ewad.engine.settings import ModelSettings
from ewad.kernels.sample import Sample
from ewad.numeric.experts import GRADIENT_EXPERTS, NEAR, Linear
from ewad.numeric.network import Network

N_X, N_Y = 3, 2
MANY = 10**6  # examples in a mini-batch that never ends


class Learning:
    """A learner, and what takes in the examples that it learns from."""

    def __init__(self, examples, learner):
        self.examples, self.learner = examples, learner

    def __getattr__(self, name):
        return getattr(self.learner, name)

    def teach(self, sample):
        self.examples.step.observe(sample)
        self.step.teach(sample)


def learning(shape, n_models=1, start=0, batch_size=MANY, together=1):
    """Return one by gradients."""
    settings = ModelSettings(batch_size=batch_size, horizons=tuple(range(1, shape.n_y + 1)))
    examples = WaitingExamples(start + shape.n_x, shape.n_y, together, n_models)
    return Learning(examples, Learner(settings, examples, shape, start, shape.n_y, n_models))


def learner_of(name, n_models=1, start=0, **batches):
    shape = GRADIENT_EXPERTS[name](N_X, N_Y, (4, 3))
    return shape, learning(shape, n_models, start, **batches)


def sample_of(n_x, n_y, x, y=None, model=0):
    """Return a sample that completes the example (x, y), and whose own features are x too."""
    sample = Sample(n_x, n_y, 1)
    sample.arrays[0][:] = sample.arrays[1][:] = x
    if y is not None:
        sample.arrays[2][:] = y
    sample.model, sample.ready, sample.warm = model, 1, 1
    return sample


def waiting(numbers):
    """Return numbers as they are after they have waited for a mini-batch."""
    return numbers.astype(np.float32).astype(np.float64)


def forecast(learner, x, model=0):
    out = np.empty(learner.theta.shape[-1] if learner.theta.ndim == 3 else N_Y)
    learner.step.say(sample_of(len(x), len(out), x, model=model), out)
    return out


def descend(learner, X, Y):
    """Return squared errors and gradient, summed over examples, of model 0."""
    learner.squares[0] = learner.gradient_sum[0] = 0.0
    for x, y in zip(X, Y, strict=True):
        learner.teach(sample_of(X.shape[1], Y.shape[1], x, y))
    return float(learner.squares[0]), learner.gradient_sum[0].copy()


def examples(seed, m):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(m, N_X)), rng.normal(size=(m, N_Y))


@pytest.mark.parametrize("name", [name for name in GRADIENT_EXPERTS if name != NEAR])
class TestByGradients:
    def test_starts_as_persistence(self, name):
        shape, learner = learner_of(name)
        assert shape.initial().shape == (shape.n_params,)
        assert forecast(learner, [1.0, -2.0, 3.0]).tolist() == [0.0, 0.0]

    def test_says_which_parameters_are_held_back(self, name):
        shape, _ = learner_of(name)
        assert shape.penalised().shape == (shape.n_params,)
        assert set(shape.penalised()) <= {0.0, 1.0}

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_each_row_is_a_model_of_its_own(self, name, seed):
        _, learner = learner_of(name, 3)
        rng, X, Y = examples(seed, 3)
        learner.theta[:] = rng.normal(size=learner.theta.shape)
        _, alone = learner_of(name)
        for model, (x, y) in enumerate(zip(X, Y, strict=True)):
            alone.theta[0] = learner.theta[model]
            assert forecast(learner, x, model).tolist() == forecast(alone, x).tolist()
            learner.teach(sample_of(N_X, N_Y, x, y, model))
            assert (
                learner.gradient_sum[model].tolist()
                == descend(alone, [x] @ np.eye(3), Y[[model]])[1].tolist()
            )

    def test_sees_the_columns_from_its_first_one_on(self, name):
        rng, X, Y = examples(3, 1)
        (_, whole), (_, part) = learner_of(name), learner_of(name, start=2)
        whole.theta[:] = part.theta[:] = rng.normal(size=whole.theta.shape)
        wide = np.array([[9.0, 9.0, *X[0]]])
        assert descend(part, wide, Y)[1].tolist() == descend(whole, X, Y)[1].tolist()
        assert forecast(part, wide[0]).tolist() == forecast(whole, X[0]).tolist()

    def test_learns_the_same_from_examples_one_by_one_and_together(self, name):
        X, Y = (waiting(each) for each in examples(7, 21)[1:])
        _, single = learner_of(name, 2, batch_size=4)
        _, together = learner_of(name, 2, batch_size=4, together=4)
        for i, (x, y) in enumerate(zip(X, Y, strict=True)):
            for learner in (single, together):
                learner.teach(sample_of(N_X, N_Y, x, y, 1 if i % 3 else 0))
        assert single.batches.tolist() == [1, 3]
        assert single.collected.tolist() == [3, 2]
        for array in ("theta", "batches", "loss_sum", "gradient_norm", "moment_0", "moment_1"):
            assert getattr(together, array).tolist() == getattr(single, array).tolist()

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 9))
    def test_gradient_agrees_with_finite_differences(self, name, seed, m):
        shape, learner = learner_of(name)
        rng, X, Y = examples(seed, m)
        theta = rng.normal(size=shape.n_params)
        learner.theta[0] = theta
        squares, gradient = descend(learner, X, Y)
        errors = np.array([forecast(learner, x) for x in X]) - Y
        assert squares == pytest.approx(np.sum(errors**2), rel=1e-12)

        def slope(i, step):
            costs = []
            for move in (step, -step):
                learner.theta[0] = theta
                learner.theta[0, i] += move
                costs.append(descend(learner, X, Y)[0])
            return (costs[0] - costs[1]) / (2 * step)

        for i in range(shape.n_params):
            wide, narrow = slope(i, 1e-5), slope(i, 0.5e-5)
            if np.isclose(wide, narrow, rtol=1e-6, atol=1e-6):  # relu has a kink: the two differ there
                assert gradient[i] == pytest.approx(wide, rel=1e-5, abs=1e-5)


def test_the_network_is_that_of_the_course():
    shape, learner = learner_of("network")
    rng, X, Y = examples(5, 20)
    learner.theta[0] = rng.normal(size=shape.n_params)
    network = Network(shape.layers)
    cost, gradient = network.gradient(learner.theta[0], X.T, Y.T, total=True)
    squares, mine = descend(learner, X, Y)
    assert squares == pytest.approx(cost, rel=1e-12)
    np.testing.assert_allclose(mine, gradient, rtol=1e-10, atol=1e-12)
    out = network.forward(learner.theta[0], X.T).T
    np.testing.assert_allclose([forecast(learner, x) for x in X], out, rtol=1e-12)


def test_linear_is_x_w_plus_b_with_theta_row_by_row():
    learner = learning(Linear(2, 2))
    learner.theta[0] = 1.0, 2.0, 10.0, 20.0, 100.0, 200.0  # W = [[1, 2], [10, 20]], b = [100, 200]
    assert forecast(learner, [1.0, 0.0]).tolist() == [101.0, 202.0]
    assert forecast(learner, [3.0, 1.0]).tolist() == [113.0, 226.0]


def test_linear_gradient_by_hand():
    # One example, W = 2, b = 1, x = 3, y = 5: error 2, squares 4, dW = 2 * 2 * 3, db = 2 * 2.
    learner = learning(Linear(1, 1))
    learner.theta[0] = 2.0, 1.0
    squares, gradient = descend(learner, np.array([[3.0]]), np.array([[5.0]]))
    assert squares == 4.0
    assert gradient.tolist() == [12.0, 4.0]


def test_linear_holds_back_weights_and_not_biases():
    assert Linear(2, 2).penalised().tolist() == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def fit(monkeypatch, X, Y, size, forgetting, ridge=2.0):
    """Return what a model has learnt after all its examples, in blocks of that size, and its covariance."""
    monkeypatch.setattr(recursive_learner, "FORGETTING", forgetting ** (1.0 / size))
    examples = WaitingExamples(X.shape[1], Y.shape[1], size, 2)
    learner = Learning(examples, RecursiveLearner(examples, 0, X.shape[1], Y.shape[1], ridge, 2))
    for x, y in zip(X, Y, strict=True):
        learner.teach(sample_of(X.shape[1], Y.shape[1], x, y, model=1))
    covariance = np.zeros((X.shape[1] + 1, X.shape[1] + 1))
    covariance[np.tril_indices(len(covariance))] = learner.covariance[1]
    covariance += np.tril(covariance, -1).T
    return learner, covariance


def weighted_ridge(X, Y, size, forgetting, ridge=2.0):
    """Minimise sum of w * error**2 + w0 * ridge * theta**2; a block weighs `forgetting` of each later one.

    For the first block nothing is forgotten: the covariance is at its bound.
    """
    X = np.column_stack([X, np.ones(len(X))])
    blocks = len(X) // size
    weight = np.repeat(forgetting ** np.arange(blocks - 1.0, -1.0, -1.0), size)[:, None]
    information = X.T @ (weight * X) + forgetting ** (blocks - 1) * ridge * np.eye(X.shape[1])
    return np.linalg.inv(information), np.linalg.solve(information, X.T @ (weight * Y))


@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (6, 3)])
@pytest.mark.parametrize("forgetting", [1.0, 0.99])
def test_recursive_least_squares_are_weighted_ridge_regression(monkeypatch, size, shape, forgetting):
    rng = np.random.default_rng(size)
    X, Y = waiting(rng.normal(size=(5 * size, shape[0]))), waiting(rng.normal(size=(5 * size, shape[1])))
    learner, covariance = fit(monkeypatch, X, Y, size, forgetting)
    inverse, solution = weighted_ridge(X, Y, size, forgetting)
    np.testing.assert_allclose(learner.theta[1], solution, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(covariance, inverse, rtol=1e-8, atol=1e-10)
    assert not learner.theta[0].any()
    x = rng.normal(size=shape[0])
    np.testing.assert_allclose(forecast(learner, x, 1), np.append(x, 1.0) @ learner.theta[1], rtol=1e-12)


def test_the_covariance_stays_positive_where_features_nearly_depend(monkeypatch):
    X, Y = np.random.default_rng(2).normal(size=(4000, 5)), np.random.default_rng(3).normal(size=(4000, 1))
    X[:, 1] = X[:, 0] + 1e-6 * X[:, 1]
    for size in (1, 8):
        learner, covariance = fit(monkeypatch, X, Y, size, 0.99)
        assert np.isfinite(learner.theta).all()
        assert (np.linalg.eigvalsh(covariance) > 0.0).all()


def test_the_covariance_stays_bounded_where_the_input_has_stopped(monkeypatch):
    X, Y = np.random.default_rng(2).normal(size=(2000, 4)), np.random.default_rng(3).normal(size=(2000, 1))
    X[400:] = 0.0  # nothing but the intercept moves any more
    _, covariance = fit(monkeypatch, X, Y, 1, 0.9)
    assert np.trace(covariance) <= 5 / 2.0 / 0.9


def test_what_was_forgotten_is_learnt_anew(monkeypatch):
    X = np.random.default_rng(4).normal(size=(2000, 3))
    before, after = np.array([[1.0], [2.0], [3.0]]), np.array([[-1.0], [0.0], [5.0]])
    Y = np.vstack([X[:1000] @ before, X[1000:] @ after])
    np.testing.assert_allclose(fit(monkeypatch, X, Y, 4, 0.9)[0].theta[1, :3], after, atol=1e-6)
    assert np.abs(fit(monkeypatch, X, Y, 4, 1.0)[0].theta[1, :3] - after).max() > 0.5
