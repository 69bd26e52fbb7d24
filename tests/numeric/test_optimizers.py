import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.optimizers import OPTIMIZERS, Adam, GradientDescent, Momentum, RMSprop, clip_by_norm

# Trajectories of torch's optimizers in float64: {problem/setting: kw, x0, traj [[step, x, y], ...]}.
GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "optimizer_golden.json").read_text())["runs"]


def rosenbrock(theta, _):
    """Return the gradient of (1 - x)**2 + 100 * (y - x**2)**2."""
    x, y = theta
    return np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


def quadratic(theta, _):
    """Return the gradient of (x**2 + 100 * y**2) / 2."""
    return np.array([1.0, 100.0]) * theta


def moving(theta, t):
    """Return the gradient of half the squared distance to a goal that moves with the step t = 1, 2, ..."""
    return theta - np.array([t % 7, -(t % 5)])


PROBLEMS = {"rosenbrock": rosenbrock, "quadratic": quadratic, "moving": moving}

# Settings that are one of our four: the optimizer and the learning rate that torch's keywords mean.
OURS = {
    "sgd": lambda kw: (GradientDescent(), kw["lr"]),
    "sgd_wd": lambda kw: (GradientDescent(), kw["lr"]),  # decay by the gradient: see descend
    "sgd_mom": lambda kw: (Momentum(kw["momentum"], averaged=False), kw["lr"]),
    "sgd_mom_damp": lambda kw: (Momentum(kw["momentum"]), kw["lr"]),  # see descend
    "rmsprop": lambda kw: (RMSprop(kw["alpha"], kw["eps"]), kw["lr"]),
    "rmsprop_ng": lambda kw: (RMSprop(kw["alpha"], kw["eps"]), kw["lr"]),
    "rmsprop_eps1e-2": lambda kw: (RMSprop(kw["alpha"], kw["eps"]), kw["lr"]),
    "adam": lambda kw: (Adam(), kw["lr"]),
    "adam_eps1e-2": lambda kw: (Adam(epsilon=kw["eps"]), kw["lr"]),
    "adam_l2": lambda kw: (Adam(), kw["lr"]),  # decay by the gradient: see descend
    "adamw": lambda kw: (Adam(weight_decay=kw["weight_decay"]), kw["lr"]),
}
# Settings of torch that are other algorithms than the four of the course.
OTHERS = {
    "sgd_nesterov": "looks ahead along the velocity",
    "rmsprop_centered": "divides by the deviation of the gradient, not its root mean square",
    "rmsprop_mom": "adds momentum after the division, without Adam's averaging or bias correction",
    "amsgrad": "divides by the greatest second moment so far",
    "nadam": "Adam with a Nesterov step and a schedule of its own for beta1",
    "adagrad": "sums all squared gradients, forgetting none",
}


def descend(optimizer, problem, x0, rate, steps, weight_decay=0.0, first_gradient_undamped=False):
    """Return {t: theta after step t}; weight_decay is added to the gradient, as L2 regularisation is."""
    theta = np.array(x0)
    state = optimizer.init(theta)
    if first_gradient_undamped:
        # torch starts the velocity from the first gradient itself, undamped: the averaged form at rest there.
        state = (PROBLEMS[problem](theta, 1),)
    path = {}
    for t in range(1, steps + 1):
        gradient = PROBLEMS[problem](theta, t) + weight_decay * theta
        theta, state = optimizer.step(theta, gradient, state, rate)
        path[t] = theta
    return path


def settings_of(problem):
    return {key.split("/")[1] for key in GOLDEN if key.startswith(problem + "/")}


class TestGoldenTrajectories:
    @pytest.mark.parametrize("problem", PROBLEMS)
    def test_every_setting_is_ours_or_said_to_be_another(self, problem):
        assert settings_of(problem) == OURS.keys() | OTHERS.keys()

    @pytest.mark.parametrize("setting", OURS)
    @pytest.mark.parametrize("problem", PROBLEMS)
    def test_met_to_1e_8(self, problem, setting):
        run = GOLDEN[f"{problem}/{setting}"]
        kw = run["kw"]
        optimizer, rate = OURS[setting](kw)
        path = descend(
            optimizer,
            problem,
            run["x0"],
            rate,
            steps=100,
            weight_decay=kw.get("weight_decay", 0.0) if setting != "adamw" else 0.0,
            first_gradient_undamped="dampening" in kw,
        )
        assert [t for t, *_ in run["traj"]] == [1, 2, 3, 10, 100]
        for t, *theta in run["traj"]:
            np.testing.assert_allclose(path[t], theta, rtol=1e-8, atol=1e-8)

    @pytest.mark.parametrize("problem", PROBLEMS)
    def test_torch_momentum_is_the_averaged_form_at_a_rate_divided_by_1_minus_beta(self, problem):
        run = GOLDEN[f"{problem}/sgd_mom"]
        beta, rate = run["kw"]["momentum"], run["kw"]["lr"]
        path = descend(Momentum(beta), problem, run["x0"], rate / (1 - beta), steps=100)
        for t, *theta in run["traj"]:
            np.testing.assert_allclose(path[t], theta, rtol=1e-8, atol=1e-8)

    def test_adam_on_rosenbrock_stands_after_100_steps_where_the_literature_has_it(self):
        end = descend(Adam(), "rosenbrock", [-1.2, 1.0], 0.01, steps=100)[100]
        np.testing.assert_allclose(end, [-1.0435756, 1.0938827], rtol=0, atol=5e-8)


