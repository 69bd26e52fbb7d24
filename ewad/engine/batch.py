"""What goes into the engine and what comes out: parallel arrays, one entry per sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ewad.engine.settings import GroupSettings
from ewad.numeric.recurrence import Floats, Integers, Runs


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one group in order of arrival.

    group: index of the group.  stream: (n,) rows given out by `Engine.add_stream`.
    time: (n,) event time, Unix seconds.  value: (n,) finite.
    arrival: when the batch was received, Unix seconds; None where only event time has a meaning (replay).
    """

    group: int
    stream: NDArray[np.int32]
    time: Floats
    value: Floats
    arrival: float | None = None

    def __len__(self) -> int:
        return len(self.stream)


@dataclass(frozen=True, slots=True)
class Results:
    """What stood after each accepted sample of a batch.

    accepted: (m,) positions in the batch, ascending; the others came out of order.
    The properties are arrays over these m samples, in their order of arrival.
    """

    accepted: Integers
    runs: Runs
    sorted_mean: list[Floats]
    sorted_stddev: list[Floats]
    sorted_forecast: Floats | None
    sorted_loss: Floats | None
    sorted_learning_rate: Floats | None

    @classmethod
    def none(cls, settings: GroupSettings) -> Results:
        """Return the results of a batch of which no sample was accepted."""
        runs = Runs.of(np.zeros(0, dtype=np.int64))
        empty = [np.zeros(0) for _ in settings.decays]
        if settings.model is None:
            return cls(runs.order, runs, empty, empty, None, None, None)
        forecast = np.zeros((0, len(settings.model.horizons)))
        return cls(runs.order, runs, empty, empty, forecast, np.zeros(0), np.zeros(0))

    @property
    def mean(self) -> Floats:
        """(m, n_decays) bias-corrected averages."""
        return np.column_stack(self.sorted_mean)[self.runs.inverse()]

    @property
    def stddev(self) -> Floats:
        """(m, n_decays) standard deviations; NaN before a stream's second sample."""
        return np.column_stack(self.sorted_stddev)[self.runs.inverse()]

    @property
    def forecast(self) -> Floats | None:
        """(m, n_horizons) forecasts made right after each sample; NaN in warm-up. None without a model."""
        return None if self.sorted_forecast is None else self.sorted_forecast[self.runs.inverse()]

    @property
    def loss(self) -> Floats | None:
        """(m,) the averaged mini-batch cost in force after each sample; NaN before the first mini-batch."""
        return None if self.sorted_loss is None else self.sorted_loss[self.runs.inverse()]

    @property
    def learning_rate(self) -> Floats | None:
        """(m,) the learning rate in force after each sample."""
        return None if self.sorted_learning_rate is None else self.sorted_learning_rate[self.runs.inverse()]
