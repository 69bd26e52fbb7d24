"""From a group's arrays to columns of what is told: labels beside its owner's, and a value for each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ewad.engine.forecaster import GroupForecaster
from ewad.engine.group import Group
from ewad.engine.learner import Learner
from ewad.kernels.memory import Integers
from ewad.numeric.anomaly import REASONS
from ewad.numeric.averages import ExponentialAverage

Array = NDArray[Any]
Rows = slice | Integers
Labels = tuple[tuple[str, str], ...]  # such as (("horizon", "6"), ("expert", "rls"))
Column = tuple[Labels, Array]


def on_circle(columns: Callable[[Group], Iterable[Column]]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives the same columns, those of a circular value as they lie on its circle."""

    def told(group: Group) -> Iterator[Column]:
        period = group.settings.period
        for labels, values in columns(group):
            yield labels, values if period is None else values % period

    return told


def by_beta(values: Callable[[ExponentialAverage], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each of a group's averages."""

    def columns(group: Group) -> Iterator[Column]:
        for beta, average in zip(group.settings.beta_labels, group.averages, strict=True):
            yield (("beta", beta),), values(average)

    return columns


def smoothed_at(group: Group, now: float) -> Iterator[Column]:
    """Yield the averages as they are at a time: those of held values move between samples."""
    means = by_beta(lambda average: average.after(now - group.time)[0])
    return on_circle(means)(group)


def stddev_at(group: Group, now: float) -> Iterator[Column]:
    """Yield the standard deviations as they are at a time."""
    return by_beta(lambda average: average.after(now - group.time)[1])(group)


def by_horizon(values: Callable[[GroupForecaster], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each horizon of a group's model."""

    def columns(group: Group) -> Iterator[Column]:
        if group.forecaster is not None:
            for index, horizon in enumerate(group.forecaster.horizons):
                yield (("horizon", str(horizon)),), values(group.forecaster)[:, index]

    return columns


def by_interval(values: Callable[[GroupForecaster], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each horizon of a model with intervals: what others keep is of old."""
    columns = by_horizon(values)

    def some(group: Group) -> Iterator[Column]:
        if group.forecaster is not None and group.forecaster.intervals is not None:
            yield from columns(group)

    return some


def by_expert(group: Group) -> Iterator[Column]:
    """Yield a column for each horizon and expert of a group whose model mixes several."""
    forecaster = group.forecaster
    weights = None if forecaster is None else forecaster.weights()
    if forecaster is not None and weights is not None:
        for index, horizon in enumerate(forecaster.horizons):
            for i, expert in enumerate(forecaster.settings.experts):
                yield (("horizon", str(horizon)), ("expert", expert)), weights[:, index, i]


def anomaly_score(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    """Yield the scores."""
    yield (), group.anomalies.score(rows)


def anomaly(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    """Yield whether streams are in an anomaly."""
    yield (), (group.anomalies.left[rows] > 0).astype(np.int64)


def by_reason(group: Group) -> Iterator[Column]:
    """Yield a column for each part of a score that is the reason of an anomaly now: 1 there, else NaN."""
    lasts, reason = group.anomalies.left > 0, group.anomalies.reason
    for index in np.unique(reason[lasts]).tolist():
        yield (("part", REASONS[index]),), np.where(lasts & (reason == index), 1.0, np.nan)


def stuck(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    """Yield whether streams are stuck."""
    yield (), group.rests.stuck[rows]


def crossing(group: Group, rows: Rows = slice(None), which: int = 0) -> Iterator[Column]:
    """Yield for each threshold in how many seconds it is expected to be crossed; 1: earliest, 2: latest."""
    for threshold in group.settings.thresholds:
        found = group.crossings(threshold, rows)
        if found is not None:
            yield (("threshold", threshold.name),), found[which]


def crossing_earliest(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    """Yield in how many seconds the first bound crosses each threshold."""
    return crossing(group, rows, 1)


def crossing_latest(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    """Yield in how many seconds both bounds have crossed each threshold."""
    return crossing(group, rows, 2)


def skill(group: Group, rows: Rows = slice(None)) -> Iterator[Column]:
    """Yield a column for each horizon."""
    if group.forecaster is not None:
        of_horizons = group.forecaster.skill(rows)
        for index, horizon in enumerate(group.forecaster.horizons):
            yield (("horizon", str(horizon)),), of_horizons[:, index]


def of_experts(values: Callable[[Learner], Array]) -> Callable[[Group], Iterator[Column]]:
    """Return what gives a column for each expert that takes steps; beside others, by its name."""

    def columns(group: Group) -> Iterator[Column]:
        if group.forecaster is not None:
            alone = len(group.forecaster.settings.experts) == 1
            for expert, learner in group.forecaster.gradient_learners.items():
                yield () if alone else (("expert", expert),), values(learner)

    return columns
