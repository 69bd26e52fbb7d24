"""The network: its cost by hand, its gradient by finite differences, its shapes as in the course."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric import network
from ewad.numeric.network import ACTIVATIONS, Network


def naive_forward(net, theta, X):
    """Return A[L], a neuron and an example at a time."""
    functions = {
        "identity": lambda z: z,
        "relu": lambda z: max(z, 0.0),
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }
    columns = []
    for x in X.T:
        a, start = list(x), 0
        for layer, n_out in enumerate(net.layers[1:], start=1):
            name = net.output if layer == len(net.layers) - 1 else net.activation
            W = theta[start : start + n_out * len(a)].reshape(n_out, len(a))
            b = theta[start + W.size : start + W.size + n_out]
            start += W.size + n_out
            a = [
                functions[name](sum(w * v for w, v in zip(W[i], a, strict=True)) + b[i]) for i in range(n_out)
            ]
        columns.append(a)
    return np.array(columns).T


def finite_differences(function, theta, step):
    gradient = np.empty_like(theta)
    for i in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[i] += step
        down[i] -= step
        gradient[i] = (function(up) - function(down)) / (2 * step)
    return gradient


shapes = st.lists(st.integers(1, 5), min_size=2, max_size=4)
problems = st.sampled_from(
    [("identity", "mean_squared_error"), ("tanh", "mean_squared_error"), ("sigmoid", "binary_cross_entropy")]
)


class TestGradient:
    @settings(max_examples=60, deadline=None)
    @given(shapes, st.sampled_from(sorted(ACTIVATIONS)), problems, st.integers(1, 7), st.integers(0, 999))
    def test_agrees_with_finite_differences_to_1e_6(self, layers, activation, problem, m, seed):
        output, cost = problem
        net = Network(layers, activation, output, cost)
        rng = np.random.default_rng(seed)
        theta = net.initial(rng) + 0.1 * rng.standard_normal(net.n_params)
        X = rng.standard_normal((layers[0], m))
        Y = rng.standard_normal((layers[-1], m))
        if cost == "binary_cross_entropy":
            Y = (Y > 0).astype(float)
        value, gradient = net.gradient(theta, X, Y, l2=0.3)
        numeric = finite_differences(lambda t: net.cost(t, X, Y, l2=0.3), theta, 1e-6)
        half = finite_differences(lambda t: net.cost(t, X, Y, l2=0.3), theta, 0.5e-6)
        smooth = np.isclose(numeric, half, rtol=1e-4, atol=1e-7)  # relu has a kink: the two differ there
        scale = max(np.linalg.norm(gradient), 1.0)
        assert np.abs(gradient - numeric)[smooth].max(initial=0.0) <= 1e-6 * scale
        assert value == pytest.approx(net.cost(theta, X, Y, l2=0.3), rel=1e-14)

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_in_float32_is_that_of_float64_to_its_rounding(self, activation):
        rng = np.random.default_rng(1)
        wide, narrow = (Network([6, 8, 3], activation, dtype=dtype) for dtype in (np.float64, np.float32))
        theta = wide.initial(rng)
        X, Y = rng.standard_normal((6, 40)), rng.standard_normal((3, 40))
        value, gradient = wide.gradient(theta, X, Y, 0.1)
        value32, gradient32 = narrow.gradient(theta.astype(np.float32), X, Y, 0.1)
        assert gradient32.dtype == np.float32
        assert value32 == pytest.approx(value, rel=1e-5)
        np.testing.assert_allclose(gradient32, gradient, rtol=1e-3, atol=1e-5)

    def test_in_blocks_is_that_of_the_whole(self, monkeypatch):
        rng = np.random.default_rng(2)
        net, X, Y = Network([3, 4, 2]), rng.standard_normal((3, 50)), rng.standard_normal((2, 50))
        theta = net.initial(rng)
        value, gradient = net.gradient(theta, X, Y, 0.2)
        result = net.forward(theta, X)
        monkeypatch.setattr(network, "BLOCK", 7)
        value7, gradient7 = net.gradient(theta, X, Y, 0.2)
        assert value7 == pytest.approx(value, rel=1e-13)
        assert net.cost(theta, X, Y, 0.2) == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(gradient7, gradient, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(net.forward(theta, X), result, rtol=1e-14)

    def test_is_written_where_told(self):
        rng = np.random.default_rng(3)
        net, X, Y = Network([3, 4, 2]), rng.standard_normal((3, 5)), rng.standard_normal((2, 5))
        theta, out = net.initial(rng), np.empty(26)
        _, gradient = net.gradient(theta, X, Y, out=out)
        assert gradient is out
        np.testing.assert_array_equal(net.gradient(theta, X, Y)[1], out)

    def test_of_one_call_is_left_alone_by_the_next(self):
        rng = np.random.default_rng(4)
        net, X, Y = Network([3, 4, 2]), rng.standard_normal((3, 5)), rng.standard_normal((2, 5))
        theta = net.initial(rng)
        _, gradient = net.gradient(theta, X, Y)
        result = net.forward(theta, X)
        kept = gradient.copy(), result.copy()
        net.gradient(theta + 1, X, Y)
        net.forward(theta + 1, X)
        np.testing.assert_array_equal(gradient, kept[0])
        np.testing.assert_array_equal(result, kept[1])


class TestForward:
    @settings(max_examples=30, deadline=None)
    @given(
        shapes, st.sampled_from(sorted(ACTIVATIONS)), st.sampled_from(sorted(ACTIVATIONS)), st.integers(0, 99)
    )
    def test_is_the_sum_over_weights_of_each_neuron(self, layers, activation, output, seed):
        rng = np.random.default_rng(seed)
        net = Network(layers, activation, output)
        theta, X = rng.standard_normal(net.n_params), rng.standard_normal((layers[0], 3))
        np.testing.assert_allclose(
            net.forward(theta, X), naive_forward(net, theta, X), rtol=1e-12, atol=1e-12
        )

    def test_takes_examples_in_either_memory_order(self):
        rng = np.random.default_rng(5)
        net, X = Network([3, 4, 2]), rng.standard_normal((3, 6))
        theta = net.initial(rng)
        expected = net.forward(theta, X)
        np.testing.assert_allclose(net.forward(theta, np.asfortranarray(X)), expected, rtol=1e-14)
        np.testing.assert_allclose(net.forward(theta, np.repeat(X, 2, axis=1)[:, ::2]), expected, rtol=1e-14)

    def test_of_no_examples_is_empty(self):
        net = Network([3, 2])
        assert net.forward(np.zeros(8), np.zeros((3, 0))).shape == (2, 0)

    @pytest.mark.parametrize("output", ["sigmoid", "tanh"])
    def test_saturates_without_overflow(self, output):
        net = Network([1, 1], output=output)
        low = {"sigmoid": 0.0, "tanh": -1.0}[output]
        assert net.forward(np.array([1.0, 0.0]), [[-1e6, 1e6]]).tolist() == [[low, 1.0]]


class TestCost:
    def test_mean_squared_error_is_the_mean_over_examples_and_outputs(self):
        net = Network([1, 2])
        theta = np.zeros(4)
        assert net.cost(theta, [[0.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]]) == (1 + 4 + 9 + 16) / 4

    def test_cross_entropy_of_an_undecided_network_is_log_2_per_output(self):
        net = Network([2, 2], output="sigmoid", cost="binary_cross_entropy")
        value = net.cost(np.zeros(6), np.ones((2, 3)), [[0, 1, 0], [1, 1, 1]])
        assert value == pytest.approx(2 * np.log(2), rel=1e-15)

    def test_cross_entropy_of_a_confident_error_is_its_logit(self):
        net = Network([1, 1], output="sigmoid", cost="binary_cross_entropy")
        assert net.cost(np.array([1.0, 0.0]), [[1000.0]], [[0.0]]) == pytest.approx(1000.0)

    def test_l2_adds_lambda_over_2m_times_the_squared_weights_and_no_biases(self):
        net = Network([1, 1])
        plain = net.cost(np.array([2.0, 5.0]), np.ones((1, 4)), np.ones((1, 4)))
        assert net.cost(np.array([2.0, 5.0]), np.ones((1, 4)), np.ones((1, 4)), l2=0.8) == plain + 0.4


class TestArguments:
    """Buffers and views are kept from call to call: whatever arrays come next, in whatever sizes."""

    def test_may_take_turns(self):
        rng, net = np.random.default_rng(8), Network([3, 4, 2])
        thetas = [rng.normal(size=net.n_params) for _ in range(2)]
        slopes = [np.empty(net.n_params) for _ in range(2)]
        for _ in range(60):
            theta, out = thetas[rng.integers(2)], slopes[rng.integers(2)]
            m = int(rng.choice([1, 2, 5, 9, 1030]))
            X, Y = rng.normal(size=(3, m)), rng.normal(size=(2, m))
            fresh = Network([3, 4, 2])
            np.testing.assert_array_equal(net.forward(theta, X), fresh.forward(theta, X))
            J, gradient = net.gradient(theta, X, Y, l2=0.1, out=out)
            expected, its = fresh.gradient(theta, X, Y, l2=0.1)
            assert gradient is out
            assert expected == J
            np.testing.assert_array_equal(gradient, its)
            assert net.cost(theta, X, Y) == fresh.cost(theta, X, Y)

    @pytest.mark.parametrize("m", [1, 7, 1030])
    def test_in_total_are_sums_over_examples_and_outputs(self, m):
        rng, net = np.random.default_rng(9), Network([3, 4, 2])
        theta, X, Y = rng.normal(size=net.n_params), rng.normal(size=(3, m)), rng.normal(size=(2, m))
        J, gradient = net.gradient(theta, X, Y)
        losses, its = net.gradient(theta, X, Y, total=True)
        assert losses == pytest.approx(2 * m * J, rel=1e-12)
        np.testing.assert_allclose(its, 2 * m * gradient, rtol=1e-12, atol=1e-12)


class TestParameters:
    def test_are_views_on_the_flat_vector(self):
        net = Network([3, 4, 2])
        theta = np.zeros(net.n_params)
        (W1, b1), (W2, b2) = net.parameters(theta)
        assert [W1.shape, b1.shape, W2.shape, b2.shape] == [(4, 3), (4, 1), (2, 4), (2, 1)]
        W1[:], b1[:], W2[:], b2[:] = 1, 2, 3, 4
        assert theta.tolist() == [1.0] * 12 + [2.0] * 4 + [3.0] * 8 + [4.0] * 2

    @pytest.mark.parametrize(("activation", "gain"), [("relu", 2.0), ("tanh", 1.0), ("sigmoid", 1.0)])
    def test_start_with_the_variance_that_suits_the_activation(self, activation, gain):
        net = Network([200, 300, 1], activation)
        (W, b), _ = net.parameters(net.initial(np.random.default_rng(6)))
        assert W.var() == pytest.approx(gain / 200, rel=0.02)
        assert not b.any()

    @pytest.mark.parametrize(("output", "gain"), [("identity", 1.0), ("relu", 2.0), ("sigmoid", 1.0)])
    def test_of_the_output_layer_start_with_the_variance_that_suits_its_own_activation(self, output, gain):
        hidden = "tanh" if output == "relu" else "relu"
        net = Network([2, 200, 300], hidden, output)
        _, (W, b) = net.parameters(net.initial(np.random.default_rng(6)))
        assert W.var() == pytest.approx(gain / 200, rel=0.02)
        assert not b.any()

    def test_start_the_same_from_the_same_generator(self):
        net = Network([3, 4, 2])
        a, b = (net.initial(np.random.default_rng(7)) for _ in range(2))
        np.testing.assert_array_equal(a, b)


class TestRejects:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"layers": [3]}, r"layers: expected \[n_x, ..., n_y\], all positive, got \[3\]"),
            ({"layers": [3, 0, 1]}, "all positive"),
            ({"activation": "rleu"}, 'activation: unknown "rleu"; did you mean "relu"?'),
            ({"output": "softmax"}, "output: unknown .* known: identity, relu, sigmoid, tanh"),
            ({"cost": "mean_square_error"}, 'did you mean "mean_squared_error"?'),
            ({"cost": "binary_cross_entropy"}, 'output: expected "sigmoid" under binary_cross_entropy'),
            ({"dtype": np.int64}, "dtype: expected float32 or float64, got int64"),
        ],
    )
    def test_what_it_does_not_know(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            Network(**{"layers": [3, 1], **arguments})

    @pytest.mark.parametrize(
        ("X", "Y", "message"),
        [
            (np.zeros((2, 4)), np.zeros((1, 4)), r"X: expected 3 rows, a column per example, got \(2, 4\)"),
            (np.zeros(3), np.zeros((1, 1)), r"X: expected 3 rows"),
            (np.zeros((3, 4)), np.zeros((2, 4)), r"Y: expected 1 rows"),
            (np.zeros((3, 4)), np.zeros((1, 5)), "expected as many columns, got 4 and 5"),
            (np.zeros((3, 0)), np.zeros((1, 0)), "expected examples, got none"),
        ],
    )
    def test_examples_that_do_not_fit(self, X, Y, message):
        net = Network([3, 1])
        for function in (net.cost, net.gradient):
            with pytest.raises(ValueError, match=message):
                function(np.zeros(4), X, Y)

    def test_parameters_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"theta: expected \(4,\), got \(5,\)"):
            Network([3, 1]).forward(np.zeros(5), np.zeros((3, 1)))
