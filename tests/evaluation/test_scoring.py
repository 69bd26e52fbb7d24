"""Forecasts held against what came, by hand and by a second, naive implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.evaluation.means import bootstrap, geometric_mean
from ewad.evaluation.methods import Made, persistence, seasonal_naive
from ewad.evaluation.scoring import ratio, score
from ewad.evaluation.series import in_own_units, series


def of(value, start=0):
    value = np.asarray(value, dtype=np.float64)
    return series("s", 60.0 * np.arange(len(value)), value, start)


def test_errors_are_those_of_the_steps_by_hand():
    # persistence on 0 1 3: after 0 it says 0 0 where 1 3 come; after 1 it says 1 where 3 comes
    found = score(of([0, 1, 3]), persistence(of([0, 1, 3]), 2), (1, 2))
    assert found[1].squared == pytest.approx([(1 + 4) / 2])
    assert found[1].n == 2
    assert found[2].squared == pytest.approx([1, 9])
    assert found[2].absolute == pytest.approx([1, 3])
    assert found[2].n == 1


def test_winkler_is_the_width_and_twenty_times_what_is_outside():
    one = of([0, 5, 0])
    made = Made(0, np.zeros((3, 1)), np.full((3, 1), -1.0), np.full((3, 1), 2.0))
    found = score(one, [made], (1,), coverage=0.9)[1]
    assert found.inside == pytest.approx([0.5])
    assert found.winkler == pytest.approx([(3 + 20 * 3 + 3) / 2])
    assert found.width == pytest.approx([3])


def test_local_coverage_is_the_share_of_windows_of_100_near_what_was_asked_for():
    # of four windows 90, 80, 79 and 100 values are inside; what is left over is none
    outside = [10, 20, 21, 0]
    value = np.concatenate([[0.0], *([9.0] * n + [0.0] * (100 - n) for n in outside), [9.0] * 30])
    one, n = of(value), len(value)
    made = Made(0, np.zeros((n, 2)), np.full((n, 2), -1.0), np.full((n, 2), 1.0))
    pieces = [
        Made(i, made.forecast[i : i + 7], made.lower[i : i + 7], made.upper[i : i + 7])
        for i in range(0, n, 7)
    ]
    for parts in ([made], pieces):
        assert score(one, parts, (1,), coverage=0.9)[1].local == pytest.approx([3 / 4])
    assert np.isnan(score(one, [made], (1,))[1].local).all()  # no intervals are asked for
    assert np.isnan(score(of(value[:90]), [made], (1,), coverage=0.9)[1].local).all()


def test_a_season_is_the_value_at_the_same_place_of_the_last_one():
    value = np.arange(10.0)
    made = np.concatenate([each.forecast for each in seasonal_naive(3)(of(value), 4)])
    # after 5: 3, 4, 5 and 3 again
    assert made[5].tolist() == [3, 4, 5, 3]
    # after 1 there was no season yet: the last value stands for it, or what is there
    assert made[1].tolist() == [1, 0, 1, 1]


def test_where_one_origin_has_no_forecast_there_is_no_figure():
    one = of(np.arange(5.0))
    made = Made(0, np.full((5, 1), np.nan))
    assert np.isnan(score(one, [made], (1,))[1].squared).all()
    late = Made(2, np.zeros((3, 1)))
    assert np.isnan(score(one, [late], (1,))[1].squared).all()


@given(st.lists(st.floats(-100, 100), min_size=8, max_size=30), st.integers(1, 7), st.integers(0, 4))
def test_forecasts_in_any_pieces_score_alike(values, size, start):
    one = of(values, start)
    whole = next(persistence(one, 3)).forecast
    pieces = [Made(i, whole[i : i + size]) for i in range(0, len(whole), size)]
    mine = score(one, pieces, (3,))[3].squared
    naive = [
        np.mean([(values[t] - values[t + h]) ** 2 for t in range(start, len(values) - 3)]) for h in (1, 2, 3)
    ]
    assert mine == pytest.approx(naive, abs=1e-9)


def test_units_are_those_of_the_first_rows():
    found = in_own_units(of([1, 3, 5]), 2)
    assert found.value.tolist() == [-1, 1, 3]


def test_a_ratio_to_nothing_is_told():
    found = ratio(np.array([1.0, 0.0, 2.0, np.nan]), np.array([0.0, 0.0, 4.0, 0.0]))
    assert found.tolist()[:3] == [np.inf, 1.0, 0.5]
    assert np.isnan(found[3])


def test_geometric_mean_and_its_interval():
    ratios = np.array([[0.5], [2.0], [1.0], [1.0]])
    assert geometric_mean(ratios) == pytest.approx([1.0])
    low, high = bootstrap(ratios)
    assert low[0] < 1.0 < high[0]
    assert low[0] > 0.5
    assert bootstrap(ratios)[0] == low  # the same series, the same interval
    assert np.isnan(bootstrap(ratios[:1])).all()


@pytest.mark.slow
def test_the_interval_holds_the_mean_as_often_as_it_says():
    # log-normal ratios around 1: of 200 samples of 20 series about 190 hold it
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        low, high = bootstrap(np.exp(rng.normal(size=(20, 1))))
        held += bool(low[0] <= 1.0 <= high[0])
    assert 175 <= held <= 198
