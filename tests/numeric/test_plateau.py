"""Plateaus are told from progress and from ways out; a saddle holds gradient descent, not the others."""

import numpy as np
import pytest

from ewad.numeric.optimizers import OPTIMIZERS, Adam, GradientDescent, Momentum
from ewad.numeric.plateau import PlateauDetector
from ewad.numeric.saddle import SADDLE_START, saddle

DETECTOR = PlateauDetector(patience=10, tolerance=0.01, beta=0.5)


def verdicts(costs, norms, detector=DETECTOR):
    state, found = detector.init(), []
    for cost, norm in zip(costs, norms, strict=True):
        plateau, state = detector.step(state, cost, norm)
        found.append(bool(plateau[0]))
    return found


def test_a_cost_that_stands_still_is_a_plateau_after_patience_updates():
    assert verdicts([1.0] * 15, [0.1] * 15) == [False] * 10 + [True] * 5


def test_a_cost_that_falls_by_more_than_the_tolerance_is_none():
    assert not any(verdicts(0.9 ** np.arange(100), [0.1] * 100))


def test_a_cost_that_creeps_is_one():
    assert any(verdicts(0.9999 ** np.arange(100), [0.1] * 100))


def test_it_ends_when_the_cost_falls_again():
    found = verdicts([1.0] * 20 + [0.5] * 5, [0.1] * 25)
    assert found[19]
    assert not found[20]


def test_a_gradient_that_grows_ends_it_before_the_cost_tells():
    norms = [0.1] * 20 + [0.1 * 1.5**i for i in range(1, 10)]
    found = verdicts([1.0] * 29, norms)
    assert found[19]
    assert not found[-1]


def test_costs_below_zero_are_judged_by_their_size_too():
    assert not any(verdicts(-(1.1 ** np.arange(50)), [0.1] * 50))
    assert verdicts([-1.0] * 15, [0.1] * 15)[-1]


def test_noise_around_a_constant_cost_is_a_plateau():
    rng = np.random.default_rng(0)
    found = verdicts(1 + 0.2 * rng.standard_normal(2000), 1 + 0.2 * rng.random(2000), PlateauDetector())
    assert np.mean(found[500:]) > 0.9


def test_many_models_are_judged_each_by_itself():
    rng = np.random.default_rng(1)
    costs, norms = np.abs(np.cumsum(rng.normal(-0.1, 1, (60, 8)), axis=0)) + 5, rng.random((60, 8))
    state, together = DETECTOR.init(8), []
    for cost, norm in zip(costs, norms, strict=True):
        plateau, state = DETECTOR.step(state, cost, norm)
        together.append(plateau)
    alone = np.column_stack([verdicts(costs[:, i], norms[:, i]) for i in range(8)])
    np.testing.assert_array_equal(together, alone)
    assert 0 < alone.sum() < alone.size


def test_a_step_changes_no_argument():
    _, state = DETECTOR.step(DETECTOR.init(2), [1.0, 2.0], [0.1, 0.2])
    before = [array.copy() for array in state]
    DETECTOR.step(state, [3.0, 1.0], [0.1, 0.2])
    for array, copy in zip(state, before, strict=True):
        np.testing.assert_array_equal(array, copy)


class TestSaddle:
    """1 + x**2 - y**2 + y**4 / 4, from beside the ridge: the way down is at first next to flat."""

    RATE = 0.02

    def steps_to_leave(self, optimizer, rate, most=2000):
        theta = np.array(SADDLE_START)
        state = optimizer.init(theta)
        for t in range(most):
            if saddle(theta)[0] < 0.5:
                return t
            theta, state = optimizer.step(theta, saddle(theta)[1], state, rate)
        return most

    def test_gradient_is_that_of_the_surface(self):
        theta, h = np.array([0.3, -0.7]), 1e-6
        for i, e in enumerate(np.eye(2) * h):
            slope = (saddle(theta + e)[0] - saddle(theta - e)[0]) / (2 * h)
            assert saddle(theta)[1][i] == pytest.approx(slope, rel=1e-8)

    def test_gradient_descent_stalls_where_momentum_and_adam_leave(self):
        assert self.steps_to_leave(GradientDescent(), self.RATE) > 300
        # Along a constant slope its steps are as long as theirs at this rate over 1 - beta1.
        assert self.steps_to_leave(Momentum(averaged=False), self.RATE) < 150
        assert self.steps_to_leave(Adam(), self.RATE) < 150

    def test_every_optimizer_leaves_in_the_end(self):
        for optimizer in OPTIMIZERS.values():
            assert self.steps_to_leave(optimizer(), self.RATE) < 1000

    def test_the_detector_calls_the_stay_a_plateau_and_not_the_way_out(self):
        theta, state, found = np.array(SADDLE_START), DETECTOR.init(), {}
        for t in range(600):
            J, gradient = saddle(theta)
            plateau, state = DETECTOR.step(state, J, np.linalg.norm(gradient))
            found[t] = bool(plateau[0])
            theta = theta - self.RATE * gradient
        leaving = self.steps_to_leave(GradientDescent(), self.RATE)
        assert any(found[t] for t in range(leaving))
        assert not found[leaving]
