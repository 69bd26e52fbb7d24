"""The columns of the features, by hand."""

from itertools import pairwise

import numpy as np
import pytest

from ewad.engine.features import Columns, Features, columns, n_features, sample_of
from ewad.engine.settings import ModelSettings
from ewad.kernels.experts.fixed import SeasonalNaiveKernel

DAY = 86_400.0


def seen(value, time=None, restart=None, cuts=(), scale=2.0, ranged=(-np.inf, np.inf), **model):
    """Return the examples of one stream, of a constant scale, as arrays of all samples, and the features.

    ranged: where it had been before.
    """
    settings = ModelSettings(**{"lags": 3, "horizons": (1, 2), "features": "full", **model})
    value = np.asarray(value, float)
    time = np.arange(float(len(value))) * 3600.0 if time is None else np.asarray(time, float)
    features, parts, sample = Features(settings, 1), [], sample_of(settings)
    naive = None
    if features.seasons is not None:
        naive = SeasonalNaiveKernel(len(settings.horizons), features.seasons.step)
    edges = sorted({0, len(value), *cuts})
    for a, z in pairwise(edges):
        for i in range(a, z):
            sample.row, sample.time, sample.value, sample.steady = 0, time[i], value[i], value[i]
            sample.local = time[i]
            sample.expected, sample.scale = value[i], scale
            sample.lowest, sample.highest = ranged
            features.step.observe(sample, restart is not None and bool(restart[i]))
            said = np.zeros(len(settings.horizons))
            if naive is not None:
                features.seasons.step.observe(sample)
                naive.say(sample, said)
            X, X_now, Y = (array.copy() for array in sample.arrays)
            parts.append({"X": X, "X_now": X_now, "Y": Y, "seasonal_naive": said, "ready": sample.ready})
    return {name: np.array([part[name] for part in parts]) for name in parts[0]}, settings, features


VALUE = [10.0, 11.0, 9.0, 13.0, 12.0, 30.0, 31.0]


def test_lags_are_differences_in_scales_bounded_newest_last():
    got, _, _ = seen(VALUE, features="lags")
    assert got["X_now"][4].tolist() == [-1.0, 2.0, -0.5]
    assert got["X_now"][5].tolist() == [2.0, -0.5, 4.0]  # 9 scales, bounded
    assert got["X"][6].tolist() == got["X_now"][4].tolist()  # two earlier: where the example begins


def test_targets_are_changes_from_there_bounded_by_the_root_of_the_horizon():
    got, _, _ = seen(VALUE, features="lags", lags=2)
    assert got["Y"][4].tolist() == [2.0, 1.5]  # from 9: to 13, to 12
    assert got["Y"][6].tolist() == [5.0, pytest.approx(5.0 * 2**0.5)]  # from 12: 9 and 9.5 scales


@pytest.mark.parametrize("ranged", [(5.0, 20.0), (5.0, 60.0)])
@pytest.mark.parametrize("step", [41.0, 39.0, -41.0, -39.0])
def test_of_the_examples_with_a_jump_to_somewhere_new_only_the_one_right_before_it_teaches(step, ranged):
    value = np.full(20, 10.0)
    value[10:] += step  # 40 is 20 scales: no more is an outlier
    got, _, _ = seen(value, features="lags", lags=2, horizons=(1, 4), ranged=ranged)
    new = abs(step) > 40.0 and not ranged[0] <= 10.0 + step <= ranged[1]
    # Samples 6 to 9 are followed by the jump within four, and are examples when those have come.
    left_out = [10, 11, 12] if new else []
    assert np.flatnonzero(got["ready"] == 0).tolist() == [*range(6), *left_out]


def test_the_columns_of_the_context_by_hand():
    time = 1000 * DAY + np.arange(7) * DAY / 4
    got, settings, _ = seen(VALUE, time)
    X = got["X_now"][2]  # at noon of a day
    week = 2 * np.pi * (1000.5 / 7)
    np.testing.assert_allclose(X[:2], [np.sin(week), np.cos(week)], atol=1e-9)
    beta = np.array([0.9, 0.99, 0.998])
    mean = (beta**2 * 10.0 + beta * 11.0 + 9.0) / (1 + beta + beta**2)
    np.testing.assert_allclose(X[5:8], (9.0 - mean) / [3.0, 7.0, 16.0] / 2.0)
    np.testing.assert_allclose(X[8:12], [0.0, 0.0, -1.0, 1.0], atol=1e-9)  # sin, sin 2, cos, cos 2 of noon
    year = 2 * np.pi * 1000.5 / 365.25
    np.testing.assert_allclose(X[12:14], [np.sin(year), np.cos(year)], atol=1e-9)
    assert X[14] == (9.0 - 10.0) / 5.0 / 2.0  # the level
    np.testing.assert_allclose(X[15:17], [np.sin(2 * year), np.cos(2 * year)], atol=1e-9)
    lag, level, deviation = X[4], X[14], X[5:7]
    annual = X[12:14]
    np.testing.assert_allclose(X[17:19], 0.4 * annual * level)
    np.testing.assert_allclose(X[19:21], 0.4 * annual * lag)
    np.testing.assert_allclose(X[21:23], 0.4 * deviation**2)
    np.testing.assert_allclose(X[23:25], 0.4 * deviation * np.abs(deviation))
    assert X.shape == (3 + 14 + 8,)
    assert lag == -1.0
    assert settings.lags == 3


def test_the_seasonal_expert_sees_the_newest_lags_the_context_and_the_crossed_ones():
    settings = ModelSettings(lags=60, features="full")
    seasonal, others = columns(settings, "seasonal"), columns(settings, "linear")
    assert (others.start, others.stop) == (0, n_features(60, "full")) == (0, 71)
    assert (seasonal.start, seasonal.stop) == (2 + 58, 60 + 14 + 8)
    assert n_features(60, "lags") == 60