class TestCourseExercise:
    """Improving Deep Neural Networks, week 2, programming assignment: seed 1, learning rate 0.01."""

    @pytest.fixture
    def problem(self):
        rng = np.random.RandomState(1)  # the exercise's own generator
        shapes = [(2, 3), (2, 1), (3, 3), (3, 1)]
        theta = np.concatenate([rng.randn(*shape).ravel() for shape in shapes])
        gradient = np.concatenate([rng.randn(*shape).ravel() for shape in shapes])
        return theta, gradient

    def test_momentum_gives_its_values(self, problem):
        theta, gradient = problem
        optimizer = Momentum(0.9)
        theta, _ = optimizer.step(theta, gradient, optimizer.init(theta), 0.01)
        np.testing.assert_allclose(theta[:3], [1.62544598, -0.61290114, -0.52907334], rtol=0, atol=5e-9)

    def test_adam_at_t_2_gives_its_values(self, problem):
        theta, gradient = problem
        first, second, steps = Adam().init(theta)
        theta, _ = Adam(0.9, 0.999, 1e-8).step(theta, gradient, (first, second, steps + 1), 0.01)
        np.testing.assert_allclose(theta[:3], [1.63178673, -0.61919778, -0.53561312], rtol=0, atol=5e-9)


VARIANTS = {
    **{name: optimizer() for name, optimizer in OPTIMIZERS.items()},
    "momentum, not averaged": Momentum(averaged=False),
    "rmsprop, epsilon inside": RMSprop(epsilon_inside=True),
    "rmsprop, epsilon 0": RMSprop(epsilon=0.0),
    "adam, epsilon 0": Adam(epsilon=0.0),
    "adamw": Adam(weight_decay=0.1),
}


def walk(optimizer, theta, gradients, rate):
    state = optimizer.init(theta)
    for gradient in gradients:
        theta, state = optimizer.step(theta, gradient, state, rate)
    return theta, state


