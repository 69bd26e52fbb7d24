"""ewad as a forecaster of river: what evaluates and composes river's models takes it too."""

from __future__ import annotations

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
        self._last: float | None = None

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {"horizon": 24, "lags": 6}

    def learn_one(self, y: float, x: dict[str, Any] | None = None) -> None:
        """Learn the next sample. x is not used."""
        self.model.learn_one(y)
        self._last = float(y)

    def forecast(self, horizon: int, xs: list[dict[str, Any]] | None = None) -> list[float]:
        """Return the next values; the last one until the lags are full, 0 before any sample."""
        if not 1 <= horizon <= self.horizon:
            raise ValueError(
                f"horizon: expected 1 to {self.horizon}, as the forecaster was made, got {horizon}"
            )
        last = 0.0 if self._last is None else self._last
        found = self.model.forecast().value[:horizon]
        return [float(each) for each in np.where(np.isnan(found), last, found)]
