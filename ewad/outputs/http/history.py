"""The recent points of the streams that somebody looks at: what a chart shows before its next point comes."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Batch, Engine, Results
from ewad.engine.streams import Streams

POINTS: Final = 720  # a stream: two hours at a sample each ten seconds
STREAMS: Final = 256  # 40 KB each at two betas: 10 MB at the most
UNWATCHED: Final = -1
OWN: Final = 4  # columns of each point before its averages: number, time, value, score

Floats = NDArray[np.float64]


class Points(NamedTuple):
    """Points of one stream, the oldest first; all arrays are (n,), NaN where there was nothing.

    number: of each point among all points of this process, ascending.  score: of its anomaly.
    smoothed: a column a beta.
    forecast, lower, upper: made right after each point, for the nearest horizon; None without a model.
    """

    number: Floats
    time: Floats
    value: Floats
    score: Floats
    smoothed: dict[str, Floats]
    forecast: Floats | None
    lower: Floats | None
    upper: Floats | None


class _WatchedStreams:
    """Which streams of one group are watched: a ring of POINTS rows for each, all in one table."""

    def __init__(self, engine: Engine, group: int) -> None:
        settings = engine.groups[group].settings
        model = settings.model
        self.name, self.betas = settings.name, settings.beta_labels
        self.n_forecasts = 0 if model is None else 1 if model.interval is None else 3
        self.width = OWN + len(self.betas) + self.n_forecasts
        self.rings: dict[str, int] = {}
        self._free: list[int] = []
        self._table = np.empty((0, POINTS, self.width))
        self._written = np.zeros(0, dtype=np.int64)  # so many points, in each ring
        self._streams: Streams | None = None
        self._places = np.zeros(0, dtype=np.int64)  # the ring of each row

    def watch(self, name: str) -> None:
        """Keep the points of this stream from now on."""
        if not self._free:
            n = len(self._table)
            self._table = np.concatenate([self._table, np.empty((max(n, 4), POINTS, self.width))])
            self._written = np.append(self._written, np.zeros(max(n, 4), dtype=np.int64))
            self._free = list(range(n, len(self._table)))[::-1]
        ring = self.rings[name] = self._free.pop()
        self._written[ring] = 0
        self._streams = None

    def leave(self, name: str) -> None:
        """Keep them no longer."""
        self._free.append(self.rings.pop(name))
        self._streams = None

    def continues(self, other: _WatchedStreams) -> bool:
        """Whether points of the other watch are of the same group and mean the same."""
        return (self.name, self.betas, self.width) == (other.name, other.betas, other.width)

    def places(self, streams: Streams, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return for each row which ring is its stream's, UNWATCHED if none is."""
        if self._streams is not streams:  # rows have moved
            self._streams, self._places = streams, np.full(len(streams), UNWATCHED)
            for name, ring in self.rings.items():
                row = streams.find(name)
                if row is not None:
                    self._places[row] = ring
        elif len(self._places) < len(streams):
            more = max(len(streams), 2 * len(self._places)) - len(self._places)
            self._places = np.append(self._places, np.full(more, UNWATCHED))
        return self._places[rows]

    def extend(self, rings: NDArray[np.int64], points: Floats) -> None:
        """Append points, (n, width), each to its ring, in order; the oldest give way."""
        order = np.argsort(rings, kind="stable")
        rings = rings[order]
        written = self._written[rings] + (np.arange(len(rings)) - np.searchsorted(rings, rings))
        self._table[rings, written % POINTS] = points[order]  # of several at one place the last stays
        self._written[rings] = written + 1

    def append(self, ring: int, point: list[float]) -> None:
        """Append one point to a ring."""
        written = self._written.item(ring)
        self._table[ring, written % POINTS] = point
        self._written[ring] = written + 1

    def read(self, name: str) -> Floats:
        """Return the points of a watched stream, the oldest first: a copy."""
        ring = self.rings[name]
        written = self._written.item(ring)
        points: Floats = self._table[ring, np.arange(max(0, written - POINTS), written) % POINTS]
        return points