def test_a_season_that_is_set_is_counted_in_samples():
    got, _, _ = seen(VALUE, season=4)
    np.testing.assert_allclose(got["X_now"][1, 8:12], [1.0, 0.0, 0.0, -1.0], atol=1e-9)
    np.testing.assert_allclose(got["X_now"][5, 8:12], got["X_now"][1, 8:12], atol=1e-9)


def test_the_seasonal_naive_forecast_is_the_value_a_season_before_and_the_last_while_there_is_none():
    got, _, _ = seen(VALUE, season=4, horizons=(1, 6))
    said = np.array(VALUE)[:, None] + 2.0 * got["seasonal_naive"]
    assert said[4].tolist() == [11.0, 9.0]  # 3 before; 6 ahead is 2 ahead of a season: 2 before
    assert said[1].tolist() == [11.0, 11.0]


RECALLING = {"experts": ("persistence", "linear", "seasonal_naive"), "scale": 4.0}


def around(value, number, back):
    """Return the changes around the slot after a sample, so many samples before, in scales of 4."""
    places = number + 1 - back + np.arange(-3, 5)
    return (value[places] - value[places - 1]) / 4.0


@pytest.mark.parametrize(
    ("season", "lags", "back"), [(24, 3, 24), (24, 24, 168), (30, 24, 30), (7, 3, 7), (300, 3, 300)]
)
def test_all_experts_see_the_changes_around_the_same_slot_a_season_before_or_a_week_of_them(
    season, lags, back
):
    value = np.cumsum(np.random.default_rng(2).normal(size=back + 60)).round(3)
    got, settings, _ = seen(value, season=season, lags=lags, **RECALLING)
    assert columns(settings, "linear") == Columns(0, lags + 11 + 8)
    assert columns(settings, "seasonal").start == max(2 + 8, 2 + 8 + lags - 2)
    for number in range(back + 3, len(value)):
        np.testing.assert_allclose(got["X_now"][number, 2:10], around(value, number, back), atol=1e-6)
        np.testing.assert_array_equal(got["X"][number, 2:10], got["X_now"][number - 2, 2:10])
    assert not got["X_now"][: back - 5, 2:10].any()  # nothing so far back
    assert got["X_now"][back - 4, 2:9].tolist() == [0.0] * 7
    assert got["X_now"][back - 4, 9] == pytest.approx((value[1] - value[0]) / 4.0)
    lagged = (value[-1] - value[-2]) / 4.0
    np.testing.assert_allclose(got["X_now"][-1, 10 + lags - 1], lagged)  # the lags stand behind them


def test_a_season_that_is_found_is_recalled_and_a_restarted_window_recalls_nothing_before_it():
    n = 24 * 5
    value = np.cumsum(np.random.default_rng(2).normal(size=n)).round(3)
    restart = np.arange(n) == 80
    got, _, features = seen(value, restart=restart, **RECALLING)
    assert features.seasons.season[0] == 24
    for number in (60, 79):
        np.testing.assert_allclose(got["X_now"][number, 2:10], around(value, number, 24), atol=1e-6)
    assert not got["X_now"][80 : 80 + 20, 2:10].any()
    for number in (80 + 27, n - 1):
        np.testing.assert_allclose(got["X_now"][number, 2:10], around(value, number, 24), atol=1e-6)


def test_of_a_week_of_days_that_the_lags_hold_nothing_is_recalled():
    value = np.cumsum(np.random.default_rng(2).normal(size=200))
    got, _, features = seen(value, DAY * np.arange(200), lags=10, **RECALLING)
    assert features.seasons.season[0] == 7
    assert not got["X_now"][:, 2:10].any()


def test_without_a_memory_of_seasons_nothing_is_recalled():
    settings = ModelSettings(lags=3, features="full", experts=("persistence", "linear"))
    assert not settings.recalls
    assert not ModelSettings(experts=("linear", "seasonal_naive")).recalls  # sees lags alone
    assert columns(settings, "linear") == Columns(0, 3 + 11)


def test_a_restarted_window_counts_its_samples_anew_and_averages_go_on():
    restart = np.array([False, False, False, True, False, False, False])
    for cuts in ((), (3,), range(7)):
        got, _, features = seen(VALUE, restart=restart, cuts=cuts)
        assert (features.position[0], features.count[0]) == (4, 7)
        assert features.weights[0, 0] == pytest.approx(np.sum(0.9 ** np.arange(7)))
        assert features.level[0] == pytest.approx(VALUE[-1] - VALUE[0])
        plain, _, _ = seen(VALUE)
        np.testing.assert_allclose(got["X_now"], plain["X_now"], atol=1e-12)


def test_averages_and_the_level_follow_no_change_further_than_ten_scales_and_no_doubted_one():
    spiked = [*VALUE, 55.0, 55.0, 31.0, 1e6, 1e6, 31.0]
    level = seen(spiked)[0]["X_now"][:, -11]  # before the year's shape and what is crossed
    np.testing.assert_allclose(level[-7:], np.array([21.0, 41.0, 41.0, 21.0, 21.0, 21.0, 21.0]) / 10.0)


@pytest.mark.parametrize("cuts", [(1,), (2, 5), range(7)])
def test_columns_are_the_same_however_the_samples_are_cut(cuts):
    whole, pieces = seen(VALUE, season=3)[0], seen(VALUE, season=3, cuts=cuts)[0]
    for name, array in whole.items():
        np.testing.assert_allclose(pieces[name], array, atol=1e-12)
