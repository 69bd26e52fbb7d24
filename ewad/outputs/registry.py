"""All there is to tell of streams and models, an entry each in QUANTITIES; every output reads it there.

A quantity is told in two ways: as it stands now, a column of rows (`standing`), and as it stood after each
sample of a batch, where `results` has it. A new quantity is one entry, and all outputs have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ewad.config import Settings
from ewad.config.checks import nearest
from ewad.config.syntax import quoted
from ewad.engine import Results
from ewad.engine.forecaster import GroupForecaster
from ewad.engine.group import Group
from ewad.engine.learner import Learner
from ewad.engine.settings import GroupSettings
from ewad.errors import ConfigError
from ewad.kernels.memory import Integers
from ewad.numeric.averages import ExponentialAverage

Array = NDArray[Any]
Rows = slice | Integers
Labels = tuple[tuple[str, str], ...]  # such as (("horizon", "6"), ("expert", "rls"))
Column = tuple[Labels, Array]  # labels beside its owner's, and a value for each row

Axis = Literal["", "beta", "horizon"]
Unit = Literal["stream", "seconds", "ratio", ""]  # "stream": that of the stream's values, if told


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing there is to tell. Its metric is ewad_NAME.

    standing: yields the columns of a group; a row is a stream (of_models: a model); NaN: not known yet.
    column: its name in rows of results, `{beta}` or `{horizon}` filled in; "": results do not have it.
    results: (m,) or, along its axis, (m, n) values after each accepted sample; None where there are none.
    of_rows: as `standing`, of some streams only: of what is told of streams that have just changed, where the
    results do not have it.  word: its key in documents then.
    """

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    unit: Unit
    standing: Callable[[Group], Iterable[Column]]
    of_models: bool = False
    axis: Axis = ""
    column: str = ""
    results: Callable[[Results], Array | None] = lambda results: None
    of_intervals: bool = False
    of_rows: Callable[[Group, Rows], Iterable[Column]] = lambda group, rows: ()
    word: str = ""

    @property
    def metric(self) -> str:
        """Its name as a Prometheus metric."""
        return f"ewad_{self.name}"

    def exposed_by(self, names: Sequence[str]) -> bool:
        """Whether it is one of these, or begins with one of them, word by word; without names all are."""
        return not names or any(f"{self.name}_".startswith(f"{name}_") for name in names)

    def told_by(self, settings: GroupSettings) -> bool:
        """Whether results of a group of these settings have it."""
        if not self.column:
            return False
        if self.of_intervals:
            return settings.model is not None and settings.model.interval is not None
        return settings.model is not None or not (self.of_models or self.axis == "horizon")

    def labels(self, settings: GroupSettings) -> list[Labels]:
        """Return the further labels of each of its columns in results."""
        if self.axis == "beta":
            return [(("beta", label),) for label in settings.beta_labels]
        if self.axis == "horizon":
            horizons = () if settings.model is None else settings.model.horizons
            return [(("horizon", str(horizon)),) for horizon in horizons]
        return [()]

    def named(self, labels: Labels) -> str:
        """Return the name of one of its columns in rows of results."""
        return self.column.format(**dict(labels))


