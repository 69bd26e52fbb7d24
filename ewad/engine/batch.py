"""What goes into the engine and what comes out: parallel arrays, one entry per sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Floats, Integers


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
    """What stood after each sample: (n, n_horizons) and (n,) arrays; NaN where there was nothing yet.

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

    def at(self, places: Integers) -> Forecasts:
        """Return those of these samples, in that order."""
        lower = None if self.lower is None else self.lower[places]
        upper = None if self.upper is None else self.upper[places]
        return Forecasts(self.value[places], lower, upper, self.loss[places], self.learning_rate[places])


@dataclass(frozen=True, slots=True)
class Results:
    """What stood after each accepted sample of a batch, in their order of arrival.

    accepted: (m,) positions in the batch, ascending; the others came out of order.
    time: (m,) when they count: their event time, or their stream's newest one if they are late.
    elapsed: (m,) seconds since the sample of the stream before; 0 for its first.
    mean, stddev: (m, n_decays) bias-corrected averages, and standard deviations (NaN before two samples).
    forecasts: None without a model.
    """

    accepted: Integers
    time: Floats
    elapsed: Floats
    mean: Floats
    stddev: Floats
    forecasts: Forecasts | None

    @property
    def forecast(self) -> Floats | None:
        """(m, n_horizons) forecasts made right after each sample; NaN in warm-up. None without a model."""
        return None if self.forecasts is None else self.forecasts.value

    @property
    def lower(self) -> Floats | None:
        """(m, n_horizons) lower ends of the prediction intervals, as `forecast`. None without intervals."""
        return None if self.forecasts is None else self.forecasts.lower

    @property
    def upper(self) -> Floats | None:
        """(m, n_horizons) upper ends, as `lower`."""
        return None if self.forecasts is None else self.forecasts.upper

    @property
    def loss(self) -> Floats | None:
        """(m,) the averaged mini-batch cost in force after each sample; NaN before the first mini-batch."""
        return None if self.forecasts is None else self.forecasts.loss

    @property
    def learning_rate(self) -> Floats | None:
        """(m,) the learning rate in force after each sample."""
        return None if self.forecasts is None else self.forecasts.learning_rate
