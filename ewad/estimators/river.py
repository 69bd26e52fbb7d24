"""ewad as a forecaster of river: what evaluates and composes river's models takes it too."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from river.time_series.base import Forecaster as Base

from ewad.estimators.forecaster import Forecaster


class RiverForecaster(Base):
    """ewad.Forecaster of all steps up to a farthest one.

    horizon: the farthest step that forecast() can be asked for.  season: samples a season; None: none is
    known, as river tells no times.  lags, interval: as of ewad.Forecaster.
    """

    def __init__(
        self, horizon: int = 24, season: int | None = None, lags: int = 24, interval: float = 0.9
    ) -> None:
        self.horizon = horizon
        self.season = season
        self.lags = lags
        self.interval = interval
        self.model = Forecaster(range(1, horizon + 1), season=season, lags=lags, interval=interval)
        self._last = math.nan
        self._missing = 0  # how many times NaN came since the last sample

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {"horizon": 24, "lags": 6}

    def learn_one(self, y: float, x: dict[str, Any] | None = None) -> None:
        """Learn the next sample; NaN: none came at this step. x is not used."""
        self.model.learn_one(y)
        if math.isnan(y):
            self._missing += 1
        else:
            self._last, self._missing = float(y), 0

    def forecast(self, horizon: int, xs: list[dict[str, Any]] | None = None) -> list[float]:
        """Return the next values; the last one until the lags are full, 0 before any sample.

        After NaN the steps that were missed are passed over; beyond `horizon` steps from the last sample the
        farthest forecast stands for the later ones.
        """
        if not 1 <= horizon <= self.horizon:
            raise ValueError(
                f"horizon: expected 1 to {self.horizon}, as the forecaster was made, got {horizon}"
            )
        last = 0.0 if math.isnan(self._last) else self._last
        steps = np.minimum(self._missing + np.arange(horizon), self.horizon - 1)
        found = self.model.forecast().value[steps]
        return [float(each) for each in np.where(np.isnan(found), last, found)]