class PointHistory:
    """The last points of at most STREAMS streams: of the first ones, and of those that were looked at last.

    A stream that nobody has looked at leaves first when another one is to be watched.
    """

    def __init__(self) -> None:
        self.number = 0  # of the newest point
        self._engine: Engine | None = None
        self._watches: list[_WatchedStreams] = []
        self._looked: dict[tuple[int, str], None] = {}  # all that are watched, the longest unlooked-at first

    def observed(self, engine: Engine, batch: Batch, results: Results) -> None:
        """Take the points of a batch, those of watched streams."""
        if engine is not self._engine:
            self._go_on_with(engine)
        watch, streams = self._watches[batch.group], engine.groups[batch.group].streams
        rows = batch.stream[results.accepted]
        rings = watch.places(streams, rows)
        if len(rows) == 1 and (len(self._looked) >= STREAMS or rings.item(0) != UNWATCHED):
            self._observed_one(watch, rings.item(0), batch, results)  # a third of the cost
            return
        if len(self._looked) < STREAMS and (rings == UNWATCHED).any():
            self._watch_new(batch.group, [streams.names[row] for row in rows[rings == UNWATCHED].tolist()])
            rings = watch.places(streams, rows)
        watched = np.flatnonzero(rings != UNWATCHED)
        if len(watched):
            watch.extend(rings[watched], self._points(watch, batch, results, watched))
            self.number += len(watched)

    def look(self, group: int, name: str) -> None:
        """Watch a stream from now on, or go on doing so."""
        key = group, name
        if group >= len(self._watches):
            return
        if key not in self._looked:
            if len(self._looked) >= STREAMS:
                oldest = next(iter(self._looked))
                del self._looked[oldest]
                self._watches[oldest[0]].leave(oldest[1])
            self._watches[group].watch(name)
        self._looked.pop(key, None)
        self._looked[key] = None

    @property
    def watched(self) -> list[tuple[int, str]]:
        """Group and name of all streams whose points are kept."""
        return list(self._looked)

    def points(self, group: int, name: str) -> Points | None:
        """Return the points of a stream, None if it is not watched."""
        if group >= len(self._watches) or name not in self._watches[group].rings:
            return None
        watch = self._watches[group]
        number, time, value, score, *columns = watch.read(name).T
        n = len(watch.betas)
        forecast, lower, upper = [*columns[n:], None, None, None][:3]
        smoothed = dict(zip(watch.betas, columns[:n], strict=True))
        return Points(number, time, value, score, smoothed, forecast, lower, upper)

    def _go_on_with(self, engine: Engine) -> None:
        """Go on with another engine, and with the points of those of its groups that are as before."""
        earlier, looked = self._watches, self._looked
        self._engine, self._watches, self._looked = engine, [], {}
        for index in range(len(engine.groups)):
            new = _WatchedStreams(engine, index)
            self._watches.append(next((old for old in earlier if new.continues(old)), new))
        for group, name in looked:
            if earlier[group] not in self._watches:
                continue
            index = self._watches.index(earlier[group])
            if engine.groups[index].streams.find(name) is None:
                earlier[group].leave(name)
            else:
                self._looked[index, name] = None

    def _observed_one(self, watch: _WatchedStreams, ring: int, batch: Batch, results: Results) -> None:
        if ring != UNWATCHED:
            self.number += 1
            at = results.accepted.item(0)
            own = float(self.number), batch.time.item(at), batch.value.item(at), results.anomaly.item(0)
            point = [*own, *results.mean[0].tolist()]
            told = (results.forecast, results.lower, results.upper)[: watch.n_forecasts]
            watch.append(ring, point + [np.nan if each is None else each.item(0, 0) for each in told])

    def _watch_new(self, group: int, names: list[str]) -> None:
        """Watch streams unasked while there is room."""
        for name in dict.fromkeys(names):
            if len(self._looked) < STREAMS:
                self._watches[group].watch(name)
                self._looked[group, name] = None

    def _points(
        self, watch: _WatchedStreams, batch: Batch, results: Results, watched: NDArray[np.int64]
    ) -> Floats:
        """Return the points of the watched ones of a batch, (n, width)."""
        points = np.empty((len(watched), watch.width))
        accepted, n = results.accepted[watched], OWN + len(watch.betas)
        points[:, 0] = self.number + 1.0 + np.arange(len(watched))
        points[:, 1], points[:, 2] = batch.time[accepted], batch.value[accepted]
        points[:, 3] = results.anomaly[watched]
        points[:, OWN:n] = results.mean[watched]
        told = (results.forecast, results.lower, results.upper)[: watch.n_forecasts]
        for column, values in enumerate(told, start=n):
            points[:, column] = np.nan if values is None else values[watched, 0]
        return points
