"""When a forecast crosses a threshold: by hand."""

import math

import numpy as np
import pytest

from ewad.numeric.crossing import Threshold, crossing

HORIZONS = np.array([1.0, 2.0, 4.0])
HOT, FROST = Threshold("hot", True, 30.0), Threshold("frost", False, 0.0)


def told(threshold, last, path, spread=None):
    """Return expected, earliest and latest of one stream; spread: of the bounds around the path."""
    path = np.array([path])
    bounds = (None, None) if spread is None else (path - spread, path + spread)
    return [float(each[0]) for each in crossing(threshold, HORIZONS, np.array([last]), path, *bounds)]


def test_between_two_horizons_the_path_is_straight():
    assert told(HOT, 20.0, [25.0, 28.0, 32.0])[0] == pytest.approx(3.0)  # half of the way from 28 to 32
    assert told(HOT, 20.0, [40.0, 28.0, 32.0])[0] == pytest.approx(0.5)
    assert told(FROST, 2.0, [1.0, -1.0, -9.0])[0] == pytest.approx(1.5)


def test_the_bound_that_comes_first_and_the_one_that_comes_last():
    expected, earliest, latest = told(HOT, 20.0, [25.0, 28.0, 32.0], spread=4.0)
    assert expected == pytest.approx(3.0)
    assert earliest == pytest.approx(1.0 + 1.0 / 3.0)  # 29 at one step, 32 at two
    assert math.isnan(latest)  # 28 at four
    expected, earliest, latest = told(FROST, 2.0, [-1.0, -3.0, -9.0], spread=1.0)
    assert earliest < expected < latest


def test_a_stream_that_is_past_it_crosses_now_and_one_that_does_not_come_there_never():
    assert told(HOT, 31.0, [29.0, 28.0, 27.0], spread=0.5) == [0.0, 0.0, 0.0]
    assert all(map(math.isnan, told(HOT, 20.0, [29.0, 20.0, 29.9], spread=0.05)))


def test_a_peak_counts_though_the_path_returns():
    assert told(HOT, 20.0, [25.0, 35.0, 20.0])[0] == pytest.approx(1.5)


def test_what_is_not_forecast_is_not_known():
    assert all(map(math.isnan, told(HOT, 20.0, [math.nan] * 3, spread=1.0)))
    assert told(HOT, 20.0, [math.nan, 31.0, 40.0])[0] == pytest.approx(2.0)  # from there on
    assert all(map(math.isnan, told(HOT, 20.0, [25.0, 28.0, 32.0])[1:]))  # no bounds


def test_each_stream_has_its_own():
    path = np.array([[25.0, 28.0, 32.0], [20.0, 20.0, 20.0]])
    found = crossing(HOT, HORIZONS, np.array([20.0, 20.0]), path).expected
    np.testing.assert_array_equal(np.isnan(found), [False, True])