@pytest.mark.parametrize("name", VARIANTS)
class TestEveryOptimizer:
    def test_steps_down_the_gradient(self, name):
        theta = np.array([1.0, -2.0, 3.0])
        moved, _ = walk(VARIANTS[name], theta, [np.sign(theta)], 0.01)
        assert (np.abs(moved) < np.abs(theta)).all()

    def test_finds_the_lowest_point_of_a_bowl(self, name):
        theta, optimizer = np.array([1.0, -1.0]), VARIANTS[name]
        state = optimizer.init(theta)
        for t in range(3000):
            theta, state = optimizer.step(theta, theta * [1.0, 3.0], state, 0.05 / (1 + t / 100))
        assert np.abs(theta).max() < 1e-2

    def test_from_rest_a_zero_gradient_moves_nothing(self, name):
        optimizer = VARIANTS[name]
        theta = np.array([1.0, -2.0]) if not getattr(optimizer, "weight_decay", 0.0) else np.zeros(2)
        moved, _ = walk(optimizer, theta, [np.zeros(2)] * 3, 0.1)
        assert moved.tolist() == theta.tolist()

    def test_leading_axes_are_independent_problems(self, name):
        rng = np.random.default_rng(20)
        theta, gradients = rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 2, 3, 4))
        rate = rng.uniform(0.01, 0.1, (2, 3))
        stacked, _ = walk(VARIANTS[name], theta, gradients, rate)
        for i in np.ndindex(2, 3):
            alone, _ = walk(VARIANTS[name], theta[i], [g[i] for g in gradients], float(rate[i]))
            np.testing.assert_allclose(stacked[i], alone, rtol=1e-14)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("rate", [0.1, np.float64(0.1), np.array(0.1), np.full(3, 0.1)], ids=repr)
    def test_keeps_the_type_of_theta(self, name, dtype, rate):
        theta = np.ones((3, 2), dtype=dtype)
        moved, state = walk(VARIANTS[name], theta, [theta, theta], rate)
        assert moved.dtype == dtype
        assert all(moment.dtype == dtype for moment in state if moment.dtype.kind == "f")

    def test_changes_no_argument(self, name):
        optimizer = VARIANTS[name]
        theta, gradient = np.array([1.0, -2.0]), np.array([0.3, 0.7])
        _, state = walk(optimizer, theta, [gradient], 0.1)  # a state under way
        rate = np.array(0.1)
        before = [array.copy() for array in (theta, gradient, rate, *state)]
        optimizer.step(theta, gradient, state, rate)
        for array, copy in zip((theta, gradient, rate, *state), before, strict=True):
            np.testing.assert_array_equal(array, copy)

    def test_an_update_is_the_step_in_place(self, name):
        optimizer, rng = VARIANTS[name], np.random.default_rng(22)
        theta = rng.normal(size=5)
        state, here = optimizer.init(theta), theta.copy()
        moments = optimizer.init(here)
        for gradient in rng.normal(size=(4, 5)):
            theta, state = optimizer.step(theta, gradient, state, 0.1)
            optimizer.update(here, gradient, moments, 0.1)
        for mine, other in zip((here, *moments), (theta, *state), strict=True):
            np.testing.assert_array_equal(mine, other)

    @pytest.mark.parametrize("shape", [(5,), (1, 5), (3, 5)])
    def test_a_bound_update_is_the_update_of_those_arrays(self, name, shape):
        optimizer, rng = VARIANTS[name], np.random.default_rng(23)
        theta = rng.normal(size=shape)
        state, here = optimizer.init(theta), theta.copy()
        moments = optimizer.init(here)
        update = optimizer.bind(here, moments)
        for gradient in rng.normal(size=(4, *shape)):
            rate = float(rng.uniform(0.01, 0.1)) if len(shape) == 1 else rng.uniform(0.01, 0.1, shape[:-1])
            optimizer.update(theta, gradient, state, rate)
            update(gradient, rate)
        for mine, other in zip((here, *moments), (theta, *state), strict=True):
            np.testing.assert_array_equal(mine, other)
        with pytest.raises(ValueError, match="gradient: expected the shape of theta"):
            update(np.zeros(4), 0.1)

    def test_goes_on_from_rest_after_its_moments_are_zeroed(self, name):
        # As a model that starts anew does; without epsilon that divides nothing by nothing.
        optimizer, gradient = VARIANTS[name], np.array([0.5, 0.0])
        theta = np.zeros(2)
        state = optimizer.init(theta)
        update = optimizer.bind(theta, state)
        update(gradient, 0.1)
        first = theta.copy()
        for array in (theta, *state):
            array[...] = 0
        update(gradient, 0.1)
        assert theta.tolist() == first.tolist()
        assert theta[1] == 0.0

    def test_a_gradient_of_another_shape_raises(self, name):
        optimizer, theta = VARIANTS[name], np.zeros((2, 3))
        for shape in [(3,), (2, 1), (1, 3), (2, 2)]:
            with pytest.raises(ValueError, match="gradient: expected the shape of theta"):
                optimizer.step(theta, np.zeros(shape), optimizer.init(theta), 0.1)


nonzero = st.floats(1e-3, 1e3).flatmap(lambda g: st.sampled_from([g, -g]))
vectors = st.lists(nonzero, min_size=3, max_size=3).map(np.array)


