"""One configured block of streams: who they are, and all that is known of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ewad.engine.batch import COLUMNS, Batch, Results
from ewad.engine.circle import observe_on_circle
from ewad.engine.forecaster import GroupForecaster
from ewad.engine.resampled import grid_of
from ewad.engine.settings import GroupSettings
from ewad.engine.streams import Labels, Streams
from ewad.kernels import COMPILED
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.streams import StreamsKernel
from ewad.numeric.anomaly import Anomalies, Rests
from ewad.numeric.averages import ExponentialAverage
from ewad.numeric.crossing import Crossing, Threshold, crossing
from ewad.numeric.rows import MIN_ROWS, Part, Removal, RowState

# Squares of values must not overflow; the kernel has the same limit.
VALUE_LIMIT = 1e150
# After so many samples of a stream an input that has not come yet is told of.
PATIENCE = 100
UNKNOWN_ROW = -2  # what the kernel says


class Group(RowState):
    """The state of the streams of one block, a row each.

    count: samples accepted.  time: the newest event time among them.  seen: when the last one arrived.
    value: the last one itself.  averages: one `ExponentialAverage` a decay.  anomalies: the scores.
    rests: which streams are stuck.  forecaster: None without a model.  grid: None unless the model sees
    intervals instead of samples.  out_of_order: samples dropped because their stream had a later one already.
    """

    count: NDArray[np.int64]
    time: Floats
    seen: Floats
    value: Floats

    def __init__(self, settings: GroupSettings) -> None:
        super().__init__()
        self.settings = settings
        self.name = settings.name
        self.streams = Streams()
        self.out_of_order = 0
        self.add_rows("count", dtype=np.int64)
        for name in ("time", "seen", "value"):
            self.add_rows(name)
        self.averages: list[ExponentialAverage] = []
        for decay in reversed(settings.decays):  # each takes in a sample after the one before
            self.averages.insert(0, ExponentialAverage(decay, 0, self.averages[0] if self.averages else None))
        self.anomalies = Anomalies(settings.anomaly)
        self.rests = Rests(settings.stuck_after_seconds)
        self.grid = None if settings.model is None else grid_of(settings.model)
        self.forecaster = None if settings.model is None else GroupForecaster(settings.model, 0, self.grid)
        model = None if self.forecaster is None else self.forecaster.step
        if model is not None:
            model.lowest, model.highest = settings.lowest, settings.highest
        drops = settings.out_of_order == "drop"
        self.step = StreamsKernel(
            self.averages[0].step,
            len(self.averages),
            drops,
            model,
            self.anomalies.step,
            self.rests.step,
        )
        self.work_with(self.step)
        self._width = COLUMNS + 2 * len(self.averages) + (0 if model is None else model.columns)
        self._observe = self.step.observe if COMPILED else _quietly(self.step.observe)

    def add_stream(self, name: str, labels: Labels) -> int:
        """Return the row of a new stream, making room for a quarter more."""
        row = self.streams.add(name, labels)
        if row >= self.n_rows:
            self.grow(self.n_rows + max(MIN_ROWS, self.n_rows // 4))
        return row

    def add_streams(self, streams: Sequence[tuple[str, Labels]]) -> None:
        """Give rows to new streams, in this order."""
        for name, labels in streams:
            self.add_stream(name, labels)

    def parts(self) -> list[Part]:
        """Return every part of the group's state."""
        n = len(self.streams)
        parts = [self.part("streams", "", n)]
        parts += [average.part("average", repr(average.decay), n) for average in self.averages]
        parts += [self.anomalies.part("anomaly", self.settings.errors, n), self.rests.part("rest", "", n)]
        if self.grid is not None and self.settings.model is not None:
            parts.append(self.grid.part("grid", self.settings.model.grid, n))
        return parts if self.forecaster is None else parts + self.forecaster.parts(n)

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows streams."""
        super().grow(n_rows)
        for owner in self._owners():
            owner.grow(n_rows)

    def newest_arrival(self, limit: float) -> float:
        """Return the latest time of arrival up to the limit, -inf if there is none."""
        known = self.count > 0
        times = (self.seen, self.time) if self.settings.times_are_arrivals else (self.seen,)
        return max(float(np.max(each, where=known & (each <= limit), initial=-np.inf)) for each in times)

    def move_times(self, seconds: float, now: float) -> None:
        """Move all times of arrival by so many seconds, none of them past now. Event times stay."""
        known = self.count > 0
        self.seen[known] = np.minimum(self.seen[known] + seconds, now)
        if self.settings.times_are_arrivals:
            self.time[known] = np.minimum(self.time[known] + seconds, now)
            for owner in {id(part.owner): part.owner for part in self.parts()}.values():
                owner.move_with_streams(seconds, now, self.time)

    def end(self, names: Sequence[str], now: float) -> Integers:
        """Let streams be as if silent for a second longer than stale_after; return their rows."""
        found = [row for name in names if (row := self.streams.find(name)) is not None]
        rows = np.array(found, dtype=np.int64)
        silent_since = now - self.settings.stale_after_seconds - 1.0
        self.seen[rows] = np.minimum(self.seen[rows], silent_since)
        return rows

    def forget(self, rows: Integers) -> tuple[list[str], list[str]]:
        """Forget the streams of these rows, ascending; return their names, and those of streams that moved.

        Rows stay side by side: the last streams take the places of those that leave. `streams` is a new
        object then, so that whoever holds the old one can tell.
        """
        removal = Removal.of(rows, len(self.streams), self.n_rows)
        names = self.streams.names
        self.streams = self.streams.without(rows, removal)
        self.remove(removal)
        return [names[row] for row in rows.tolist()], [names[row] for row in removal.movers.tolist()]

    def remove(self, removal: Removal) -> None:
        """Let rows go, of every owner."""
        super().remove(removal)
        for owner in self._owners():
            owner.remove(removal)

    def _owners(self) -> list[RowState]:
        """Return all other owners of rows that are streams."""
        others = (self.forecaster, self.grid)
        return [*self.averages, self.anomalies, self.rests, *(each for each in others if each is not None)]

    def crossings(self, threshold: Threshold, rows: slice | Integers = slice(None)) -> Crossing | None:
        """Return in how many seconds from their last sample streams cross a threshold; None without a model.

        NaN: not as far as is forecast, or not known.
        """
        forecaster, model = self.forecaster, self.settings.model
        if forecaster is None or model is None:
            return None
        bounds = (forecaster.lower, forecaster.upper) if forecaster.intervals is not None else (None, None)
        lower, upper = (None if each is None else each[rows] for each in bounds)
        ahead = np.array(model.horizons, dtype=np.float64)
        found = crossing(threshold, ahead, self.value[rows], forecaster.forecast[rows], lower, upper)
        seconds = self.rests.usual_step()[rows] if model.every_seconds is None else model.every_seconds
        return Crossing(*(steps * seconds for steps in found))

    def missing_inputs(self) -> list[str]:
        """Return the inputs that no stream of the group is, though others have waited for some samples."""
        inputs = None if self.forecaster is None else self.forecaster.inputs
        if inputs is None:
            return []
        inputs.link(self.streams)
        return [
            name
            for name, waiting in inputs.missing.items()
            if any(self.count[row] >= PATIENCE for row, _ in waiting)
        ]

    def mark_normal(self, row: int) -> None:
        """End the anomaly of a stream: its score is 0 until its next sample."""
        self.anomalies.end(row)

    def observe(self, batch: Batch) -> Results:
        """Take in a batch: averages, then forecasts scored against the values that came, then learning.

        Raises ValueError, with nothing changed, if a stream is unknown, a time not finite or a value not
        within VALUE_LIMIT; of values on a circle, with those before it taken in.
        """
        if self.settings.period is None:
            return self._take(batch)
        return observe_on_circle(batch, self.settings.period, self._last, self._take)

    def told(self, row: int) -> float:
        """Return the last value of a stream as it is told."""
        return self.on_circle(float(self.value[row]))

    def on_circle(self, value: float) -> float:
        """Return the value where it lies on the circle, if there is one."""
        return value if self.settings.period is None else value % self.settings.period

    def _last(self, row: int) -> float | None:
        """Return the last value of a row's stream, None before its first, and where there is no such row."""
        return self.value.item(row) if 0 <= row < self.n_rows and self.count[row] > 0 else None

    def _take(self, batch: Batch) -> Results:
        if self.forecaster is not None and self.forecaster.inputs is not None:
            self.forecaster.inputs.link(self.streams)
        n, width = len(batch.stream), self._width
        accepted, found = np.empty(n, dtype=np.int64), np.empty((n, width))
        arrival = math.nan if batch.arrival is None else batch.arrival
        told = arrival, len(self.streams.names), accepted, found, width
        try:
            m = self._observe(batch.stream, batch.time, batch.value, batch.origin, *told)
        except ValueError:  # arrays whose numbers lie apart in memory, or of another type
            stream = np.ascontiguousarray(batch.stream, dtype=np.int32)
            time, value = (np.ascontiguousarray(x, dtype=np.float64) for x in (batch.time, batch.value))
            origin = None if batch.origin is None else np.ascontiguousarray(batch.origin, dtype=np.int32)
            m = self._observe(stream, time, value, origin, *told)
        if m < 0:
            self._refuse(m)
        if m < n:  # of one sample alone the two views cost as much as the sample
            self.out_of_order += self.step.dropped
            accepted, found = accepted[:m], found[:m]
        return Results(accepted, found, self.settings)

    def _refuse(self, reason: int) -> NoReturn:
        if reason == UNKNOWN_ROW:
            raise ValueError(f"batch: streams of {self.name} are rows 0 to {len(self.streams) - 1}")
        expected = f"finite times, values within {VALUE_LIMIT:g}, and origins that are sources of the model"
        raise ValueError(f"batch: expected {expected}")


def _quietly(observe: Callable[..., int]) -> Callable[..., int]:
    """Return what an interpreted kernel does, without numpy's warnings: in C, overflow makes none."""

    def quiet(*arguments: Any) -> int:
        with np.errstate(all="ignore"):
            return observe(*arguments)

    return quiet


def silence(groups: Sequence[Group], sizes: Sequence[int], now: float) -> Floats:
    """Return the seconds since each stream's last sample, group after group; infinite before its first.

    sizes: how many streams each group has.
    """
    seen = np.concatenate([group.seen[:n] for group, n in zip(groups, sizes, strict=True)])
    count = np.concatenate([group.count[:n] for group, n in zip(groups, sizes, strict=True)])
    return np.where(count > 0, now - seen, np.inf)
