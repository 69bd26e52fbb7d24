"""One configured block of streams: who they are, and all that is known of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ewad.engine.batch import Batch, Results
from ewad.engine.forecaster import Forecaster
from ewad.engine.resampled import grid_of, on_grid
from ewad.engine.settings import GroupSettings
from ewad.numeric.averages import ExponentialAverage
from ewad.numeric.recurrence import Floats, Integers, Runs, previous
from ewad.numeric.rows import MIN_ROWS, Part, Removal, RowState

Labels = tuple[tuple[str, str], ...]


class Streams:
    """The streams of a group: name -> row, and each row's name and captured labels."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.labels: list[Labels] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int | None:
        """Return the row of the stream of that name, None if there is none."""
        return self._rows.get(name)

    def add(self, name: str, labels: Labels) -> int:
        """Return the row of a new stream."""
        row = self._rows[name] = len(self.names)
        self.names.append(name)
        self.labels.append(labels)
        return row

    def without(self, rows: Integers, removal: Removal) -> Streams:
        """Return the streams that are left when these rows are removed; this object stays as it is."""
        left = Streams()
        left.names, left.labels, left._rows = self.names.copy(), self.labels.copy(), self._rows.copy()
        for row in rows.tolist():
            del left._rows[self.names[row]]
        for hole, mover in zip(removal.holes.tolist(), removal.movers.tolist(), strict=True):
            left.names[hole], left.labels[hole] = self.names[mover], self.labels[mover]
            left._rows[self.names[mover]] = hole
        del left.names[removal.left :], left.labels[removal.left :]
        return left


class Group(RowState):
    """The state of the streams of one block, a row each.

    count: samples accepted.  time: the newest event time among them.  seen: when the last one arrived.
    value: the last one itself.  averages: one `ExponentialAverage` a decay.  forecaster: None without
    a model.  grid: None unless the model sees
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
        self.averages = [ExponentialAverage(decay) for decay in settings.decays]
        self.forecaster = None if settings.model is None else Forecaster(settings.model)
        self.grid = None if settings.model is None else grid_of(settings.model)

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
        if self.grid is not None and self.settings.model is not None:
            parts.append(self.grid.part("grid", self.settings.model.grid, n))
        return parts if self.forecaster is None else parts + self.forecaster.parts(n)

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows streams."""
        super().grow(n_rows)
        for average in self.averages:
            average.grow(n_rows)
        if self.forecaster is not None:
            self.forecaster.grow(n_rows)
        if self.grid is not None:
            self.grid.grow(n_rows)

    def silence(self, now: float) -> Floats:
        """Return (n_streams,) seconds since each stream's last sample; infinite before its first."""
        n = len(self.streams)
        return np.where(self.count[:n] > 0, now - self.seen[:n], np.inf)

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
        for average in self.averages:
            average.remove(removal)
        if self.forecaster is not None:
            self.forecaster.remove(removal)
        if self.grid is not None:
            self.grid.remove(removal)

    def observe(self, batch: Batch) -> Results:
        """Take in a batch: averages, then forecasts scored against the values that came, then learning."""
        runs, alone = Runs.of(batch.stream), len(batch) == 1
        accepted = runs.order if alone else np.arange(len(batch))
        newest = runs.sort(batch.time)
        elapsed = self._elapsed(runs, newest)
        if (elapsed.item() if alone else np.minimum.reduce(elapsed, initial=0.0)) < 0.0:
            time = newest
            newest = self._newest(runs, time)
            late = time < newest
            if self.settings.out_of_order == "drop":
                self.out_of_order += int(late.sum())
                accepted = np.sort(runs.order[~late])
                runs = Runs.of(batch.stream[accepted])
                newest = batch.time[accepted][runs.order]
            elapsed = self._elapsed(runs, newest)
        if len(accepted) == 0:
            return Results.none(self.settings)
        value = batch.value if alone else batch.value[accepted[runs.order]]
        averages = [average.update(runs, elapsed, value) for average in self.averages]
        forecasts = None
        if self.forecaster is not None:
            if self.grid is None:
                forecasts = self.forecaster.update(runs, newest, value, self._restarts(elapsed))
            else:
                forecasts = on_grid(self.grid, self.forecaster, runs, newest, value)
        self._keep(runs, newest, value, batch.arrival)
        return Results(accepted, runs, newest, averages, forecasts)

    def _keep(self, runs: Runs, newest: Floats, value: Floats, arrival: float | None) -> None:
        """Keep what is known of the streams after these sorted samples."""
        rows = runs.rows
        if len(newest) == 1:  # quicker with numbers
            row, time = runs.series.item(), newest.item()
            self.count[row] += 1
            self.time[row], self.value[row] = time, value.item()
            self.seen[row] = time if arrival is None else arrival
            return
        self.count[rows] += runs.length
        self.time[rows] = runs.last(newest)
        self.seen[rows] = self.time[rows] if arrival is None else arrival
        self.value[rows] = runs.last(value)

    def _newest(self, runs: Runs, time: Floats) -> Floats:
        """Return (n,) the newest time of each stream up to and with each sorted sample."""
        rows, start = runs.rows, runs.start
        newest = time.copy()
        newest[start] = np.maximum(newest[start], np.where(self.count[rows] > 0, self.time[rows], -np.inf))
        backwards = np.flatnonzero((newest[1:] < newest[:-1]) & (runs.rank[1:] > 0)) + 1
        for run in np.unique(runs.run[backwards]) if len(backwards) else ():
            members = slice(start[run], runs.end[run] + 1)
            newest[members] = np.maximum.accumulate(newest[members])
        return newest

    def _elapsed(self, runs: Runs, time: Floats) -> Floats:
        """Return (n,) seconds since each sorted sample's stream had its last one; 0 for a stream's first."""
        if len(time) == 1:  # quicker with numbers
            row = runs.series.item()
            return time - self.time[row] if self.count.item(row) else np.zeros(1)
        rows = runs.rows
        before = np.where(self.count[rows] > 0, self.time[rows], runs.first(time))
        return time - previous(time, before, runs)

    def _restarts(self, elapsed: Floats) -> NDArray[np.bool_] | None:
        """Return (n,) whether the gap before each sorted sample is longer than the model's windows bear."""
        max_gap = None if self.settings.model is None else self.settings.model.max_gap_seconds
        return None if max_gap is None else elapsed > max_gap
