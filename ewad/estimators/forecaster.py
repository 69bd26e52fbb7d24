"""`ewad.Forecaster`: the forecasts of a model, learnt online, for arrays, Series and frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ewad import config
from ewad.engine import ModelSettings
from ewad.engine.ahead import times_ahead, usual
from ewad.engine.forecaster import GroupForecaster
from ewad.errors import ConfigError
from ewad.estimators.base import NAME, Estimator
from ewad.estimators.by_calendar import by_calendar
from ewad.estimators.given import EPOCH, Given, framed
from ewad.kernels.memory import Floats
from ewad.numeric.tables import seconds_of

PARTS = ("forecast", "lower", "upper")


class Prediction(NamedTuple):
    """Values and the ends of their intervals, NaN where there are none: each of one shape.

    After the last sample (n_horizons,), or of several series (n_series, n_horizons); after each sample with
    their number in front.
    """

    value: Floats
    lower: Floats
    upper: Floats


class Forecaster(Estimator):
    """Forecasts one or more series some steps ahead, and learns from each sample as it comes.

    horizons: how many samples ahead, such as 1, [1, 24] or range(1, 49).  options: keys of [model.NAME], as
    ewad.toml has them: lags=48, season=24, experts=["linear", "rls"], interval=0.9, every="1h" ... Without
    experts the model is "auto", which needs no tuning. Raises ValueError where one is wrong.

    Each forecast is made before its sample is known, and learnt from when it is. Of several series each has
    a model of its own, unless share="group".
    """

    def __init__(self, horizons: int | Sequence[int] = 1, **options: Any) -> None:
        super().__init__(_settings({"horizons": horizons, **options}))

    @property
    def horizons(self) -> tuple[int, ...]:
        """How many samples ahead it forecasts."""
        return self._model_settings.horizons

    def forecast(self) -> Prediction:
        """Return what is forecast after the last sample of each series; NaN while warming up."""
        model = self._model
        rows = np.arange(max(1, len(self._columns)))
        if not self._columns:
            nothing = np.full((1, len(self.horizons)), np.nan)
            return self._alone(nothing, nothing, nothing)
        standing = model.standing(rows)
        nothing = np.full_like(standing.value, np.nan)
        ends = (nothing if end is None else end for end in (standing.lower, standing.upper))
        return self._alone(standing.value, *ends)

    def predict(self) -> Any:
        """Return what is forecast after the last sample of each series, in the form of what was learnt.

        Of arrays: as forecast(). Of a Series a DataFrame with the columns forecast and, of a model with
        intervals, lower and upper. Each row is at the time that it is for: so many steps after the last
        sample, NaN is none; of a model with every, the middle of the interval. A step is that of the
        calendar, such as a month, where the last 101 samples have one between them, else the median. Without
        times rows have numbers, from 0 for the first one that was learnt.

        Of a DataFrame pairs such as ("hall", "forecast") are the columns. A row has the forecasts of all
        columns for its time: NaN for a column without one, as where columns end at different times.
        """
        made = self.forecast()
        if self._kind in ("array", "table") or not self._columns:
            return made
        result = np.stack([np.atleast_2d(part) for part in made], axis=2)  # (n_series, n_horizons, 3)
        rows, result = _side_by_side(self._times_ahead(), result[:, :, : len(self._parts)])
        return framed(self._kind, result, self._index(rows), self._columns, self._parts)

    def fit_predict(self, x: ArrayLike, times: ArrayLike | None = None) -> Any:
        """Forget everything, learn these samples, and return what was forecast right after each.

        forecast_1 in a row is of the next sample: of the next row, if that is no gap. Of (n,): a Prediction
        of (n, n_horizons); of (n, m): of (n, m, n_horizons). Of a Series a DataFrame with the columns
        forecast_1, lower_1, upper_1, ... as `ewad replay -o` writes them; of a DataFrame pairs of names. NaN
        in gaps and while warming up.
        """
        self._reset()
        given = Given.of(x, times)
        found = np.full((*given.value.shape, len(self.horizons), len(PARTS)), np.nan)
        for rows, columns, results in self._observed(given):
            for part, made in enumerate((results.forecast, results.lower, results.upper)):
                if made is not None:
                    found[rows, columns, :, part] = made
        if given.kind in ("array", "table"):
            each = found[:, 0] if given.kind == "array" else found
            return Prediction(*np.moveaxis(each, -1, 0))
        labels = [f"{part}_{horizon}" for horizon in self.horizons for part in self._parts]
        kept = found[..., : len(self._parts)]
        return given.labelled(kept.reshape(*given.value.shape, len(labels)), labels)

    @property
    def skill(self) -> Floats:
        """1 - MSE / MSE of persistence, exponentially weighted, of the shape of forecast().value."""
        return self._now(self._model.skill())

    @property
    def coverage(self) -> Floats:
        """The share of values inside their intervals, exponentially weighted; likewise."""
        return self._now(self._model.coverage())

    @property
    def _parts(self) -> tuple[str, ...]:
        """What there is of each forecast."""
        return PARTS if self._model_settings.interval is not None else PARTS[:1]

    @property
    def _model(self) -> GroupForecaster:
        model = self._group.forecaster
        assert model is not None  # noqa: S101 (its settings have one)
        return model

    @property
    def _model_settings(self) -> ModelSettings:
        model = self._group.settings.model
        assert model is not None  # noqa: S101 (likewise)
        return model

    def _now(self, rows: Floats) -> Floats:
        n = len(self._columns)
        found = rows[:n] if n else np.full((1, len(self.horizons)), np.nan)
        return found[0].copy() if self._kind in ("array", "series") else found.copy()

    def _alone(self, *parts: Floats) -> Prediction:
        """Return the forecasts of all series, or of the only one."""
        alone = self._kind in ("array", "series")
        return Prediction(*(part[0] if alone else part for part in parts))

    def _times_ahead(self) -> Floats:
        """Return what the forecasts are for: (n_series, n_horizons) Unix seconds, or numbers of rows.

        NaN where it is not known: before the first sample, or without two times whose step could be told.
        """
        found = np.array([self._ahead_of(recent) for recent in self._recent], dtype=np.float64)
        return np.round(found, 6 if self._timed else 0)  # float64 holds Unix seconds to about a microsecond

    def _ahead_of(self, recent: Floats) -> list[float | None]:
        """Return it for a series whose last samples came at these times."""
        if not len(recent):
            return [None] * len(self.horizons)
        if self._timed and self._model_settings.every_seconds is None:
            found = by_calendar(self._index(recent), self.horizons)
            if found is not None:
                return list(seconds_of(found, len(found), EPOCH))
        step = usual(np.diff(recent).tolist()) or (None if self._timed else 1.0)
        return times_ahead(self._model_settings, float(recent[-1]), step)

    def _index(self, rows: Floats) -> Any:
        """Return these times, or numbers of rows, as pandas has them."""
        import pandas as pd

        if not self._timed:
            return pd.Index(rows if np.isnan(rows).any() else rows.astype(np.int64))
        return pd.to_datetime(np.round(rows * 1e6), unit="us", utc=True).tz_convert(self._zone)


def _side_by_side(times: Floats, results: Floats) -> tuple[Floats, Floats]:
    """Return all times that results are for, and those of each series at its own; NaN elsewhere.

    times: (n_series, n_horizons).  results: (n_series, n_horizons, k) -> (n_times, n_series, k).
    """
    if np.array_equal(times, np.broadcast_to(times[0], times.shape), equal_nan=True):
        return times[0], results.swapaxes(0, 1)
    series, horizons = np.nonzero(~np.isnan(times))
    rows, place = np.unique(times[series, horizons], return_inverse=True)
    found = np.full((len(rows), len(times), results.shape[2]), np.nan)
    found[place, series] = results[series, horizons]
    return rows, found


def _settings(model: dict[str, Any]) -> Any:
    """Return the settings of a group whose model has these keys. Raises ValueError."""
    raw = {key: _plain(value) for key, value in model.items()}
    document = {
        "stream": [{"name": NAME, "topic": "#", "model": NAME}],
        "model": {NAME: {key: value for key, value in raw.items() if value is not None}},
    }
    try:
        return config.parse(document, "Forecaster", {}).group_settings()[0]
    except ConfigError as error:
        raise ValueError(str(error).replace(f"model.{NAME}.", "")) from error


def _plain(value: Any) -> Any:
    """Return numpy's numbers, arrays and whatever yields several as TOML has them: numbers and lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    return [_plain(each) for each in value] if several else value
