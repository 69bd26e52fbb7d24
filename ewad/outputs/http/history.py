"""The recent points of the streams that somebody looks at: what a chart shows before its next point comes."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Batch, Engine, Results
from ewad.engine.group import Streams
from ewad.outputs.registry import result_values

POINTS: Final = 720  # a stream: two hours at a sample each ten seconds
STREAMS: Final = 256  # 40 KB each at two betas: 10 MB at the most
UNWATCHED: Final = -1

Floats = NDArray[np.float64]


class Points(NamedTuple):
    """Points of one stream, the oldest first; all arrays are (n,), NaN where there was nothing.

    number: of each point among all points of this process, ascending.  smoothed: a column a beta.
    forecast, lower, upper: made right after each point, for the nearest horizon; None without a model.
    """

    number: Floats
    time: Floats
    value: Floats
    smoothed: dict[str, Floats]
    forecast: Floats | None
    lower: Floats | None
    upper: Floats | None


class _Ring:
    """The last POINTS rows of numbers."""

    def __init__(self, n_columns: int) -> None:
        self._rows = np.empty((POINTS, n_columns))
        self._written = 0

    def extend(self, rows: Floats) -> None:
        """Append rows, (n, n_columns); the oldest give way."""
        rows = rows[-POINTS:]
        places = (self._written + np.arange(len(rows))) % POINTS
        self._rows[places] = rows
        self._written += len(rows)

    def read(self) -> Floats:
        """Return all rows, the oldest first: a copy."""
        if self._written <= POINTS:
            return self._rows[: self._written].copy()
        return np.roll(self._rows, -(self._written % POINTS), axis=0)


class _Watch:
    """Which streams of one group are watched: a ring for each."""

    def __init__(self, engine: Engine, group: int) -> None:
        settings = engine.groups[group].settings
        self.betas = [f"smoothed_{label}" for label in settings.beta_labels]
        self.forecasts: list[str] = []
        if settings.model is not None:
            horizon = settings.model.horizons[0]
            kinds = ("forecast", "lower", "upper") if settings.model.interval is not None else ("forecast",)
            self.forecasts = [f"{kind}_{horizon}" for kind in kinds]
        self.rings: dict[str, _Ring] = {}
        self._order: list[_Ring] = []
        self._streams: Streams | None = None
        self._place = np.zeros(0, dtype=np.int64)  # of each row's ring in _order

    def watch(self, name: str) -> None:
        """Keep the points of this stream from now on."""
        self.rings[name] = _Ring(3 + len(self.betas) + len(self.forecasts))
        self._streams = None

    def leave(self, name: str) -> None:
        """Keep them no longer."""
        del self.rings[name]
        self._streams = None

    def places(self, streams: Streams, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return for each row which ring is its stream's, UNWATCHED if none is."""
        if self._streams is not streams or len(self._place) < len(streams):
            self._streams, self._order = streams, list(self.rings.values())
            self._place = np.full(len(streams), UNWATCHED)
            for index, name in enumerate(self.rings):
                row = streams.find(name)
                if row is not None:
                    self._place[row] = index
        return self._place[rows]

    def extend(self, place: int, rows: Floats) -> None:
        """Append points to a ring."""
        self._order[place].extend(rows)


class History:
    """The last points of at most STREAMS streams: of the first ones, and of those that were looked at last.

    A stream that nobody has looked at leaves first when another one is to be watched.
    """

    def __init__(self) -> None:
        self.number = 0  # of the newest point
        self._engine: Engine | None = None
        self._watches: list[_Watch] = []
        self._looked: dict[tuple[int, str], None] = {}  # all that are watched, the longest unlooked-at first

    def observed(self, engine: Engine, batch: Batch, results: Results) -> None:
        """Take the points of a batch, those of watched streams."""
        if engine is not self._engine:
            self._begin(engine)
        streams = engine.groups[batch.group].streams
        self._watch_new(batch.group, streams)
        rows = batch.stream[results.accepted]
        place = self._watches[batch.group].places(streams, rows)
        watched = np.flatnonzero(place != UNWATCHED)
        if len(watched):
            self._keep(engine, batch, results, place, watched)

    def look(self, group: int, name: str) -> None:
        """Watch a stream from now on, or go on doing so."""
        key = group, name
        if self._engine is None or group >= len(self._watches):
            return
        if key not in self._looked:
            if len(self._looked) >= STREAMS:
                oldest = next(iter(self._looked))
                del self._looked[oldest]
                self._watches[oldest[0]].leave(oldest[1])
            self._watches[group].watch(name)
        self._looked.pop(key, None)
        self._looked[key] = None

    def points(self, group: int, name: str) -> Points | None:
        """Return the points of a stream, None if it is not watched."""
        if group >= len(self._watches) or name not in self._watches[group].rings:
            return None
        watch = self._watches[group]
        number, time, value, *columns = watch.rings[name].read().T
        n = len(watch.betas)
        labels = [beta.removeprefix("smoothed_") for beta in watch.betas]
        forecast, lower, upper = [*columns[n:], None, None, None][:3]
        smoothed = dict(zip(labels, columns[:n], strict=True))
        return Points(number, time, value, smoothed, forecast, lower, upper)

    def _begin(self, engine: Engine) -> None:
        """Begin anew with an engine: its groups may be others."""
        self._engine = engine
        self._watches = [_Watch(engine, group) for group in range(len(engine.groups))]
        self._looked.clear()

    def _watch_new(self, group: int, streams: Streams) -> None:
        """Watch streams unasked while there is room."""
        watch = self._watches[group]
        if len(self._looked) < STREAMS and len(watch.rings) < len(streams):
            for name in streams.names:
                if name not in watch.rings and len(self._looked) < STREAMS:
                    watch.watch(name)
                    self._looked[group, name] = None

    def _keep(
        self,
        engine: Engine,
        batch: Batch,
        results: Results,
        place: NDArray[np.int64],
        watched: NDArray[np.int64],
    ) -> None:
        watch = self._watches[batch.group]
        told = result_values(engine, batch.group, results)
        accepted = results.accepted[watched]
        points = np.column_stack(
            [
                self.number + 1.0 + np.arange(len(watched)),
                batch.time[accepted],
                batch.value[accepted],
                *(told[name][watched] for name in (*watch.betas, *watch.forecasts)),
            ]
        )
        self.number += len(watched)
        rings = place[watched]
        order = np.argsort(rings, kind="stable")
        ends = np.flatnonzero(np.diff(rings[order], append=UNWATCHED)) + 1
        for members in np.split(order, ends[:-1]):
            watch.extend(int(rings[members[0]]), points[members])