def _by_beta(values: Callable[[ExponentialAverage], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each of a group's averages."""

    def columns(group: Group) -> Iterator[Column]:
        for beta, average in zip(group.settings.beta_labels, group.averages, strict=True):
            yield (("beta", beta),), values(average)

    return columns


def _by_horizon(values: Callable[[GroupForecaster], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each horizon of a group's model."""

    def columns(group: Group) -> Iterator[Column]:
        if group.forecaster is not None:
            for index, horizon in enumerate(group.forecaster.horizons):
                yield (("horizon", str(horizon)),), values(group.forecaster)[:, index]

    return columns


def _by_interval(values: Callable[[GroupForecaster], Array]) -> Callable[[Group], Iterator[Column]]:
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
                yield (("horizon", str(horizon)), ("expert", expert)), weights[:, index, i]


def _anomaly(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    if group.forecaster is not None and group.forecaster.intervals is not None:
        yield (), group.forecaster.intervals.anomaly[rows]


def _skill(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    if group.forecaster is not None:
        skill = group.forecaster.skill(rows)
        for index, horizon in enumerate(group.forecaster.horizons):
            yield (("horizon", str(horizon)),), skill[:, index]


def _of_experts(values: Callable[[Learner], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each expert that takes steps; beside others, by its name."""

    def columns(group: Group) -> Iterator[Column]:
        if group.forecaster is not None:
            alone = len(group.forecaster.settings.experts) == 1
            for expert, learner in group.forecaster.gradient_learners.items():
                yield () if alone else (("expert", expert),), values(learner)

    return columns


QUANTITIES: Final = (
    Quantity(
        "value",
        "gauge",
        "Last accepted sample.",
        "stream",
        lambda group: [((), group.value)],
        column="value",
    ),
    Quantity(
        "smoothed_value",
        "gauge",
        "Bias-corrected exponentially weighted average; beta weights the past.",
        "stream",
        _by_beta(lambda average: average.smoothed()),
        axis="beta",
        column="smoothed_{beta}",
        results=lambda results: results.mean,
    ),
    Quantity(
        "smoothed_stddev",
        "gauge",
        "Exponentially weighted standard deviation.",
        "stream",
        _by_beta(lambda average: average.stddev()),
        axis="beta",
        column="stddev_{beta}",
        results=lambda results: results.stddev,
    ),
    Quantity(
        "forecast_value",
        "gauge",
        "Forecast of the value so many samples ahead.",
        "stream",
        _by_horizon(lambda forecaster: forecaster.forecast),
        axis="horizon",
        column="forecast_{horizon}",
        results=lambda results: results.forecast,
    ),
    Quantity(
        "forecast_lower_value",
        "gauge",
        "Lower end of the prediction interval.",
        "stream",
        _by_interval(lambda forecaster: forecaster.lower),
        axis="horizon",
        column="lower_{horizon}",
        results=lambda results: results.lower,
        of_intervals=True,
    ),
    Quantity(
        "forecast_upper_value",
        "gauge",
        "Upper end of the prediction interval.",
        "stream",
        _by_interval(lambda forecaster: forecaster.upper),
        axis="horizon",
        column="upper_{horizon}",
        results=lambda results: results.upper,
        of_intervals=True,
    ),
    Quantity(
        "forecast_coverage_ratio",
        "gauge",
        "Share of values inside their prediction intervals, exponentially weighted.",
        "ratio",
        _by_horizon(lambda forecaster: forecaster.coverage()),
    ),
    Quantity(
        "anomaly_score",
        "gauge",
        "How far out of its prediction interval the value fell, above 1: outside; cools down within samples.",
        "",
        _anomaly,
        of_rows=_anomaly,
        word="anomaly",
    ),
    Quantity(
        "expert_weight",
        "gauge",
        "Weight of the expert in the forecast, by its track record.",
        "",
        _by_expert,
    ),
    Quantity(
        "forecast_skill_ratio",
        "gauge",
        "1 - MSE / MSE of persistence, exponentially weighted; above 0 is better than persistence.",
        "ratio",
        _skill,
        of_rows=_skill,
        word="skill",
    ),
    Quantity("samples_total", "counter", "Accepted samples.", "", lambda group: [((), group.count)]),
    Quantity(
        "last_sample_timestamp_seconds",
        "gauge",
        "Event time of the last accepted sample.",
        "seconds",
        lambda group: [((), group.time)],
    ),
    Quantity(
        "loss",
        "gauge",
        "Bias-corrected average of the mini-batch cost.",
        "",
        _of_experts(lambda model: model.loss),
        of_models=True,
        column="loss",
        results=lambda results: results.loss,
    ),
    Quantity(
        "batch_loss",
        "gauge",
        "Cost J of the last mini-batch.",
        "",
        _of_experts(lambda model: model.batch_loss),
        of_models=True,
    ),
    Quantity(
        "learning_rate",
        "gauge",
        "Learning rate after decay.",
        "",
        _of_experts(lambda model: model.learning_rate),
        of_models=True,
        column="learning_rate",
        results=lambda results: results.learning_rate,
    ),
    Quantity(
        "epoch",
        "gauge",
        "Epochs completed.",
        "",
        _of_experts(lambda model: model.epoch),
        of_models=True,
    ),
    Quantity(
        "batches_total",
        "counter",
        "Mini-batches trained on.",
        "",
        _of_experts(lambda model: model.batches),
        of_models=True,
    ),
    Quantity(
        "gradient_norm",
        "gauge",
        "Euclidean norm of the last mini-batch's gradient.",
        "",
        _of_experts(lambda model: model.gradient_norm),
        of_models=True,
    ),
    Quantity(
        "plateau",
        "gauge",
        "Whether the loss has stopped falling.",
        "",
        _of_experts(lambda model: model.plateau.astype(np.int64)),
        of_models=True,
    ),
    Quantity(
        "model_restarts_total",
        "counter",
        "Times the model diverged and started anew.",
        "",
        _of_experts(lambda model: model.diverged),
        of_models=True,
    ),
)


def result_columns(groups: Sequence[GroupSettings]) -> list[str]:
    """Return the names of what results of these groups have beside time and stream.

    First what every stream has, then average by average, then horizon by horizon, then the models'.
    """

    def along(axis: Axis, of_models: bool = False) -> list[str]:
        told = [each for each in QUANTITIES if each.axis == axis and each.of_models == of_models]
        pairs = [
            (labels, quantity.named(labels))
            for quantity in told
            for group in groups
            if quantity.told_by(group)
            for labels in quantity.labels(group)
        ]
        if axis == "horizon":  # forecast and bounds of a horizon side by side
            pairs.sort(key=lambda pair: int(pair[0][0][1]))
        return list(dict.fromkeys(name for _, name in pairs))

    return [*along(""), *along("beta"), *along("horizon"), *along("", of_models=True)]


def told_results(settings: GroupSettings, results: Results) -> Iterator[tuple[Quantity, Labels, Array]]:
    """Yield each column of a batch's results, (m,) in order of arrival, without the values: of what it is,
    its further labels, its numbers.
    """
    for quantity in QUANTITIES:
        values = quantity.results(results) if quantity.told_by(settings) else None
        if values is None:
            continue
        columns = values.T if quantity.axis else [values]
        for labels, column in zip(quantity.labels(settings), columns, strict=True):
            yield quantity, labels, column


def result_values(settings: GroupSettings, results: Results) -> dict[str, Array]:
    """Return the columns of a batch's results by their names, as `told_results`."""
    return {quantity.named(labels): column for quantity, labels, column in told_results(settings, results)}


def told_standing(group: Group, rows: Rows) -> Iterator[tuple[Quantity, Labels, Array]]:
    """Yield what beside results is told of streams that have just changed, as it stands in these rows."""
    for quantity in QUANTITIES:
        for labels, values in quantity.of_rows(group, rows):
            yield quantity, labels, values


def check_exposed(settings: Settings) -> None:
    """Raise ConfigError where a block would expose something that there is not."""
    for index, block in enumerate(settings.streams):
        for name in block.expose:
            if not any(quantity.exposed_by([name]) for quantity in QUANTITIES):
                known = [quantity.name for quantity in QUANTITIES]
                expected = "expected the name of a metric behind ewad_, or its beginning"
                raise ConfigError(
                    f"stream[{index}].expose: {expected}, got {quoted(name)}{nearest(name, known)}"
                )
