"""ewad as a forecaster of sktime: what tunes, composes and evaluates sktime's forecasters takes it too."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sktime.forecasting.base import BaseForecaster

from ewad.estimators.forecaster import Forecaster, Prediction
from ewad.kernels.memory import Floats
from ewad.numeric.tables import times_of


class SktimeForecaster(BaseForecaster):
    """ewad.Forecaster of the horizons that fit() is given; update() goes on online.

    lags, season, experts, interval: as of ewad.Forecaster. While there are fewer samples than lags, the
    forecast is the last value. update() learns whatever update_params says: what was learnt is the samples.
    NaN is no sample: where y ends in some, or the horizon is of fixed times that have come nearer, predict()
    learns all samples anew for the steps that there are now.

    Examples
    --------
    >>> from ewad.estimators.sktime import SktimeForecaster
    >>> from sktime.datasets import load_airline
    >>> forecaster = SktimeForecaster(lags=12, season=12).fit(load_airline(), fh=[1, 2, 3])
    >>> len(forecaster.predict())
    3
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "ewad",
        "y_inner_mtype": "pd.Series",
        "scitype:y": "univariate",
        "X_inner_mtype": "pd.DataFrame",
        "capability:exogenous": False,
        "capability:insample": False,
        "capability:missing_values": True,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "requires-fh-in-fit": True,
    }
    _config: ClassVar[dict[str, Any]] = {"remember_data": True}  # for intervals of another coverage

    def __init__(
        self,
        lags: int = 24,
        season: int | None = None,
        experts: tuple[str, ...] | None = None,
        interval: float = 0.9,
    ) -> None:
        self.lags = lags
        self.season = season
        self.experts = experts
        self.interval = interval
        super().__init__()

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return parameters for sktime's checks, whose series are short."""
        return [{"lags": 3}, {"lags": 4, "season": 4, "experts": ("linear", "seasonal_naive")}]

    def _fit(self, y: pd.Series[float], X: Any, fh: Any) -> SktimeForecaster:
        self._model = self._learnt(y, self.interval)
        self._until = y.index[-1]
        return self

    def _update(self, y: pd.Series[float], X: Any = None, update_params: bool = True) -> SktimeForecaster:
        new = y[y.index > self._until]  # windows that are moved on by sktime overlap
        if len(new):
            self._model.learn_many(new.to_numpy(np.float64), times_of(new))
            self._until = new.index[-1]
        return self

    def _predict(self, fh: Any, X: Any) -> pd.Series[float]:
        made = self._made(self._now(self.interval)).value
        return pd.Series(made, index=fh.to_absolute_index(self.cutoff), name=self._y.name)

    def _predict_interval(self, fh: Any, X: Any, coverage: list[float]) -> pd.DataFrame:
        name = self._get_varnames()[0]
        columns = pd.MultiIndex.from_product([[name], coverage, ["lower", "upper"]])
        ends: list[Floats] = []
        for share in coverage:
            ends += self._made(self._now(share))[1:]
        return pd.DataFrame(np.stack(ends, axis=1), index=fh.to_absolute_index(self.cutoff), columns=columns)

    def _now(self, interval: float) -> Forecaster:
        """Return what has learnt all samples, for the steps from the last one to the horizon.

        An engine has intervals of one coverage and a fixed horizon: another learns anew.
        """
        if interval == self.interval and self._model.horizons == self._steps(self._y):
            return self._model
        return self._learnt(self._y, interval)

    def _steps(self, y: pd.Series[float]) -> tuple[int, ...]:
        """Return how many steps ahead of the last sample the horizon is."""
        samples = np.flatnonzero(y.notna())
        missing = len(y) - 1 - int(samples[-1]) if len(samples) else 0
        return tuple(sorted({int(each) + missing for each in self._fh.to_relative(self.cutoff)}))

    def _learnt(self, y: pd.Series[float], interval: float) -> Forecaster:
        options = {"lags": self.lags, "season": self.season, "interval": interval}
        model = Forecaster(self._steps(y), experts=self.experts, **options)
        return model.fit(y.to_numpy(np.float64), times_of(y))

    def _made(self, model: Forecaster) -> Prediction:
        """Return the forecasts; for those that are not there yet the last value."""
        known = self._y.dropna()
        last = float(known.iloc[-1]) if len(known) else 0.0
        return Prediction(*(np.where(np.isnan(part), last, part) for part in model.forecast()))
