"""The memory of slots, through the stack that hears it, against values that are known."""

import numpy as np
import pytest

from ewad.engine import GroupSettings
from ewad.engine.settings import ModelSettings, auto
from ewad.numeric.slots import MOST_ANCHORS, anchors_of
from tests.engine.scenarios import Samples, new_engine, observe_in_pieces

HOUR, DAY = 3600.0, 86400.0


def slots_after(time, value, **settings):
    """Return the memory of one stream after these samples."""
    model = ModelSettings(experts=("stack",), lags=2, horizons=(1,), share="stream", **settings)
    engine = new_engine(GroupSettings("g", model=model), 1)
    engine.observe(Samples(np.zeros(len(value), int), np.asarray(time), np.asarray(value, float)).batch())
    return engine.groups[0].forecaster.slots


@pytest.mark.parametrize(
    ("every", "periods"),
    [
        (60.0, [DAY, 7 * DAY]),
        (HOUR, [DAY, 7 * DAY]),
        (DAY, [7 * DAY, 365.25 * DAY]),
        (30 * DAY, [365.25 * DAY, 0.0]),
    ],
)
def test_the_two_shortest_periods_of_use_are_found(every, periods):
    assert slots_after(every * np.arange(20), np.zeros(20)).period[0].tolist() == periods


def test_periods_that_are_set_are_remembered_instead():
    found = slots_after(HOUR * np.arange(20), np.zeros(20), seasons=(8 * HOUR, DAY, 7 * DAY))
    assert found.period[0].tolist() == [8 * HOUR, DAY, 7 * DAY]


def test_the_interval_is_found_in_spite_of_jitter_and_gaps():
    rng = np.random.default_rng(1)
    time = 60.0 * np.arange(500) + rng.uniform(-2.0, 2.0, 500)
    time = time[rng.random(500) > 0.1]
    found = slots_after(time, np.zeros(len(time)))
    assert found.interval[0] == pytest.approx(60.0, rel=0.02)


def test_a_stream_without_an_interval_has_no_memory():
    time = np.cumsum(np.random.default_rng(2).exponential(60.0, 500))
    assert slots_after(time, np.zeros(500)).every[0] == 0.0


def test_what_an_outlier_shows_is_not_remembered():
    value = np.random.default_rng(3).normal(size=200)
    spiked = value.copy()
    spiked[150] = 1e6
    plain, with_spike = (slots_after(HOUR * np.arange(200), each) for each in (value, spiked))
    same = np.isclose(plain.kept[0, :, :, 0], with_spike.kept[0, :, :, 0], rtol=0, atol=1e-9, equal_nan=True)
    assert (~same).sum() <= 2 * 2  # that sample, and the move to the next one that is believed


def test_all_horizons_have_errors_or_as_many_as_may_be():
    assert anchors_of((1, 2, 7)) == (1, 2, 7)
    found = anchors_of(tuple(range(1, 49)))
    assert len(found) <= MOST_ANCHORS
    assert (found[0], found[-1]) == (1, 48)


def week_of_shifts(n_weeks, every=HOUR, zone=0.0):
    """Return times and values of a shop that is closed on Sundays: a level each hour, and noise."""
    time = 1.6e9 - 1.6e9 % (7 * DAY) + every * np.arange(int(n_weeks * 7 * DAY / every))
    hour = (time + zone) / HOUR % 24
    weekday = np.floor((time + zone) / DAY + 3) % 7  # 0: Monday
    noise = np.random.default_rng(4).normal(0.0, 0.3, len(time))
    return time, np.where((weekday < 6) & (hour >= 8) & (hour < 18), 10.0, 0.0) + noise


def squared_error(time, value, model, ahead=1):
    """Return the MSE, of the last third, of forecasts so many samples ahead, and of persistence."""
    engine = new_engine(GroupSettings("g", model=model), 1)
    said = observe_in_pieces(engine, Samples(np.zeros(len(value), int), time, value))["forecast"][:, -1]
    origin = np.arange(2 * len(value) // 3, len(value) - ahead)
    truth = value[origin + ahead]
    return ((said[origin] - truth) ** 2).mean(), ((value[origin] - truth) ** 2).mean()


def test_a_week_is_remembered():
    time, value = week_of_shifts(12)
    error, persistence = squared_error(time, value, auto("m", lags=24))
    before, _ = squared_error(
        time, value, auto("m", lags=24, experts=("persistence", "linear", "rls", "network", "seasonal"))
    )
    assert error < 0.5 * before
    assert error < 0.08 * persistence


def climbing(n, offset=0.0):
    """Return a counter of steps about a hundredth, which are larger by day, each twenty minutes."""
    time = 1200.0 * np.arange(n)
    steps = 0.01 * (1.0 + np.sin(time / DAY * 2.0 * np.pi)) + np.random.default_rng(5).normal(0.0, 0.003, n)
    return time, offset + steps.cumsum()


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_what_is_remembered_of_a_counter_is_as_fine_however_far_it_has_come(offset):
    time, value = climbing(50_000, offset)
    slots = slots_after(time, value)
    assert abs(slots.base[0]) > 10_000 * 0.01  # it has moved on
    began = round(slots.origin[0] / 1200.0)
    size = slots.kept.shape[2]
    week = np.arange(len(value) - size + 2, len(value))
    kept = slots.base[0] + slots.kept[0, 1, (week - began) % size, 0].astype(float)
    np.testing.assert_allclose(kept, value[week] - value[0], rtol=0.0, atol=5e-5)


def test_forecasts_do_not_suffer_from_a_large_offset():
    found = []
    for offset in (0.0, 1e9):
        time, value = climbing(4000, offset)
        engine = new_engine(GroupSettings("g", model=auto("m", share="stream")), 1)
        samples = Samples(np.zeros(len(value), int), time, value)
        forecast = observe_in_pieces(engine, samples)["forecast"][:-1, 0]
        found.append(np.sqrt(np.mean((forecast - value[1:])[1000:] ** 2)))
    assert found[1] == pytest.approx(found[0], rel=0.01)


def test_over_a_gap_what_is_usual_at_its_slots_stands_as_it_was():
    time = HOUR * np.arange(24 * 7 * 4)
    value = 10.0 * np.sin(2.0 * np.pi * np.arange(len(time)) / 24.0)
    there = np.ones(len(time), bool)
    there[-40:-34] = False
    whole, gap = (slots_after(time[rows], value[rows]) for rows in (np.ones(len(time), bool), there))
    usual = [found.kept[0, :, :, 1] + found.base[0] for found in (whole, gap)]
    assert np.isnan(gap.kept[0, 0, :, 0]).sum() == np.isnan(whole.kept[0, 0, :, 0]).sum() + 6
    assert np.allclose(*usual, rtol=0, atol=1e-3, equal_nan=True)
