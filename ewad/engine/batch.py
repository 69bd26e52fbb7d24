"""What goes into the engine and what comes out: parallel arrays, one entry per sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ewad.engine.settings import GroupSettings
from ewad.kernels.memory import Floats, Integers

# Of the kernel's results, those before the averages: the time in force, seconds elapsed, the anomaly score.
COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one group in order of arrival.

    group: index of the group.  stream: (n,) rows given out by `Engine.add_stream`.
    time: (n,) event time, Unix seconds.  value: (n,) finite.
    origin: (n,) where each comes from: 0: it is a sample; 2 k + 1: it is the first point of a forecast for
    the stream by the k-th external source of the model, 2 k + 2: a further one, later than those before;
    there time and value are what is forecast, and count from the next sample on.  None: all are samples.
    arrival: when the batch was received, Unix seconds; None where only event time has a meaning (replay).
    """

    group: int
    stream: NDArray[np.int32]
    time: Floats
    value: Floats
    arrival: float | None = None
    origin: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.stream)

    @property
    def samples(self) -> int:
        """How many of the entries are samples."""
        return len(self) if self.origin is None else int(np.count_nonzero(self.origin == 0))

    @property
    def sample_places(self) -> Integers:
        """The places of its samples, ascending."""
        return np.arange(len(self)) if self.origin is None else np.flatnonzero(self.origin == 0)


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What stands for some streams: (n, n_horizons) and (n,) arrays; NaN where there is nothing.

    lower, upper: None without intervals.  loss, learning_rate: of the first expert that takes steps.
    """

    value: Floats
    lower: Floats | None
    upper: Floats | None
    loss: Floats
    learning_rate: Floats


@dataclass(slots=True)
class Results:
    """What stood after each accepted sample of a batch, in their order of arrival.

    accepted: (m,) positions in the batch, ascending; the others came out of order.
    found: (m, columns) as the kernel writes it; the properties are views of its columns.
    """

    accepted: Integers
    found: Floats
    settings: GroupSettings

    @property
    def time(self) -> Floats:
        """(m,) when each counts: its event time, or its stream's newest one if it is late."""
        return self.found[:, 0]

    @property
    def elapsed(self) -> Floats:
        """(m,) seconds since the sample of the stream before; 0 for its first."""
        return self.found[:, 1]

    @property
    def anomaly(self) -> Floats:
        """(m,) the anomaly score of each sample; NaN before a stream's 100th."""
        return self.found[:, 2]

    @property
    def mean(self) -> Floats:
        """(m, n_decays) bias-corrected averages."""
        return self.found[:, COLUMNS : self._behind : 2]

    @property
    def stddev(self) -> Floats:
        """(m, n_decays) standard deviations; NaN before a stream's second sample."""
        return self.found[:, COLUMNS + 1 : self._behind : 2]

    @property
    def forecast(self) -> Floats | None:
        """(m, n_horizons) forecasts made right after each sample; NaN in warm-up. None without a model."""
        return self._of_horizons(0)

    @property
    def lower(self) -> Floats | None:
        """(m, n_horizons) lower ends of the prediction intervals, as `forecast`. None without intervals."""
        return self._of_horizons(1)

    @property
    def upper(self) -> Floats | None:
        """(m, n_horizons) upper ends, as `lower`."""
        return self._of_horizons(2)

    @property
    def loss(self) -> Floats | None:
        """(m,) the averaged mini-batch cost in force after each sample; NaN before the first mini-batch."""
        return None if self.settings.model is None else self.found[:, -2]

    @property
    def learning_rate(self) -> Floats | None:
        """(m,) the learning rate in force after each sample."""
        return None if self.settings.model is None else self.found[:, -1]

    @property
    def _behind(self) -> int:
        """The first column behind the averages."""
        return COLUMNS + 2 * len(self.settings.decays)

    def _of_horizons(self, kind: int) -> Floats | None:
        """Return a column for each horizon: of forecasts (kind 0), lower (1) or upper ends (2)."""
        model = self.settings.model
        if model is None or (kind and model.interval is None):
            return None
        n = len(model.horizons)
        first = self._behind + kind * n
        return self.found[:, first : first + n]
