"""All there is to tell of streams and models, an entry each in QUANTITIES; every output reads it there.

A quantity is told in two ways: as it stands now, a column of rows (`standing`), and as it stood after each
sample of a batch, where `results` has it. A new quantity is one entry, and all outputs have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ewad.config import Settings
from ewad.config.checks import nearest
from ewad.config.syntax import quoted
from ewad.engine import Results
from ewad.engine.group import Group
from ewad.engine.settings import GroupSettings
from ewad.errors import ConfigError
from ewad.outputs import columns
from ewad.outputs.columns import Array, Column, Labels, Rows

__all__ = ["QUANTITIES", "Array", "Column", "Labels", "Quantity", "Rows"]

Axis = Literal["", "beta", "horizon"]
Unit = Literal["stream", "seconds", "ratio", ""]  # "stream": that of the stream's values, if told


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing there is to tell. Its metric is ewad_NAME.

    standing: yields the columns of a group; a row is a stream (of_models: a model); NaN: not known yet.
    of_groups: the sum over the streams of a group is told, not each.
    column: its name in rows of results, `{beta}` or `{horizon}` filled in; "": results do not have it.
    results: (m,) or, along its axis, (m, n) values after each accepted sample; None where there are none.
    of_rows: as `standing`, of some streams only: of what is told of streams that have just changed, where the
    results do not have it.  word: its key in documents then.  moving: as `standing` at a time, Unix seconds;
    None: it stands until the next sample.
    """

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    unit: Unit
    standing: Callable[[Group], Iterable[Column]]
    of_models: bool = False
    of_groups: bool = False
    axis: Axis = ""
    column: str = ""
    results: Callable[[Results], Array | None] = lambda results: None
    of_intervals: bool = False
    of_rows: Callable[[Group, Rows], Iterable[Column]] = lambda group, rows: ()
    word: str = ""
    moving: Callable[[Group, float], Iterable[Column]] | None = None

    def at(self, group: Group, now: float) -> Iterable[Column]:
        """Yield the columns of a group as they are at this time, Unix seconds."""
        return self.standing(group) if self.moving is None else self.moving(group, now)

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


QUANTITIES: Final = (
    Quantity(
        "value",
        "gauge",
        "Last accepted sample.",
        "stream",
        columns.on_circle(lambda group: [((), group.value)]),
        column="value",
    ),
    Quantity(
        "smoothed_value",
        "gauge",
        "Bias-corrected exponentially weighted average; beta weights the past.",
        "stream",
        columns.on_circle(columns.by_beta(lambda average: average.smoothed())),
        axis="beta",
        column="smoothed_{beta}",
        results=lambda results: results.mean,
        moving=columns.smoothed_at,
    ),
    Quantity(
        "smoothed_stddev",
        "gauge",
        "Exponentially weighted standard deviation.",
        "stream",
        columns.by_beta(lambda average: average.stddev()),
        axis="beta",
        column="stddev_{beta}",
        results=lambda results: results.stddev,
        moving=columns.stddev_at,
    ),
    Quantity(
        "forecast_value",
        "gauge",
        "Forecast of the value so many samples ahead.",
        "stream",
        columns.on_circle(columns.by_horizon(lambda forecaster: forecaster.forecast)),
        axis="horizon",
        column="forecast_{horizon}",
        results=lambda results: results.forecast,
    ),
    Quantity(
        "forecast_lower_value",
        "gauge",
        "Lower end of the prediction interval.",
        "stream",
        columns.on_circle(columns.by_interval(lambda forecaster: forecaster.lower)),
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
        columns.on_circle(columns.by_interval(lambda forecaster: forecaster.upper)),
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
        columns.by_horizon(lambda forecaster: forecaster.coverage()),
    ),
    Quantity(
        "anomaly_score",
        "gauge",
        "How rare the last value is: 1 is once in 1,000 quiet samples; in an anomaly the highest of it.",
        "",
        columns.anomaly_score,
        of_rows=columns.anomaly_score,
        word="anomaly",
    ),
    Quantity(
        "anomaly",
        "gauge",
        "Whether the stream is in an anomaly: it begins with a score above 1.",
        "",
        columns.anomaly,
        of_rows=columns.anomaly,
        word="anomalous",
    ),
    Quantity(
        "anomaly_reason",
        "gauge",
        "1 while an anomaly lasts; part: what was the rarest in it.",
        "",
        columns.by_reason,
    ),
    Quantity(
        "stream_stuck",
        "gauge",
        "Whether the stream reports the same value for longer than stuck_after, or, unset, than it ever did.",
        "",
        columns.stuck,
        of_rows=columns.stuck,
        word="stuck",
    ),
    Quantity(
        "anomalous_streams",
        "gauge",
        "Streams of the group that are in an anomaly.",
        "",
        columns.anomaly,
        of_groups=True,
    ),
    Quantity(
        "threshold_seconds",
        "gauge",
        "In how long after the last sample the forecast crosses the threshold; absent if not so far ahead.",
        "seconds",
        columns.crossing,
        of_rows=columns.crossing,
        word="threshold",
    ),
    Quantity(
        "threshold_earliest_seconds",
        "gauge",
        "In how long the first bound of the prediction interval crosses the threshold.",
        "seconds",
        columns.crossing_earliest,
        of_rows=columns.crossing_earliest,
        word="threshold_earliest",
    ),
    Quantity(
        "threshold_latest_seconds",
        "gauge",
        "In how long the whole prediction interval is past the threshold.",
        "seconds",
        columns.crossing_latest,
        of_rows=columns.crossing_latest,
        word="threshold_latest",
    ),
    Quantity(
        "expert_weight",
        "gauge",
        "Weight of the expert in the forecast, by its track record.",
        "",
        columns.by_expert,
    ),
    Quantity(
        "forecast_skill_ratio",
        "gauge",
        "1 - MSE / MSE of persistence, exponentially weighted; above 0 is better than persistence.",
        "ratio",
        columns.skill,
        of_rows=columns.skill,
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
        columns.of_experts(lambda model: model.loss),
        of_models=True,
        column="loss",
        results=lambda results: results.loss,
    ),
    Quantity(
        "batch_loss",
        "gauge",
        "Cost J of the last mini-batch.",
        "",
        columns.of_experts(lambda model: model.batch_loss),
        of_models=True,
    ),
    Quantity(
        "learning_rate",
        "gauge",
        "Learning rate after decay.",
        "",
        columns.of_experts(lambda model: model.learning_rate),
        of_models=True,
        column="learning_rate",
        results=lambda results: results.learning_rate,
    ),
    Quantity(
        "epoch",
        "gauge",
        "Epochs completed.",
        "",
        columns.of_experts(lambda model: model.epoch),
        of_models=True,
    ),
    Quantity(
        "batches_total",
        "counter",
        "Mini-batches trained on.",
        "",
        columns.of_experts(lambda model: model.batches),
        of_models=True,
    ),
    Quantity(
        "gradient_norm",
        "gauge",
        "Euclidean norm of the last mini-batch's gradient.",
        "",
        columns.of_experts(lambda model: model.gradient_norm),
        of_models=True,
    ),
    Quantity(
        "plateau",
        "gauge",
        "Whether the loss has stopped falling.",
        "",
        columns.of_experts(lambda model: model.plateau.astype(int)),
        of_models=True,
    ),
    Quantity(
        "model_restarts_total",
        "counter",
        "Times the model diverged and started anew.",
        "",
        columns.of_experts(lambda model: model.diverged),
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
