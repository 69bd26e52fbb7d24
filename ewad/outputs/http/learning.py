"""How the models of watched streams have learned: weights, losses, learning rates and coverage over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Engine
from ewad.engine.group import Group
from ewad.outputs.http import documents
from ewad.outputs.http.documents import Number
from ewad.outputs.registry import QUANTITIES, Array
from ewad.outputs.text import utf8

RECORDS: Final = 240  # of a stream: some 35 KB with `auto`, 9 MB for all that are watched
LOOK_SECONDS: Final = 1.0  # between two looks at all of them
OF_EXPERTS: Final = ("loss", "learning_rate", "plateau")
COVERAGE: Final = "forecast_coverage_ratio"
TOLD: Final = {each.name: each for each in QUANTITIES}

Floats = NDArray[np.float64]
Key = tuple[str, str]  # what is told, and the expert that it is told of; "" for none


class _Records:
    """The records of one stream: (n, 1 + columns), the first column the time of its last sample.

    Full, every other one leaves, and from then on they come half as often: they reach from the first sample
    of the stream in this process to now, whatever the time between.
    """

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self.keys = keys
        self.every = 1  # looks
        self.samples = -1  # at the last record
        self._table = np.empty((RECORDS, 1 + len(keys)))
        self._n = 0

    def add(self, time: float, values: Floats) -> None:
        if self._n == RECORDS:
            self._table[: RECORDS // 2] = self._table[::2]
            self._n = RECORDS // 2
            self.every *= 2
        self._table[self._n, 0], self._table[self._n, 1:] = time, values
        self._n += 1

    def read(self) -> Floats:
        return self._table[: self._n]


class LearningHistory:
    """Records of the streams that are watched and have a model."""

    def __init__(self) -> None:
        self._looks = 0
        self._records: dict[tuple[str, str], _Records] = {}  # by group and stream

    def look(self, engine: Engine, watched: Iterable[tuple[int, str]]) -> None:
        """Take a record of each of these streams whose turn it is and that has had a sample since.

        watched: index of a group, and name of a stream; the others are forgotten.
        """
        earlier, self._records = self._records, {}
        due: dict[int, list[tuple[int, _Records]]] = {}
        for index, name in watched:
            group = engine.groups[index] if index < len(engine.groups) else None
            row = None if group is None or group.forecaster is None else group.streams.find(name)
            if group is None or row is None or not group.count[row]:
                continue
            records = earlier.get((group.settings.name, name)) or _Records(_keys(group))
            if records.keys != _keys(group):
                records = _Records(_keys(group))
            self._records[group.settings.name, name] = records
            if self._looks % records.every == 0 and group.count[row] != records.samples:
                due.setdefault(index, []).append((row, records))
        self._looks += 1
        for index, several in due.items():
            _record(engine.groups[index], several)

    def of(self, group: str, name: str) -> documents.Learning:
        """Return what there is of a stream; empty lists where there is nothing."""
        records = self._records.get((group, name))
        keys, table = ((), np.empty((0, 1))) if records is None else (records.keys, records.read())
        columns = dict(zip(keys, table.T[1:], strict=True))
        experts = dict.fromkeys(expert for _, expert in keys if expert)

        def told(quantity: str, expert: str = "") -> list[Number]:
            found = columns.get((quantity, expert), np.empty(0)).tolist()
            return [value if math.isfinite(value) else None for value in found]

        return documents.Learning(
            stream=utf8(name),
            group=group,
            time=table[:, 0].tolist(),
            coverage=told(COVERAGE),
            experts=[
                documents.ExpertLearning(expert, *(told(each, expert) for each in ("weight", *OF_EXPERTS)))
                for expert in experts
            ],
        )


def _record(group: Group, several: list[tuple[int, _Records]]) -> None:
    rows = np.array([row for row, _ in several])
    values = np.column_stack([column for _, column in _columns(group, rows)])
    for (row, records), one in zip(several, values, strict=True):
        records.samples = int(group.count[row])
        records.add(float(group.time[row]), one)


def _keys(group: Group) -> tuple[Key, ...]:
    """Return what the columns of a group's records are."""
    assert group.forecaster is not None  # noqa: S101 (the caller sees to it)
    settings = group.forecaster.settings
    mixed = settings.experts if len(settings.experts) > 1 else ()
    learn = group.forecaster.gradient_learners
    return (
        *(("weight", expert) for expert in mixed),
        *((quantity, expert) for quantity in OF_EXPERTS for expert in learn),
        (COVERAGE, ""),
    )


def _columns(group: Group, rows: NDArray[np.int64]) -> Iterator[tuple[Key, Array]]:
    """Yield the columns of these rows as `_keys` names them, those of horizons for the nearest one."""
    assert group.forecaster is not None  # noqa: S101 (the caller sees to it)
    forecaster, settings = group.forecaster, group.forecaster.settings
    weights = forecaster.weights()
    if weights is not None:
        for i, expert in enumerate(settings.experts):
            yield ("weight", expert), weights[rows, 0, i]
    models = np.zeros_like(rows) if forecaster.shared else rows
    for quantity in OF_EXPERTS:
        columns = TOLD[quantity].standing(group)
        for expert, (_, values) in zip(forecaster.gradient_learners, columns, strict=True):
            yield (quantity, expert), values[models].astype(float)
    yield (COVERAGE, ""), forecaster.coverage()[rows, 0]
