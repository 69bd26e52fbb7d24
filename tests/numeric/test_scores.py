"""Scores of forecasts: sums by hand, any split into batches, and the part that is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.numeric.calendar import season_of
from ewad.numeric.scores import BLOCKS, Scores

NAN = np.nan


def feed(scores, value, forecast, lower=None, upper=None, restart=None, cuts=()):
    """Feed one stream, cut at these places. forecast: (n, n_horizons)."""
    value, forecast = np.asarray(value, float), np.asarray(forecast, float)
    nothing = np.full_like(forecast, NAN)
    made = np.stack(
        [forecast, *(nothing if a is None else np.asarray(a, float) for a in (lower, upper))], axis=2
    )
    for part in np.split(np.arange(len(value)), sorted(cuts)):
        if len(part):
            begins = np.zeros(len(value), dtype=bool) if restart is None else np.asarray(restart)
            scores.update(np.zeros(len(part), dtype=np.int32), value[part], made[part], begins[part])
    return scores


def test_errors_are_means_over_the_values_that_came():
    # forecasts of 1, 4, 2 for the values 3, 4, 6 after a first 2: errors 2, 0, 4; steps 1, 1, 2
    scores = feed(Scores((1,), None, 1), [2.0, 3.0, 4.0, 6.0], [[1.0], [4.0], [2.0], [9.0]])
    score = scores.score(0.0)
    assert score.scored[0, 0] == 3
    assert score.mse[0, 0] == pytest.approx((4 + 0 + 16) / 3)
    assert score.mae[0, 0] == pytest.approx((2 + 0 + 4) / 3)
    assert score.mase[0, 0] == pytest.approx((2 + 0 + 4) / (1 + 1 + 2))
    assert score.skill[0, 0] == pytest.approx(1 - 20 / (1 + 1 + 4))
    assert np.isnan(score.seasonal_skill[0, 0])
    assert np.isnan(score.coverage[0, 0])


def test_a_forecast_is_held_against_the_value_of_its_horizon():
    scores = feed(Scores((2,), None, 1), [1.0, 2.0, 5.0, 7.0], [[4.0], [7.0], [0.0], [0.0]])
    score = scores.score(0.0)
    assert score.scored[0, 0] == 2
    assert score.mse[0, 0] == pytest.approx(((5 - 4) ** 2 + 0) / 2)
    assert score.skill[0, 0] == pytest.approx(1 - 1 / ((5 - 1) ** 2 + (7 - 2) ** 2))


@pytest.mark.parametrize(("horizon", "ago"), [(1, 3), (3, 3), (4, 6)])
def test_the_seasonal_naive_forecast_is_the_last_season_known_when_it_is_made(horizon, ago):
    value = np.array([1.0, 4.0, 2.0, 7.0, 3.0, 9.0, 5.0, 8.0])
    scores = feed(Scores((horizon,), 3, 1), value, np.zeros((8, 1)))
    both = np.arange(max(ago, horizon), 8)
    expected = 1 - np.sum(value[both] ** 2) / np.sum((value[both] - value[both - ago]) ** 2)
    assert scores.score(0.0).seasonal_skill[0, 0] == pytest.approx(expected)


def test_coverage_counts_values_inside_and_width_is_their_mean():
    lower, upper = [[0.0], [3.0], [0.0], [0.0]], [[5.0], [4.0], [9.0], [9.0]]
    scores = feed(Scores((1,), None, 1), [2.0, 3.0, 4.5, 6.0], np.zeros((4, 1)), lower, upper)
    score = scores.score(0.0)
    assert score.coverage[0, 0] == pytest.approx(2 / 3)
    assert score.width[0, 0] == pytest.approx((5 + 1 + 9) / 3)


def test_nothing_is_scored_across_a_gap():
    restart = [False, False, True, False, False]
    scores = feed(Scores((1,), None, 1), [1.0, 2.0, 50.0, 51.0, 52.0], np.zeros((5, 1)), restart=restart)
    score = scores.score(0.0)
    assert score.scored[0, 0] == 3
    assert score.mse[0, 0] == pytest.approx((2**2 + 51**2 + 52**2) / 3)


def test_missing_forecasts_are_not_scored():
    scores = feed(Scores((1,), None, 1), [1.0, 2.0, 3.0], [[NAN], [3.0], [NAN]])
    assert scores.score(0.0).scored[0, 0] == 1
    assert scores.score(0.0).mse[0, 0] == 0.0


def test_the_first_share_of_the_samples_is_left_out():
    value = np.arange(100.0)
    scores = feed(Scores((1,), None, 1), value, np.zeros((100, 1)))
    score = scores.score(0.25)
    assert score.first[0] == 25
    assert score.scored[0, 0] == 75
    assert score.mse[0, 0] == pytest.approx(np.mean(value[25:] ** 2))


@pytest.mark.parametrize("n", [BLOCKS, BLOCKS + 1, 1000, 7267])
def test_a_long_stream_is_left_out_of_to_a_64th_in_bounded_memory(n):
    value = np.arange(float(n))
    scores = feed(Scores((1,), None, 1), value, np.zeros((n, 1)))
    score = scores.score(0.25)
    first = int(score.first[0])
    assert 0.25 * n <= first <= 0.25 * n + n / 64 + 1
    assert score.scored[0, 0] == n - first
    assert score.mse[0, 0] == pytest.approx(np.mean(value[first:] ** 2))


@given(seed=st.integers(0, 1000), n=st.integers(1, 400), data=st.data())
def test_any_split_into_batches_gives_the_same_scores(seed, n, data):
    rng = np.random.default_rng(seed)
    value, forecast = rng.normal(size=n), rng.normal(size=(n, 2))
    restart = rng.random(n) < 0.05
    cuts = data.draw(st.lists(st.integers(0, n), max_size=6))
    at_once, in_parts = (
        feed(Scores((1, 3), 5, 1), value, forecast, forecast - 1, forecast + 1, restart, pieces).score(0.25)
        for pieces in ((), cuts)
    )
    for name in ("scored", "mse", "mae", "mase", "skill", "seasonal_skill", "coverage", "width", "first"):
        np.testing.assert_allclose(getattr(in_parts, name), getattr(at_once, name), rtol=1e-9, atol=1e-12)


def test_streams_do_not_see_each_other():
    scores = Scores((1,), None, 1)
    scores.grow(2)
    stream = np.array([1, 0, 1, 0], dtype=np.int32)
    value = np.array([10.0, 1.0, 30.0, 2.0])
    made = np.full((4, 1, 3), NAN)
    made[:, 0, 0] = np.array([20.0, 2.0, 0.0, 0.0])
    scores.update(stream, value, made, np.zeros(4, dtype=bool))
    np.testing.assert_array_equal(scores.score(0.0).mse[:, 0], [0.0, 100.0])


@pytest.mark.parametrize(
    ("interval", "season"),
    [(3600, 24), (900, 96), (60, 1440), (1, None), (86400, 7), (7 * 86400, None), (0, None)],
)
def test_a_season_is_a_day_or_of_daily_samples_a_week(interval, season):
    assert season_of(interval) == season


def test_the_winkler_score_is_the_width_and_twenty_times_what_is_outside():
    lower, upper = [[0.0], [3.0], [0.0]], [[5.0], [4.0], [9.0]]
    scores = feed(Scores((1,), None, 1, 0.9), [2.0, 3.0, 4.5], np.zeros((3, 1)), lower, upper)
    assert scores.score(0.0).winkler[0, 0] == pytest.approx((5 + 1 + 20 * 0.5) / 2)


@pytest.mark.parametrize("cuts", [[], [1, 150, 151], range(1, 451, 7)])
def test_local_coverage_is_that_of_each_hundred_intervals(cuts):
    inside = np.concatenate([np.arange(100) >= missed for missed in (0, 12, 20, 21)])  # 1, .88, .8, .79
    value = np.concatenate([[0.0], np.where(inside, 0.0, 5.0), np.zeros(50)])  # the last 50 fill no window
    ends = np.ones((len(value), 1))
    score = feed(Scores((1,), None, 1, 0.9), value, 0 * ends, -ends, ends, cuts=cuts).score(0.0)
    assert score.local_coverage[0, 0] == pytest.approx(3 / 4)
    assert score.worst_coverage[0, 0] == pytest.approx(0.79)


def test_the_worst_window_is_kept_when_blocks_are_joined():
    value = np.zeros(20 * BLOCKS)
    value[500:600] = 5.0
    ends = np.ones((len(value), 1))
    scores = feed(Scores((1,), None, 1, 0.9), value, 0 * ends, -ends, ends)
    assert scores.score(0.0).worst_coverage[0, 0] <= 0.5
    assert scores.score(0.5).worst_coverage[0, 0] == 1.0
