"""From the engine's arrays to the documents of the HTTP API: which streams, in which order, how they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Engine
from ewad.engine.ahead import times_ahead, usual
from ewad.engine.group import Group
from ewad.outputs.http import documents
from ewad.outputs.http.documents import Number
from ewad.outputs.http.history import PointHistory, Points
from ewad.outputs.http.learning import LearningHistory
from ewad.outputs.registry import QUANTITIES
from ewad.outputs.text import utf8

COLUMNS: Final = {
    "value": "value",
    "time": "last_sample_timestamp_seconds",
    "skill": "forecast_skill_ratio",
    "anomaly": "anomaly_score",
}
SORTS: Final = ("name", *COLUMNS)
TOLD: Final = {quantity.name: quantity for quantity in QUANTITIES}

Floats = NDArray[np.float64]


class FoundStream(NamedTuple):
    """A stream: the index of its group, its row there while none is forgotten, and its name."""

    group: int
    row: int
    name: str


class View:
    """One engine as it stands now. shown: which streams of a group have series in /metrics.

    clock: Unix seconds.
    """

    def __init__(
        self,
        engine: Engine,
        shown: Callable[[int], NDArray[np.bool_]],
        units: Sequence[str | None],
        history: PointHistory,
        clock: Callable[[], float],
        learning: LearningHistory | None = None,
    ) -> None:
        self._clock = clock
        self._learning = learning or LearningHistory()
        self._engine = engine
        self._shown = shown
        self._units = units
        self._history = history

    def find(self, name: str, group: str | None = None) -> FoundStream | None:
        """Return the stream of that name with a sample, in that group or else in the first that has one."""
        for index, each in enumerate(self._engine.groups):
            row = each.streams.find(name) if group in (None, each.name) else None
            if row is not None and each.count[row] > 0:
                return FoundStream(index, row, name)
        return None

    def groups(self) -> documents.Groups:
        """Return what there is of each group."""
        return documents.Groups([self._group(index) for index in range(len(self._engine.groups))])

    def _group(self, index: int) -> documents.GroupSummary:
        group = self._engine.groups[index]
        n = len(group.streams)
        known = group.count[:n] > 0
        anomalous = int(np.count_nonzero(self._shown(index) & (group.anomalies.left[:n] > 0)))
        return documents.GroupSummary(group.name, self._units[index], int(np.count_nonzero(known)), anomalous)

    def search(self, text: str, only: str | None = None) -> list[FoundStream]:
        """Return the streams whose name, group or label values hold the text, whatever its case.

        only: the name of the one group to look into.
        """
        text = text.lower()
        found: list[FoundStream] = []
        for index, group in enumerate(self._engine.groups):
            if only is not None and group.name != only:
                continue
            whole, names = text in group.name.lower(), group.streams.names
            known = np.flatnonzero(group.count[: len(names)] > 0).tolist()
            found += [
                FoundStream(index, row, names[row])
                for row in known
                if whole or text in names[row].lower() or _labelled(group, row, text)
            ]
        return found

    def again(self, found: Iterable[FoundStream]) -> list[FoundStream]:
        """Return the streams as they are now, without those that are gone."""
        rows = ((each, self._engine.groups[each.group].streams.find(each.name)) for each in found)
        return [each._replace(row=row) for each, row in rows if row is not None]

    def samples(self, found: FoundStream) -> int:
        """Return how many samples a stream has had."""
        return int(self._engine.groups[found.group].count[found.row])

    def ordered(self, found: list[FoundStream], sort: str) -> list[FoundStream]:
        """Return the streams in order: by name, or the largest first; a "-" before the key turns that round.

        What is not known comes last.
        """
        key, turned = sort.removeprefix("-"), sort.startswith("-")
        if key == "name":
            return sorted(found, key=lambda each: each.name, reverse=turned)
        values = np.array([*self._column(key, found)], dtype=float)
        order = np.argsort(values if turned else -values, kind="stable")  # NaN last
        return [found[index] for index in order.tolist()]

    def streams(self, found: Sequence[FoundStream], recent: int = 0) -> list[documents.Stream]:
        """Return how these streams stand, with their last values if asked for. They count as looked at."""
        now = self._clock()
        rows: dict[int, list[int]] = {}
        places = [_placed(rows.setdefault(each.group, []), each.row) for each in found]
        told = {index: _Told(self._engine.groups[index], now, np.array(of)) for index, of in rows.items()}
        shown = {index: self._shown(index) for index in told}
        return [
            self._stream(each, told[each.group], at, shown[each.group], recent)
            for each, at in zip(found, places, strict=True)
        ]

    def detail(self, found: FoundStream) -> documents.StreamDetail:
        """Return one stream with what is configured for it."""
        group = self._engine.groups[found.group]
        stale = group.settings.stale_after_seconds
        return documents.StreamDetail(
            now=self.streams([found])[0],
            topics=list(group.settings.topics),
            windows=list(group.settings.beta_labels),
            stale_after_seconds=_number(stale),
            model=None if group.forecaster is None else _model(group, found.row),
        )

    def history(self, found: FoundStream, points: int) -> documents.History:
        """Return the last points of a stream, which counts as looked at."""
        group = self._engine.groups[found.group]
        name = found.name
        self._history.look(found.group, name)
        kept = self._history.points(found.group, name)
        n = 0 if kept is None else len(kept.time)
        forecast, lower, upper = (np.full(n, np.nan),) * 3 if kept is None else _made_for(group, kept)
        tail = slice(max(0, n - points), n)
        value = np.zeros(0) if kept is None else kept.value
        return documents.History(
            stream=utf8(name),
            group=group.name,
            number=[] if kept is None else kept.number[tail].astype(int).tolist(),
            time=[] if kept is None else kept.time[tail].tolist(),
            value=value[tail].tolist(),
            smoothed={} if kept is None else {beta: _numbers(v[tail]) for beta, v in kept.smoothed.items()},
            forecast=_numbers(forecast[tail]),
            lower=_numbers(lower[tail]),
            upper=_numbers(upper[tail]),
            anomaly=_numbers(_anomaly(value, forecast, lower, upper)[tail]),
            score=[] if kept is None else _numbers(kept.score[tail]),
        )

    def learning(self, found: FoundStream) -> documents.Learning:
        """Return how the model of a stream has learned."""
        return self._learning.of(self._engine.groups[found.group].name, found.name)

    def curve(self, found: FoundStream) -> documents.Curve:
        """Return what is forecast of a stream, with the times that the forecasts are for."""
        group, row = self._engine.groups[found.group], found.row
        now = self.streams([found])[0]
        model = group.settings.model
        times = [] if model is None else times_ahead(model, float(group.time[row]), self._step(found))
        ahead = [
            documents.Ahead(each.horizon, time, each.value, each.lower, each.upper)
            for each, time in zip(now.forecasts, times, strict=True)
        ]
        return documents.Curve(now.stream, now.group, now.time, ahead)

    def _step(self, found: FoundStream) -> float | None:
        """Return the seconds from one sample to the next, as they came of late."""
        points = self._history.points(found.group, found.name)
        return None if points is None else usual(np.diff(points.time).tolist())

    def _column(self, key: str, found: Iterable[FoundStream]) -> Iterable[float]:
        """Yield what to sort by of each stream; NaN where it has none."""
        names = {
            "time": "last_sample_timestamp_seconds",
            "skill": "forecast_skill_ratio",
            "anomaly": "anomaly_score",
        }
        quantity = TOLD[names.get(key, key)]
        columns: dict[int, Floats | None] = {}
        for each in found:
            if each.group not in columns:
                standing = next(iter(quantity.at(self._engine.groups[each.group], self._clock())), None)
                columns[each.group] = None if standing is None else standing[1]
            column = columns[each.group]
            yield math.nan if column is None else float(column[each.row])

    def _stream(
        self, found: FoundStream, told: _Told, at: int, shown: NDArray[np.bool_], recent: int
    ) -> documents.Stream:
        """Return how a stream stands. at: its place among those that are told of."""
        group, row = self._engine.groups[found.group], found.row
        name = found.name
        last: list[Number] = []
        if recent:
            self._history.look(found.group, name)
            points = self._history.points(found.group, name)
            last = [] if points is None else _numbers(points.value[-recent:])
        return documents.Stream(
            stream=utf8(name),
            group=group.name,
            labels={key: utf8(value) for key, value in group.streams.labels[row]},
            unit=self._units[found.group],
            samples=int(group.count[row]),
            time=_number(group.time[row]),
            value=_number(group.told(row)),
            stale=not bool(shown[row]),
            smoothed=told.by("smoothed_value", at),
            deviation=told.by("smoothed_stddev", at),
            forecasts=told.forecasts(at),
            anomaly=told.one("anomaly_score", at),
            anomalous=told.one("anomaly", at) == 1,
            reasons=[part for part, one in told.by("anomaly_reason", at).items() if one],
            stuck=told.one("stream_stuck", at) == 1,
            thresholds=_thresholds(group, row),
            recent=last,
        )


class _Told:
    """What is told of some rows of a group, each column read from the registry once, and only there."""

    def __init__(self, group: Group, now: float, rows: NDArray[np.int64]) -> None:
        self._group, self._now, self._rows = group, now, rows
        self._columns: dict[str, list[tuple[str, list[Number]]]] = {}

    def columns(self, name: str) -> list[tuple[str, list[Number]]]:
        """Return the columns of a quantity, each with the value of its label, "" without one."""
        found = self._columns.get(name)
        if found is None:
            columns = TOLD[name].at(self._group, self._now)
            found = self._columns[name] = [
                (labels[0][1] if labels else "", _numbers(values[self._rows])) for labels, values in columns
            ]
        return found

    def by(self, name: str, at: int) -> dict[str, Number]:
        return {label: values[at] for label, values in self.columns(name)}

    def one(self, name: str, at: int) -> Number:
        return next((values[at] for _, values in self.columns(name)), None)

    def forecasts(self, at: int) -> list[documents.Forecast]:
        names = ("value", "lower_value", "upper_value", "skill_ratio", "coverage_ratio")
        value, *others = (self.by(f"forecast_{name}", at) for name in names)
        return [
            documents.Forecast(int(horizon), each, *[other.get(horizon) for other in others])
            for horizon, each in value.items()
        ]


def _placed(rows: list[int], row: int) -> int:
    """Add a row to some, and return its place among them."""
    rows.append(row)
    return len(rows) - 1


def _labelled(group: Group, row: int, text: str) -> bool:
    return any(text in value.lower() for _, value in group.streams.labels[row])


def _model(group: Group, row: int) -> documents.Model:
    """Return the model of a stream."""
    forecaster = group.forecaster
    assert forecaster is not None  # noqa: S101 (the caller sees to it)
    settings = forecaster.settings
    of = 0 if forecaster.shared else row

    def of_experts(name: str) -> dict[str, float]:
        alone = settings.expert
        return {dict(labels).get("expert", alone): float(v[of]) for labels, v in TOLD[name].standing(group)}

    weights: dict[str, dict[str, Number]] = {name: {} for name in settings.experts}
    for labels, values in TOLD["expert_weight"].standing(group):
        told = dict(labels)
        weights[told["expert"]][told["horizon"]] = _number(values[row])
    loss, rate, epoch, plateau = map(of_experts, ("loss", "learning_rate", "epoch", "plateau"))
    return documents.Model(
        name=settings.name,
        share=settings.share,
        lags=settings.lags,
        horizons=list(settings.horizons),
        every_seconds=settings.every_seconds,
        interval=settings.interval,
        optimizer=type(settings.optimizer).__name__,
        experts=[
            documents.ExpertWeight(
                name,
                weights[name],
                _number(loss.get(name, math.nan)),
                _number(rate.get(name, math.nan)),
                _number(epoch.get(name, math.nan)),
                bool(plateau.get(name, 0.0)),
            )
            for name in settings.experts
        ],
    )


def _made_for(group: Group, points: Points) -> tuple[Floats, Floats, Floats]:
    """Return what was forecast for each point, and its bounds: NaN where nothing is known of that.

    On a grid the first sample of a step closes the one before, and horizon 1 is of the step that it opens.
    """
    n = len(points.time)
    made = [
        np.full(n, np.nan) if each is None else each for each in (points.forecast, points.lower, points.upper)
    ]
    model = group.settings.model
    if model is None:
        return made[0], made[1], made[2]
    if model.every_seconds is None:
        source = np.arange(n) - model.horizons[0]
        known = source >= 0
    else:
        step = np.maximum.accumulate(np.floor(points.time / model.every_seconds))
        target = step - (model.horizons[0] - 1)
        source = np.minimum(np.searchsorted(step, target), n - 1)
        known = step[source] == target
    aligned = [np.where(known, each[source], np.nan) for each in made]
    return aligned[0], aligned[1], aligned[2]


def _anomaly(value: Floats, forecast: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return how far each value lay off its forecast, in half-widths of its interval."""
    width = np.where(value >= forecast, upper - forecast, forecast - lower)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(width > 0.0, np.abs(value - forecast) / width, np.nan)


def _thresholds(group: Group, row: int) -> list[documents.ThresholdCrossing]:
    """Return when a stream is expected to cross each of its thresholds."""
    found: list[documents.ThresholdCrossing] = []
    made = float(group.time[row])
    for each in group.settings.thresholds:
        crossed = group.crossings(each, np.array([row]))
        seconds = (math.nan,) * 3 if crossed is None else tuple(float(ahead[0]) for ahead in crossed)
        expected, earliest, latest = (_number(made + ahead) for ahead in seconds)
        told = each.name, each.above, each.value, expected, earliest, latest
        found.append(documents.ThresholdCrossing(*told))
    return found


def _number(value: float) -> Number:
    return float(value) if math.isfinite(value) else None


def _numbers(values: Floats) -> list[Number]:
    numbers: list[Number] = values.tolist()
    for at in np.flatnonzero(~np.isfinite(values)).tolist():
        numbers[at] = None
    return numbers
