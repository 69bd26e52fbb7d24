"""The series of streams and models as Prometheus or OpenMetrics text, written straight from the arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Engine
from ewad.engine.forecaster import Forecaster
from ewad.engine.group import Group, Streams
from ewad.engine.learner import Learner
from ewad.numeric.averages import ExponentialAverage

SLICE_ROWS: Final = 2048  # about 2 ms of work: a caller on the event loop yields between slices
PIECE_ROWS: Final = 64  # starting one column of one group costs about as much as so many rows

_SURROGATES: Final = re.compile("[\ud800-\udfff]")  # the only text that UTF-8, and so a label, can't carry

Array = NDArray[Any]
Column = tuple[str, Array]  # further labels such as ',beta="0.9"', and a value for each row


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: columns gives those of a group one after another; a row is a stream or a model."""

    name: str
    kind: str
    help: str
    columns: Callable[[Group], Iterable[Column]]
    of_models: bool = False

    def header(self, openmetrics: bool) -> str:
        """Return the HELP and TYPE lines; OpenMetrics names a counter's family without _total."""
        name = self.name.removesuffix("_total") if openmetrics else self.name
        return f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n"


def _by_beta(values: Callable[[ExponentialAverage], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each of a group's averages."""

    def columns(group: Group) -> Iterator[Column]:
        for beta, average in zip(group.settings.beta_labels, group.averages, strict=True):
            yield f',beta="{escape(beta)}"', values(average)

    return columns


def _by_horizon(values: Callable[[Forecaster], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each horizon of a group's model."""

    def columns(group: Group) -> Iterator[Column]:
        if group.forecaster is not None:
            for index, horizon in enumerate(group.forecaster.horizons):
                yield f',horizon="{horizon}"', values(group.forecaster)[:, index]

    return columns


def _by_interval(values: Callable[[Forecaster], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each horizon of a model with intervals: what others keep is of old."""
    columns = _by_horizon(values)

    def some(group: Group) -> Iterator[Column]:
        if group.forecaster is not None and group.forecaster.intervals is not None:
            yield from columns(group)

    return some


def _by_expert(group: Group) -> Iterator[Column]:
    """Yield a column for each horizon and expert of a group whose model mixes several."""
    forecaster = group.forecaster
    weights = None if forecaster is None else forecaster.weights()
    if forecaster is not None and weights is not None:
        for index, horizon in enumerate(forecaster.horizons):
            for i, expert in enumerate(forecaster.settings.experts):
                yield f',horizon="{horizon}",expert="{expert}"', weights[:, index, i]


def _anomaly(group: Group) -> Iterator[Column]:
    if group.forecaster is not None and group.forecaster.intervals is not None:
        yield "", group.forecaster.intervals.anomaly


def _of_models(name: str, kind: str, text: str, values: Callable[[Learner], Array]) -> Family:
    def columns(group: Group) -> Iterator[Column]:
        """Yield a column for each expert that takes steps; beside others, by its name."""
        if group.forecaster is not None:
            alone = len(group.forecaster.settings.experts) == 1
            for expert, learner in group.forecaster.gradient_learners.items():
                yield "" if alone else f',expert="{expert}"', values(learner)

    return Family(name, kind, text, columns, of_models=True)


FAMILIES: Final = (
    Family("ewad_value", "gauge", "Last accepted sample.", lambda group: [("", group.value)]),
    Family(
        "ewad_smoothed_value",
        "gauge",
        "Bias-corrected exponentially weighted average; beta weights the past.",
        _by_beta(lambda average: average.smoothed()),
    ),
    Family(
        "ewad_smoothed_stddev",
        "gauge",
        "Exponentially weighted standard deviation.",
        _by_beta(lambda average: average.stddev()),
    ),
    Family(
        "ewad_forecast_value",
        "gauge",
        "Forecast of the value so many samples ahead.",
        _by_horizon(lambda forecaster: forecaster.forecast),
    ),
    Family(
        "ewad_forecast_lower_value",
        "gauge",
        "Lower end of the prediction interval.",
        _by_interval(lambda forecaster: forecaster.lower),
    ),
    Family(
        "ewad_forecast_upper_value",
        "gauge",
        "Upper end of the prediction interval.",
        _by_interval(lambda forecaster: forecaster.upper),
    ),
    Family(
        "ewad_forecast_coverage_ratio",
        "gauge",
        "Share of values inside their prediction intervals, exponentially weighted.",
        _by_horizon(lambda forecaster: forecaster.coverage()),
    ),
    Family(
        "ewad_anomaly_score",
        "gauge",
        "How far out of its prediction interval the value fell, above 1: outside; cools down within samples.",
        _anomaly,
    ),
    Family(
        "ewad_expert_weight",
        "gauge",
        "Weight of the expert in the forecast, by its track record.",
        _by_expert,
    ),
    Family(
        "ewad_forecast_skill_ratio",
        "gauge",
        "1 - MSE / MSE of persistence, exponentially weighted; above 0 is better than persistence.",
        _by_horizon(lambda forecaster: forecaster.skill()),
    ),
    Family("ewad_samples_total", "counter", "Accepted samples.", lambda group: [("", group.count)]),
    Family(
        "ewad_last_sample_timestamp_seconds",
        "gauge",
        "Event time of the last accepted sample.",
        lambda group: [("", group.time)],
    ),
    _of_models(
        "ewad_loss", "gauge", "Bias-corrected average of the mini-batch cost.", lambda model: model.loss
    ),
    _of_models("ewad_batch_loss", "gauge", "Cost J of the last mini-batch.", lambda model: model.batch_loss),
    _of_models(
        "ewad_learning_rate", "gauge", "Learning rate after decay.", lambda model: model.learning_rate
    ),
    _of_models("ewad_epoch", "gauge", "Epochs completed.", lambda model: model.epoch),
    _of_models("ewad_batches_total", "counter", "Mini-batches trained on.", lambda model: model.batches),
    _of_models(
        "ewad_gradient_norm",
        "gauge",
        "Euclidean norm of the last mini-batch's gradient.",
        lambda model: model.gradient_norm,
    ),
    _of_models(
        "ewad_plateau",
        "gauge",
        "Whether the loss has stopped falling.",
        lambda model: model.plateau.astype(np.int64),
    ),
    _of_models(
        "ewad_model_restarts_total",
        "counter",
        "Times the model diverged and started anew.",
        lambda model: model.diverged,
    ),
)


def escape(text: str) -> str:
    """Return text as it stands between the quotes of a label; a surrogate becomes U+FFFD."""
    text = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _label_text(pairs: Sequence[tuple[str, str]]) -> str:
    return ",".join([f'{name}="{escape(value)}"' for name, value in pairs])


class RowLabels:
    """The label text of each stream of a group, written once and kept: one string a row."""

    def __init__(self, group: str, streams: Streams) -> None:
        self.streams = streams
        self._group = group
        self._text: list[str] = []

    def __getitem__(self, rows: slice) -> list[str]:
        """Return the label text of these rows, writing those that are new."""
        text, streams = self._text, self.streams
        new = slice(len(text), rows.stop)
        for name, captured in zip(streams.names[new], streams.labels[new], strict=True):
            text.append(_label_text((("stream", name), *captured, ("group", self._group))))
        return text[rows]

    def describes(self, streams: Streams) -> bool:
        """Whether this text is of these streams: the same ones, or more by now."""
        return self.streams is streams and len(self._text) <= len(streams)


class Exposition:
    """Renders an engine's series. Keeps one string a stream; nothing is done when a sample arrives."""

    def __init__(self, engine: Engine, stale_after: Sequence[float]) -> None:
        """Take an engine and, for each of its groups, the seconds after which a silent stream leaves."""
        self._engine = engine
        self._stale_after = stale_after
        self._labels = [RowLabels(group.name, group.streams) for group in engine.groups]

    def render(self, now: float, openmetrics: bool) -> Iterator[bytes]:
        """Yield the text in slices of a few ms' work each, some of them empty; OpenMetrics ends with # EOF.

        The engine may observe batches and add streams between two slices: each column of a group is as
        it was when its turn came. now: Unix seconds.
        """
        pieces: list[str] = []
        work = 0
        for rows, text in self._pieces(now, openmetrics):
            pieces.append(text)
            work += rows + PIECE_ROWS
            if work >= SLICE_ROWS:
                yield "".join(pieces).encode()
                pieces.clear()
                work = 0
        pieces.append("# EOF\n" if openmetrics else "")
        yield "".join(pieces).encode()

    def _pieces(self, now: float, openmetrics: bool) -> Iterator[tuple[int, str]]:
        """Yield (rows looked at, their text); a family's header comes with its first series."""
        for family in FAMILIES:
            header = family.header(openmetrics)
            for index in range(len(self._engine.groups)):
                for rows, text in self._group_pieces(family, index, now):
                    yield rows, header + text if text else text
                    header = "" if text else header

    def _group_pieces(self, family: Family, index: int, now: float) -> Iterator[tuple[int, str]]:
        group, model = self._engine.groups[index], ""
        if family.of_models:
            if group.forecaster is None:
                return
            model = f'model="{escape(group.forecaster.settings.name)}",'
            if group.forecaster.shared:
                labels = [f'{model}group="{escape(group.name)}"']
                yield 1, "".join([_lines(family.name, labels, *column) for column in family.columns(group)])
                return
        row_labels = self._row_labels(index)
        shown = self.shown(index, now)
        for suffix, values in family.columns(group):
            column = np.where(shown, values[: len(shown)], np.nan)  # a copy: slices are read later
            for start in range(0, len(column), SLICE_ROWS):
                rows = slice(start, min(start + SLICE_ROWS, len(column)))
                yield rows.stop - start, _lines(family.name, row_labels[rows], suffix, column[rows], model)

    def _row_labels(self, index: int) -> RowLabels:
        group = self._engine.groups[index]
        if not self._labels[index].describes(group.streams):
            self._labels[index] = RowLabels(group.name, group.streams)
        return self._labels[index]

    def shown(self, index: int, now: float) -> NDArray[np.bool_]:
        """Return which streams of a group have series: those with a sample that are not stale."""
        group = self._engine.groups[index]
        rows = len(group.streams)
        return (group.count[:rows] > 0) & (now - group.seen[:rows] <= self._stale_after[index])


def _lines(name: str, labels: list[str], suffix: str, values: Array, prefix: str = "") -> str:
    """Return a line for each value but NaN, which is an absent series."""
    start, end = f"{name}{{{prefix}", suffix + "} "
    pairs = zip(labels, values.tolist(), strict=True)
    return "".join([f"{start}{label}{end}{value!r}\n" for label, value in pairs if value == value])
