"""What forecasts a series: ewad, and the simple methods and libraries that it is held against.

Each yields forecasts in order, made after a sample and before the next one is seen.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.errors import ConfigError
from ewad.evaluation.series import ScoredSeries
from ewad.kernels.memory import Floats
from ewad.numeric.calendar import seasons_of

BATCH_SAMPLES = 1024
RIVER_LAGS = 24
RIVER_RATE = 0.0003  # of Adam, the best of 0.1 to this: its own rate of plain gradient descent diverges
# The smoothing of level, trend and season: river's documentation has them for hourly and monthly series.
RIVER_SMOOTHING = {"alpha": 0.3, "beta": 0.1, "gamma": 0.6}


@dataclass(frozen=True, eq=False)
class Made:
    """Forecasts made after rows first, first + 1, ...; (m, farthest) of the steps 1, 2, ... after each.

    lower, upper: the ends of their intervals; None where a method has none. NaN: no forecast yet.
    """

    first: int
    forecast: Floats
    lower: Floats | None = None
    upper: Floats | None = None


# (series, steps ahead) -> the forecasts
Method = Callable[[ScoredSeries, int], Iterator[Made]]


def by_engine(model: ModelSettings) -> Method:
    """Return the engine's own forecasts under these settings, whatever horizons they name."""

    def forecasts(series: ScoredSeries, farthest: int) -> Iterator[Made]:
        ahead = replace(model, horizons=tuple(range(1, farthest + 1)))
        engine = Engine([GroupSettings("evaluate", model=ahead)])
        engine.add_stream(0, series.name)
        for first in range(0, len(series.value), BATCH_SAMPLES):
            rows = slice(first, first + BATCH_SAMPLES)
            value = series.value[rows]
            results = engine.observe(Batch(0, np.zeros(len(value), np.int32), series.time[rows], value))
            assert results.forecast is not None  # noqa: S101 (a group with a model has forecasts)
            yield Made(first, results.forecast, results.lower, results.upper)

    return forecasts


def persistence(series: ScoredSeries, farthest: int) -> Iterator[Made]:
    """Yield the last value, for each step."""
    yield Made(0, np.broadcast_to(series.value[:, None], (len(series.value), farthest)))


def seasonal_naive(season: int) -> Method:
    """Return the value of the last season at the same place, or the last value before there is one.

    season: its samples.
    """

    def forecasts(series: ScoredSeries, farthest: int) -> Iterator[Made]:
        steps = np.arange(1, farthest + 1)
        back = season * -(-steps // season) - steps  # from the last value
        for first in range(0, len(series.value), BATCH_SAMPLES):
            rows = np.arange(first, min(first + BATCH_SAMPLES, len(series.value)))
            places = rows[:, None] - back
            last = series.value[rows, None]
            yield Made(first, np.where(places >= 0, series.value[np.maximum(places, 0)], last))

    return forecasts


def simple(interval_seconds: float) -> dict[str, Method]:
    """Return the methods that need no library: persistence, and each season of such an interval."""
    seasons = {
        f"seasonal naive, {name}": seasonal_naive(n)
        for n, name in seasons_of(interval_seconds)
        if name != "a year"
    }
    return {"persistence": persistence, **seasons}


def river(interval_seconds: float) -> dict[str, Method]:
    """Return river's methods. Raises ConfigError where it is not installed."""
    try:
        linear_model, optim, preprocessing, time_series = (
            importlib.import_module(f"river.{name}")
            for name in ("linear_model", "optim", "preprocessing", "time_series")
        )
    except ImportError as error:
        raise ConfigError("--river: needs the package river: pip install river") from error

    def snarimax() -> Any:
        regression = linear_model.LinearRegression(optimizer=optim.Adam(RIVER_RATE))
        regressor = preprocessing.StandardScaler() | regression
        return time_series.SNARIMAX(p=RIVER_LAGS, d=1, q=0, regressor=regressor)

    found = {f"river SNARIMAX({RIVER_LAGS}, 1, 0)": _by_river(snarimax, RIVER_LAGS + 1)}
    for n, _ in seasons_of(interval_seconds)[:1]:
        new = partial(time_series.HoltWinters, **RIVER_SMOOTHING, seasonality=n)
        found["river HoltWinters"] = _by_river(new, n)
    return found


def _by_river(new: Callable[[], Any], warm_up: int) -> Method:
    """Return what a river model forecasts after the origins alone: a forecast costs it more than a sample."""

    def forecasts(series: ScoredSeries, farthest: int) -> Iterator[Made]:
        model, wanted = new(), set(series.origins.tolist())
        for row, value in enumerate(series.value.tolist()):
            model.learn_one(value)
            if row in wanted and row >= warm_up:
                yield Made(row, np.array([model.forecast(horizon=farthest)]))

    return forecasts


def methods(model: ModelSettings, interval_seconds: float, with_river: bool) -> Mapping[str, Method]:
    """Return everything that a series of such an interval is forecast by, ewad first."""
    peers = river(interval_seconds) if with_river else {}
    return {"ewad": by_engine(model), **simple(interval_seconds), **peers}
