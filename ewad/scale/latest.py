"""What stands for some streams of an engine, as columns: what sinks of a shard write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from ewad.engine import Engine
from ewad.engine.group import Group
from ewad.engine.settings import GroupSettings
from ewad.kernels.memory import Integers
from ewad.outputs.registry import QUANTITIES, result_columns

Table = dict[str, list[Any]]
# Beside the columns of results: who, when, and how many samples. labels: JSON; seen: when the last one came.
LATEST_TYPES = {
    "group": "string",
    "stream": "string",
    "labels": "string",
    "time": "double",
    "seen": "double",
    "samples": "long",
}


def columns(groups: Sequence[GroupSettings]) -> list[str]:
    """Return the names of the columns of `latest`, for all groups together."""
    return [*LATEST_TYPES, *result_columns(groups)]


def latest(engine: Engine, rows: Mapping[int, Integers]) -> Table:
    """Return what stands for these rows of each group: equally long lists; None where there is nothing."""
    names = columns([group.settings for group in engine.groups])
    table: Table = {name: [] for name in names}
    for index, which in sorted(rows.items()):
        found = _of_group(engine.groups[index], which)
        for name in names:
            table[name] += found.get(name) or [None] * len(which)
    return table


def _of_group(group: Group, rows: Integers) -> Table:
    names, labels = group.streams.names, group.streams.labels
    at = rows.tolist()
    table: Table = {
        "group": [group.name] * len(at),
        "stream": [names[row] for row in at],
        "labels": [msgspec.json.encode(dict(labels[row])).decode() for row in at],
        "time": _told(group.time[rows]),
        "seen": _told(group.seen[rows]),
        "samples": group.count[rows].tolist(),
    }
    for quantity in QUANTITIES:
        if quantity.told_by(group.settings) and not quantity.of_models:
            for further, values in quantity.standing(group):
                table[quantity.named(further)] = _told(np.asarray(values)[rows])
    if group.forecaster is not None:
        standing = group.forecaster.standing(rows)
        table |= {"loss": _told(standing.loss), "learning_rate": _told(standing.learning_rate)}
    return table


def _told(values: Any) -> list[float | None]:
    """Return the numbers; NaN, which means that there is none, as None."""
    return [None if value != value else value for value in values.tolist()]