class TestLaws:
    @settings(max_examples=50, deadline=None)
    @given(gradient=vectors, rate=st.floats(1e-6, 1.0))
    def test_first_adam_step_has_size_learning_rate(self, gradient, rate):
        moved, _ = walk(Adam(epsilon=0.0), np.zeros(3), [gradient], rate)
        np.testing.assert_allclose(moved, -rate * np.sign(gradient), rtol=1e-12)

    @settings(max_examples=50, deadline=None)
    @given(
        gradients=st.lists(vectors, min_size=1, max_size=8),
        scale=st.floats(1e-6, 1e6),
        rate=st.floats(0.001, 1),
    )
    def test_adam_without_epsilon_is_invariant_to_the_scale_of_the_gradient(self, gradients, scale, rate):
        a, _ = walk(Adam(epsilon=0.0), np.zeros(3), gradients, rate)
        b, _ = walk(Adam(epsilon=0.0), np.zeros(3), [scale * g for g in gradients], rate)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * rate)

    @settings(max_examples=50, deadline=None)
    @given(gradients=st.lists(vectors, min_size=1, max_size=8), averaged=st.booleans())
    def test_momentum_at_beta_0_is_gradient_descent(self, gradients, averaged):
        a, _ = walk(Momentum(0.0, averaged), np.ones(3), gradients, 0.1)
        b, _ = walk(GradientDescent(), np.ones(3), gradients, 0.1)
        np.testing.assert_array_equal(a, b)

    @settings(max_examples=50, deadline=None)
    @given(gradients=st.lists(vectors, min_size=1, max_size=8))
    def test_adam_is_its_equations(self, gradients):
        beta1, beta2, epsilon, rate = 0.8, 0.99, 1e-3, 0.05
        theta, v, s = np.ones(3), np.zeros(3), np.zeros(3)
        for t, g in enumerate(gradients, start=1):  # Kingma & Ba 2015, Algorithm 1, line by line
            v = beta1 * v + (1 - beta1) * g
            s = beta2 * s + (1 - beta2) * g**2
            theta = theta - rate * (v / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + epsilon)
        got, state = walk(Adam(beta1, beta2, epsilon), np.ones(3), gradients, rate)
        np.testing.assert_allclose(got, theta, rtol=1e-12, atol=1e-12)
        assert state[2] == len(gradients)

    @settings(max_examples=50, deadline=None)
    @given(gradient=vectors)
    def test_rmsprop_does_not_correct_its_bias(self, gradient):
        moved, _ = walk(RMSprop(0.99, 0.0), np.zeros(3), [gradient], 0.1)
        np.testing.assert_allclose(moved, -np.sign(gradient), rtol=1e-12)  # 0.1 / sqrt(1 - 0.99)

    def test_rmsprop_epsilon_stands_outside_the_root_unless_told(self):
        g, root = np.array([2.0]), np.sqrt(0.1) * 2.0
        outside, _ = walk(RMSprop(0.9, 0.5), np.zeros(1), [g], 1.0)
        inside, _ = walk(RMSprop(0.9, 0.5, epsilon_inside=True), np.zeros(1), [g], 1.0)
        np.testing.assert_allclose(outside, -2.0 / (root + 0.5))
        np.testing.assert_allclose(inside, -2.0 / np.sqrt(root**2 + 0.5))

    def test_weight_decay_shrinks_by_rate_times_decay_apart_from_the_gradient(self):
        theta = np.array([10.0, -10.0])
        moved, _ = walk(Adam(weight_decay=0.1), theta, [np.zeros(2)], 0.5)
        np.testing.assert_allclose(moved, theta * (1 - 0.5 * 0.1))

    def test_a_float32_adam_step_agrees_with_float64_to_float32_rounding(self):
        rng = np.random.default_rng(21)
        gradients = rng.normal(size=(50, 8))
        wide, _ = walk(Adam(), np.zeros(8), gradients, 0.01)
        narrow, _ = walk(Adam(), np.zeros(8, np.float32), gradients.astype(np.float32), 0.01)
        np.testing.assert_allclose(narrow, wide, rtol=0, atol=50 * 0.01 * 1e-4)


class TestClipping:
    def test_a_long_gradient_keeps_its_direction_and_gets_the_greatest_length(self):
        np.testing.assert_allclose(clip_by_norm(np.array([3.0, -4.0]), 1.0), [0.6, -0.8], rtol=1e-15)

    def test_a_short_gradient_stays_as_it_is(self):
        for gradient in ([0.3, 0.4], [3.0, 4.0], [0.0, 0.0]):
            assert clip_by_norm(np.array(gradient), 5.0).tolist() == gradient

    def test_each_of_many_problems_is_clipped_by_its_own_length(self):
        gradient = np.array([[3.0, 4.0], [0.3, 0.4]], dtype=np.float32)
        clipped = clip_by_norm(gradient, 1.0)
        assert clipped.dtype == np.float32
        np.testing.assert_allclose(clipped, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)


def test_the_defaults_are_those_of_the_course():
    # A. Ng, Improving Deep Neural Networks, week 2: beta1 0.9, beta2 0.999, epsilon 1e-8, the averaged form;
    # Loshchilov & Hutter's decay is none of it.
    assert Momentum() == Momentum(beta1=0.9, averaged=True)
    assert RMSprop() == RMSprop(beta2=0.999, epsilon=1e-8, epsilon_inside=False)
    assert Adam() == Adam(beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0)
