"""The value a season before, against a plain loop, and what a season is found to be."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.seasons import Seasons
from tests.numeric.feed import seasons_before

HOUR, DAY = 3600.0, 86_400.0


def before(time, value, horizons=(1,), season=None, position=None, cuts=()):
    """Feed one stream; return the values a season before, (n, n_horizons), and the owner."""
    time, value = np.asarray(time, float), np.asarray(value, float)
    position = np.arange(len(time)) if position is None else np.asarray(position)
    seasons, found = Seasons(horizons, season, 1), []
    for a, z in pairwise(sorted({0, len(time), *cuts})):
        rows, number = np.zeros(z - a, np.int64), np.arange(a, z)
        found.append(seasons_before(seasons, rows, time[a:z], number, position[a:z], value[a:z]))
    return np.concatenate(found), seasons


def kept(value, place, now):
    """Return a value as it is remembered: what it is off the first one, in single precision."""
    return value[place] if place == now else value[0] + float(np.float32(value[place] - value[0]))


def naive(time, value, horizons, season, position, size):
    found, told, opened = [], season or 0, None
    for i, now in enumerate(time):
        if season is None and i and now // DAY != time[i - 1] // DAY:
            if opened is not None and now // DAY == time[i - 1] // DAY + 1:
                told = i - opened
                told = 7 if told == 1 else told if told <= size else 0
            opened = i
        row = []
        for horizon in horizons:
            ago = -horizon % told if told else math.inf
            row.append(kept(value, i - ago, i) if ago <= position[i] else math.nan)
        found.append(row)
    return found


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 200),
    cuts=st.lists(st.integers(1, 199), max_size=6),
    every=st.sampled_from([0.4 * HOUR, HOUR, 5 * HOUR, DAY, 3 * DAY]),
    season=st.sampled_from([None, None, 2, 5, 24]),
)
def test_any_split_gives_what_a_plain_loop_gives(seed, n, cuts, every, season):
    rng = np.random.default_rng(seed)
    time = 1.6e9 + np.cumsum(every * rng.choice([0.9, 1.0, 1.1, 3.0], n, p=[0.1, 0.7, 0.1, 0.1]))
    value, position = rng.normal(size=n), np.empty(n, np.int64)
    for i, restarts in enumerate(rng.random(n) < 0.02):
        position[i] = 0 if restarts or not i else position[i - 1] + 1
    horizons = (1, 3, 30)
    expected = naive(time.tolist(), value.tolist(), horizons, season, position.tolist(), 1440)
    for these in ([cut for cut in cuts if cut < n], range(1, n)):
        found, _ = before(time, value, horizons, season, position, these)
        np.testing.assert_array_equal(found, np.array(expected))


@pytest.mark.parametrize("most", [1, 15])
def test_streams_of_one_batch_do_not_mix(most):
    rng = np.random.default_rng(3)
    times = [1.6e9 + 3 * HOUR * np.arange(60), 1.6e9 + 4 * HOUR * np.arange(60)]
    values = rng.normal(size=(2, 60))
    seasons, n = Seasons((1, 6), None, 2), np.zeros(2, np.int64)
    found: list[list[np.ndarray]] = [[], []]
    while n.min() < 60:
        series = np.repeat([0, 1], np.minimum(rng.integers(most == 1, most + 1, 2), 60 - n))
        if not len(series):
            continue
        number = n[series] + np.where(
            series == 1, np.arange(len(series)) - np.sum(series == 0), np.arange(len(series))
        )
        time = np.array([times[s][i] for s, i in zip(series, number, strict=True)])
        for stream, row in zip(
            series, seasons_before(seasons, series, time, number, number, values[series, number]), strict=True
        ):
            found[stream].append(row)
        n += np.bincount(series, minlength=2)
    for stream in range(2):
        np.testing.assert_array_equal(found[stream], before(times[stream], values[stream], (1, 6))[0])


@pytest.mark.parametrize(
    ("every", "season"),
    [(60.0, 1440), (300.0, 288), (HOUR, 24), (12 * HOUR, 2), (DAY, 7), (10.0, 0), (7 * DAY, 0)],
)
def test_a_season_is_a_day_of_the_streams_own_samples_and_of_daily_ones_a_week(every, season):
    n = int(3 * DAY / every) + 4
    assert before(1.6e9 + every * np.arange(n), np.zeros(n))[1].season[0] == season


def test_a_season_follows_jitter_and_a_gap_of_days():
    rng = np.random.default_rng(4)
    hours = np.delete(np.arange(24 * 20), slice(24 * 8 + 5, 24 * 11 + 2))
    time = 1.6e9 - 1.6e9 % DAY + HOUR * hours + rng.uniform(60.0, 600.0, len(hours))
    value = np.sin(2.0 * np.pi * hours / 24.0)
    found, seasons = before(time, value)
    assert seasons.season[0] == 24
    ahead = np.sin(2.0 * np.pi * (hours + 1) / 24.0)
    single = 2.0**-23  # values are kept in single precision, off the first one
    np.testing.assert_allclose(found[48 : 24 * 8, 0], ahead[48 : 24 * 8], atol=single)
    np.testing.assert_allclose(found[-24 * 7 :, 0], ahead[-24 * 7 :], atol=single)


@pytest.mark.parametrize("pace", [1.0, 100.0, -7e6, 1e9])
def test_a_stream_that_moves_on_is_remembered_to_a_thousandth_of_its_scale(pace):
    value = 5e9 + pace * np.arange(400.0) + np.sin(np.arange(400.0))
    found, seasons = before(HOUR * np.arange(400), value, (1,), 4)
    error = np.abs(found[20:, 0] - value[17:-3])
    near = np.abs(value[20:] - value[17:-3])  # a value that lies far off is kept as exactly as that
    assert (error <= np.maximum(1e-3, 2.0**-22 * near)).all()
    assert abs(seasons.base[0] - value[-1]) <= 16_384.0


@pytest.mark.parametrize("wrong", [1e9, -1e30, 3.4e38, 1e149])
def test_wrong_values_in_a_row_take_no_digits_of_the_others(wrong):
    value = 20.0 + np.sin(np.arange(200.0))
    value[100:105] = wrong
    found, seasons = before(HOUR * np.arange(200), value, (1,), 24)
    then = np.arange(24, 200) - 23  # samples a season before the next one
    error = np.abs(found[24:, 0] - value[then])
    assert (error[(then < 100) | (then >= 105)] <= 2.0**-20).all()
    assert abs(seasons.base[0] - 20.0) <= 1.0


def test_a_stream_that_stays_far_off_is_remembered_there_as_finely():
    value = np.where(np.arange(200) < 100, 0.0, 1e9) + np.sin(np.arange(200.0))
    found, _ = before(HOUR * np.arange(200), value, (1,), 4)
    assert (np.abs(found[115:, 0] - value[112:-3]) <= 2.0**-20).all()


def test_a_ring_holds_runs_longer_than_itself():
    value = np.arange(50.0)
    found, _ = before(HOUR * np.arange(50), value, (1,), 3, cuts=(40,))  # of 24
    assert found[2:, 0].tolist() == (value[2:] - 2.0).tolist()
