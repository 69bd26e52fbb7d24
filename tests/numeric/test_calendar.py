import numpy as np
import pytest

from ewad.numeric.calendar import DAY, harmonics


def test_quarters_of_a_period_by_hand():
    expected = [  # sin, sin 2, cos, cos 2
        [0.0, 0.0, 1.0, 1.0],
        [1.0, 0.0, 0.0, -1.0],
        [0.0, 0.0, -1.0, 1.0],
        [-1.0, 0.0, 0.0, -1.0],
    ]
    np.testing.assert_allclose(harmonics(np.array([0.0, 0.25, 0.5, 0.75]), 2), expected, atol=1e-12)


@pytest.mark.parametrize("period", [1, 7, 20_000, -3])
def test_whole_periods_change_nothing(period):
    phase = np.array([0.1, 0.6])
    np.testing.assert_allclose(harmonics(phase + period, 3), harmonics(phase, 3), atol=1e-9)


def test_two_moments_of_the_same_hour_are_alike_and_noon_is_opposite_to_midnight():
    time = np.array([1.6e9, 1.6e9 + 300 * DAY, 1.6e9 + DAY / 2])
    day = harmonics(time / DAY, 1)
    np.testing.assert_allclose(day[1], day[0], atol=1e-9)
    np.testing.assert_allclose(day[2], -day[0], atol=1e-9)


def test_harmonics_of_a_whole_period_have_no_mean_and_no_common_part():
    X = harmonics(np.arange(48) / 48, 2)
    np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(X.T @ X, 24.0 * np.eye(4), atol=1e-10)
