import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.experts import GRADIENT_EXPERTS, Linear

N_X, N_Y = 3, 2


def examples(seed, length):
    """Return theta for each run, X and Y."""
    rng = np.random.default_rng(seed)
    m = int(sum(length))
    return rng, rng.normal(size=(m, N_X)), rng.normal(size=(m, N_Y))


def pieces(length):
    """Yield (run, slice of its examples)."""
    end = np.cumsum(length)
    for run, (a, z) in enumerate(zip(end - length, end, strict=True)):
        yield run, slice(a, z)


lengths = st.lists(st.integers(1, 20), min_size=1, max_size=5).map(np.array)


@pytest.mark.parametrize("name", GRADIENT_EXPERTS)
class TestEveryExpert:
    def expert(self, name):
        return GRADIENT_EXPERTS[name](N_X, N_Y, (4, 3))

    def test_starts_as_persistence(self, name):
        expert = self.expert(name)
        theta = expert.initial()
        assert theta.shape == (expert.n_params,)
        _, X, _ = examples(0, [5])
        np.testing.assert_array_equal(expert.predict(theta[None], np.array([5]), X), np.zeros((5, N_Y)))

    def test_says_how_long_theta_is_and_which_of_it_is_held_back(self, name):
        expert = self.expert(name)
        assert expert.penalised().shape == (expert.n_params,)
        assert set(expert.penalised()) <= {0.0, 1.0}

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), length=lengths)
    def test_each_run_is_forecast_by_its_own_model(self, name, seed, length):
        expert = self.expert(name)
        rng, X, _ = examples(seed, length)
        theta = rng.normal(size=(len(length), expert.n_params))
        together = expert.predict(theta, length, X)
        assert together.shape == (len(X), N_Y)
        for run, part in pieces(length):
            alone = expert.predict(theta[[run]], length[[run]], X[part])
            np.testing.assert_allclose(together[part], alone, rtol=1e-12, atol=1e-14)

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), length=lengths)
    def test_squared_errors_are_those_of_its_forecasts(self, name, seed, length):
        expert = self.expert(name)
        rng, X, Y = examples(seed, length)
        theta = rng.normal(size=(len(length), expert.n_params))
        squares, gradient = expert.gradient(theta, length, X, Y)
        errors = expert.predict(theta, length, X) - Y
        expected = [np.sum(errors[part] ** 2) for _, part in pieces(length)]
        assert gradient.shape == (len(length), expert.n_params)
        np.testing.assert_allclose(squares, expected, rtol=1e-12)

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), length=lengths)
    def test_gradient_agrees_with_finite_differences(self, name, seed, length):
        expert = self.expert(name)
        rng, X, Y = examples(seed, length)
        theta = rng.normal(size=(len(length), expert.n_params))
        _, gradient = expert.gradient(theta, length, X, Y)

        def slope(i, step):
            up, down = theta.copy(), theta.copy()
            up[:, i] += step
            down[:, i] -= step
            higher, lower = (expert.gradient(at, length, X, Y)[0] for at in (up, down))
            return (higher - lower) / (2 * step)

        for i in range(expert.n_params):
            wide, narrow = slope(i, 1e-5), slope(i, 0.5e-5)
            smooth = np.isclose(wide, narrow, rtol=1e-6, atol=1e-6)  # relu has a kink: the two differ there
            np.testing.assert_allclose(gradient[smooth, i], wide[smooth], rtol=1e-6, atol=1e-6)

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 60), data=st.data())
    def test_pieces_of_a_mini_batch_sum_to_the_whole(self, name, seed, m, data):
        expert = self.expert(name)
        rng, X, Y = examples(seed, [m])
        theta = rng.normal(size=(1, expert.n_params))
        cut = data.draw(st.integers(1, m - 1))
        whole = expert.gradient(theta, np.array([m]), X, Y)
        head = expert.gradient(theta, np.array([cut]), X[:cut], Y[:cut])
        tail = expert.gradient(theta, np.array([m - cut]), X[cut:], Y[cut:])
        for all_of_it, one, other in zip(whole, head, tail, strict=True):
            np.testing.assert_allclose(one + other, all_of_it, rtol=1e-12, atol=1e-12)

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6))
    def test_a_bound_model_is_the_model_in_that_row(self, name, seed, sizes):
        expert = self.expert(name)
        rng, _, _ = examples(seed, [1])
        theta, slope = np.zeros((1, expert.n_params)), np.full(expert.n_params, np.nan)
        bound = expert.bind(theta[0], slope)
        for size in sizes:
            theta[:] = rng.normal(size=theta.shape)  # it reads what stands there now
            X, Y, length = rng.normal(size=(size, N_X)), rng.normal(size=(size, N_Y)), np.array([size])
            squares, gradient = expert.gradient(theta, length, X, Y)
            assert bound.gradient(X, Y) == pytest.approx(squares[0], rel=1e-12)
            np.testing.assert_allclose(slope, gradient[0], rtol=1e-12, atol=1e-12)
            forecast = expert.predict(theta, length, X)
            np.testing.assert_allclose(bound.predict(X), forecast, rtol=1e-12, atol=1e-12)

    def test_changes_no_argument(self, name):
        expert, length = self.expert(name), np.array([4, 30])
        rng, X, Y = examples(1, length)
        theta = rng.normal(size=(2, expert.n_params))
        before = [array.copy() for array in (theta, length, X, Y)]
        expert.predict(theta, length, X)
        expert.gradient(theta, length, X, Y)
        for array, copy in zip((theta, length, X, Y), before, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_linear_is_x_w_plus_b_with_theta_row_by_row():
    theta = np.array([[1.0, 2.0, 10.0, 20.0, 100.0, 200.0]])  # W = [[1, 2], [10, 20]], b = [100, 200]
    got = Linear(2, 2).predict(theta, np.array([2]), np.array([[1.0, 0.0], [3.0, 1.0]]))
    assert got.tolist() == [[101.0, 202.0], [113.0, 226.0]]


def test_linear_gradient_by_hand():
    # One example, W = 2, b = 1, x = 3, y = 5: error 2, squares 4, dW = 2 * 2 * 3, db = 2 * 2.
    squares, gradient = Linear(1, 1).gradient(
        np.array([[2.0, 1.0]]), np.array([1]), np.array([[3.0]]), np.array([[5.0]])
    )
    assert squares.tolist() == [4.0]
    assert gradient.tolist() == [[12.0, 4.0]]


def test_linear_holds_back_weights_and_not_biases():
    assert Linear(2, 2).penalised().tolist() == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
