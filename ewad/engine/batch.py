"""What goes into the engine and what comes out: parallel arrays, one entry per sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ewad.engine.settings import GroupSettings
from ewad.numeric.averages import Averaged
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
class Forecasts:
    """What stood after each sorted sample: (n, n_horizons) and (n,) arrays; NaN where there was nothing yet.

    lower, upper: None without intervals.  loss, learning_rate: of the first expert that takes steps.
    """

    value: Floats
    lower: Floats | None
    upper: Floats | None
    loss: Floats
    learning_rate: Floats

    @classmethod
    def none(cls, n_horizons: int, intervals: bool) -> Forecasts:
        """Return those of no sample."""
        no, bound = np.zeros((0, n_horizons)), np.zeros((0, n_horizons)) if intervals else None
        return cls(no, bound, bound, np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Results:
    """What stood after each accepted sample of a batch.

    accepted: (m,) positions in the batch, ascending; the others came out of order.  sorted_time: (m,) when
    they count, sorted as runs says: their event time, or their stream's newest one if they are late.
    The properties are arrays over these m samples, in their order of arrival.
    """

    accepted: Integers
    runs: Runs
    sorted_time: Floats
    sorted_averages: list[Averaged]
    sorted_forecasts: Forecasts | None

    @classmethod
    def none(cls, settings: GroupSettings) -> Results:
        """Return the results of a batch of which no sample was accepted."""
        runs = Runs.of(np.zeros(0, dtype=np.int64))
        none = np.zeros(0)
        averages = [Averaged(none, none, none, none) for _ in settings.decays]
        model = settings.model
        forecasts = None if model is None else Forecasts.none(len(model.horizons), model.interval is not None)
        return cls(runs.order, runs, none, averages, forecasts)

    @property
    def mean(self) -> Floats:
        """(m, n_decays) bias-corrected averages."""
        return np.column_stack([averages.mean for averages in self.sorted_averages])[self.runs.inverse()]

    @property
    def stddev(self) -> Floats:
        """(m, n_decays) standard deviations; NaN before a stream's second sample."""
        return np.column_stack([averages.stddev for averages in self.sorted_averages])[self.runs.inverse()]

    @property
    def forecast(self) -> Floats | None:
        """(m, n_horizons) forecasts made right after each sample; NaN in warm-up. None without a model."""
        return self._in_order("value")

    @property
    def lower(self) -> Floats | None:
        """(m, n_horizons) lower ends of the prediction intervals, as `forecast`. None without intervals."""
        return self._in_order("lower")

    @property
    def upper(self) -> Floats | None:
        """(m, n_horizons) upper ends, as `lower`."""
        return self._in_order("upper")

    @property
    def loss(self) -> Floats | None:
        """(m,) the averaged mini-batch cost in force after each sample; NaN before the first mini-batch."""
        return self._in_order("loss")

    @property
    def learning_rate(self) -> Floats | None:
        """(m,) the learning rate in force after each sample."""
        return self._in_order("learning_rate")

    def _in_order(self, name: str) -> Floats | None:
        values: Floats | None = getattr(self.sorted_forecasts, name, None)
        return None if values is None else values[self.runs.inverse()]
