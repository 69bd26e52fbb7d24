"""Forecasts that stay where values can be: what is told, and that nothing else changes."""

import numpy as np
import pytest

from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.numeric.crossing import Threshold

STEP = 600.0
N = 600


def humid():
    """Return a humidity that is often at 100 %, and falls below 2 % now and then."""
    rng, hours = np.random.default_rng(7), np.arange(N) / 6.0
    wave = 60.0 + 55.0 * np.sin(2.0 * np.pi * hours / 24.0) + 3.0 * rng.normal(size=N)
    return np.clip(wave, 0.0, 100.0)


def observed(value, grid=None, **settings):
    """Return the group and its results after a series, one sample a call."""
    model = auto("m", horizons=(1, 6), lags=12, every_seconds=grid)
    engine = Engine([GroupSettings("g", model=model, **settings)])
    engine.add_stream(0, "air")
    time = 1.7e9 + STEP * np.arange(len(value))
    rows = [
        engine.observe(Batch(0, np.zeros(1, np.int32), time[i : i + 1], value[i : i + 1])) for i in range(N)
    ]
    told = [np.concatenate([getattr(row, name) for row in rows]) for name in ("forecast", "lower", "upper")]
    return engine, np.stack(told)


@pytest.mark.parametrize("grid", [None, 3 * STEP])
@pytest.mark.parametrize("bounds", [(0.0, 100.0), (0.0, np.inf)])
def test_what_is_told_is_the_bound_where_it_would_lie_beyond_and_else_to_the_bit_the_same(grid, bounds):
    low, high = bounds
    free, told_freely = observed(humid(), grid)
    bound, told = observed(humid(), grid, lowest=low, highest=high)
    assert (told_freely < low).any() and np.nanmax(told_freely) > 100.0
    assert told.tobytes() == np.clip(told_freely, low, high).tobytes()
    for name in ("forecast", "lower", "upper"):
        standing, freely = (getattr(e.groups[0].forecaster, name)[:1] for e in (bound, free))
        assert standing.tobytes() == np.clip(freely, low, high).tobytes()


def test_what_is_learnt_and_scored_is_the_same():
    free, bound = (observed(humid(), **ends)[0].groups[0].forecaster for ends in ({}, ENDS))
    assert bound.pending.forecasts.tobytes() == free.pending.forecasts.tobytes()
    assert bound.squared_error.tobytes() == free.squared_error.tobytes()
    assert bound.coverage().tobytes() == free.coverage().tobytes()


ENDS = {"lowest": 0.0, "highest": 100.0}


def test_no_threshold_beyond_is_said_to_be_crossed():
    over = Threshold("over", True, 100.5)
    rising = np.minimum(np.arange(N) * 0.2, 99.9)[: N - 101]
    value = np.concatenate([np.zeros(101), rising])
    free, bound = (observed(value, **ends)[0].groups[0].crossings(over) for ends in ({}, ENDS))
    assert np.isfinite(free.earliest[0])
    assert np.isnan(bound.earliest[0])


def test_bounds_that_change_keep_the_state():
    engine, _ = observed(humid(), **ENDS)
    other = Engine([GroupSettings("g", model=engine.groups[0].settings.model, lowest=-5.0)])
    assert other.load(engine.dump()).dropped == []
