"""Forecasts that others make: worth having when they are good, free when they are not."""

from itertools import pairwise

import numpy as np
import pytest

from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto

HORIZONS = (1, 6, 24)
STEP = 600.0
START = 1.7e9


def wandering(seed, n):
    """Return a walk that is drawn back: what comes next nobody can tell from what was."""
    rng, value = np.random.default_rng(seed), np.zeros(n)
    for i in range(1, n):
        value[i] = 0.995 * value[i - 1] + rng.normal()
    return 20.0 + value


def fed(value, forecasts=None, stream=0):
    """Return a batch of samples; before that of place i comes forecasts[i], if there is one."""
    forecasts = forecasts or {}
    columns = []
    for i, each in enumerate(value):
        for k, point in enumerate(forecasts.get(i, ())):
            columns.append((*point, 1 if k == 0 else 2))
        columns.append((START + STEP * i, each, 0))
    time, values, origin = np.array(columns).T
    row = np.full(len(columns), stream, np.int32)
    return Batch(0, row, time.copy(), values.copy(), origin=origin.astype(np.int32))


def piece(batch, a, z):
    return Batch(0, batch.stream[a:z], batch.time[a:z], batch.value[a:z], origin=batch.origin[a:z])


def engine_of(external=("forecast/{stream}",), **chosen):
    model = auto("m", horizons=HORIZONS, external=external, **chosen)
    engine = Engine([GroupSettings("g", model=model)])
    engine.add_stream(0, "sun")
    return engine


def errors(value, forecasts, skip=1000, until=None, **chosen):
    """Return the mean squared error of each horizon's forecasts."""
    external = ("forecast/{stream}",) if forecasts is not None else ()
    forecast = engine_of(external, **chosen).observe(fed(value, forecasts)).forecast
    until = until or len(value)
    return np.array(
        [
            np.mean((value[skip + h : until] - forecast[skip : until - h, i]) ** 2)
            for i, h in enumerate(HORIZONS)
        ]
    )


def each_hour(value, noise=0.0, ahead=48, until=None):
    """Return forecasts of the next eight hours, each hour, as a weather service's."""
    rng = np.random.default_rng(9)
    made = {}
    for i in range(0, until or len(value), 6):
        to = min(i + ahead, len(value))
        points = value[i:to] + noise * rng.normal(size=to - i)
        made[i] = [(START + STEP * (i + k), v) for k, v in enumerate(points)]
    return made


def test_a_good_forecast_from_outside_is_followed():
    value = wandering(1, 4000)
    without, beside = errors(value, None), errors(value, each_hour(value, noise=1.0))
    print((beside / without).round(3))
    assert (beside[1:] < [0.5, 0.25] * without[1:]).all()


@pytest.mark.parametrize("wrong", ["far off", "a constant", "noise", "turned round"])
def test_a_clearly_wrong_one_costs_nothing(wrong):
    value = wandering(2, 4000) + 5.0 * np.sin(2.0 * np.pi * np.arange(4000) / 144.0)
    other = {
        "far off": value + 1e6,
        "a constant": np.full(4000, 7.0),
        "noise": 20.0 + 20.0 * np.random.default_rng(8).normal(size=4000),
        "turned round": 40.0 - value,
    }[wrong]
    without, beside = errors(value, None, 0 + 100), errors(value, each_hour(other), 100)
    print(wrong, (beside / without).round(4))
    assert (beside < 1.01 * without).all()


def test_one_that_stops_leaves_the_forecast_to_the_others():
    value = wandering(3, 5000)
    without, beside = errors(value, None, 3050), errors(value, each_hour(value, noise=1.0, until=3000), 3050)
    assert (beside < 1.03 * without).all()


def test_it_counts_from_its_arrival_on():
    value = wandering(4, 300)
    late = {200: [(START + STEP * i, 25.0) for i in range(300)]}
    said, instead = (
        engine_of(experts=("rls", "external"), lags=4).observe(fed(value, each)).forecast
        for each in ({}, late)
    )
    assert said[:200].tobytes() == instead[:200].tobytes()
    assert said[200:].tobytes() != instead[200:].tobytes()


RAMP = {0: [(START, 0.0), (START + 150 * STEP, 150.0)]}  # a value for each step, by its number


def test_the_value_at_the_target_lies_between_the_points():
    engine = engine_of(experts=("external",), lags=4)
    forecast = engine.observe(fed(np.zeros(140), RAMP)).forecast
    np.testing.assert_allclose(forecast[60], [61.0, 66.0, 84.0])
    assert forecast[140 - 1].tolist()[0] == pytest.approx(140.0)
    assert forecast[140 - 1].tolist()[2] == 0.0  # beyond the last point: the last value, for want of others


def test_on_a_grid_a_forecast_is_for_the_middle_of_its_step():
    engine = engine_of(experts=("external",), lags=4, every_seconds=3 * STEP)
    start = START % (3 * STEP) / STEP  # steps since a grid step began
    forecast = engine.observe(fed(np.zeros(140), RAMP)).forecast
    begins = np.floor((60 + start) / 3.0) * 3.0 - start - 3.0  # of the grid step that was closed last
    np.testing.assert_allclose(forecast[60], begins + 3.0 * (np.array(HORIZONS) + 0.5))


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("every", [None, 1800.0])
def test_any_split_gives_the_same_bytes(size, every):
    value = wandering(5, 150)
    whole = fed(value, each_hour(value, ahead=9))
    dumps = []
    for cuts in ([0, len(whole)], [*range(0, len(whole), size), len(whole)]):
        engine = engine_of(lags=4, every_seconds=every)
        for a, z in pairwise(cuts):
            engine.observe(piece(whole, a, z))
        dumps.append(engine.dump())
    assert dumps[0] == dumps[1]


def test_a_dump_goes_on_as_if_nothing_had_happened():
    value = wandering(6, 300)
    whole = fed(value, each_hour(value))
    half = len(whole) // 2
    stayed = engine_of(lags=4)
    loaded = Engine([stayed.groups[0].settings])
    stayed.observe(piece(whole, 0, half))
    assert loaded.load(stayed.dump()).dropped == []
    for engine in (stayed, loaded):
        engine.observe(piece(whole, half, len(whole)))
    assert loaded.dump() == stayed.dump()


def test_two_sources_are_two_experts():
    engine = engine_of(("a/{stream}", "b/{stream}"))
    assert engine.groups[0].settings.model.experts[-3:] == ("external", "external_2", "stack")
    batch = fed([1.0, 2.0], {1: [(START + STEP, 5.0)]})
    batch.origin[batch.origin == 1] = 3
    engine.observe(batch)
    assert engine.groups[0].forecaster.external.filled.tolist()[0] == [0, 1]


def test_a_point_of_an_unknown_source_is_refused():
    batch = fed([1.0, 2.0], {1: [(START + STEP, 5.0)]})
    batch.origin[batch.origin == 1] = 3
    with pytest.raises(ValueError, match="origin"):
        engine_of().observe(batch)
