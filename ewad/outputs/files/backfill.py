"""Results as OpenMetrics text with times, for `promtool tsdb create-blocks-from openmetrics`.

The series are those of the exposition, name and labels alike, so that history and live samples join.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ewad.engine import Engine
from ewad.engine.group import Group
from ewad.kernels.memory import Integers
from ewad.outputs.files.rows import Table
from ewad.outputs.prometheus.exposition import RowLabels, escape, header_of, suffix_of
from ewad.outputs.registry import QUANTITIES

HEADERS = {quantity.metric: header_of(quantity, openmetrics=True) for quantity in QUANTITIES}

Values = tuple[float, ...]


class Cell(NamedTuple):
    """A column of a group's rows as a metric; suffix: its further labels, such as ',beta="0.9"'."""

    metric: str
    column: str
    suffix: str = ""


class Newest:
    """Lets through each series' last sample of a millisecond, in order of time: all that Prometheus takes.

    The newest sample of each series waits for the next one, which may be of the same time.
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[int, float, Values]] = {}

    def settled(self, key: int, time: float, values: Values) -> tuple[float, Values] | None:
        """Take a series' sample, and return the one before it if that is settled now."""
        millisecond = int(time * 1000)  # as Prometheus cuts it
        held = self._held.get(key)
        if held is not None and millisecond < held[0]:
            return None
        self._held[key] = millisecond, time, values
        return held[1:] if held is not None and millisecond > held[0] else None

    def rest(self) -> Iterator[tuple[int, float, Values]]:
        """Yield key, time and values of the samples that wait."""
        return ((key, time, values) for key, (_, time, values) in self._held.items())


class Part:
    """The series of one group: those of its streams or those of its models, a key each."""

    def __init__(self, cells: list[Cell], labels: RowLabels | None, prefix: str) -> None:
        """Take what the series are; labels: None where the prefix says all, in one series a cell."""
        self.cells = cells
        self._labels = labels
        self._prefix = prefix
        self._newest = Newest()

    def settle(self, table: Table, rows: Integers) -> list[tuple[int, float, Values]]:
        """Take the table's samples at these places; return key, time and values of those that are settled."""
        keys = table["row"][rows].tolist() if self._labels else [0] * len(rows)
        columns = [table[cell.column][rows].tolist() for cell in self.cells]
        found = []
        for key, time, *values in zip(keys, table["time"][rows].tolist(), *columns, strict=True):
            settled = self._newest.settled(key, time, tuple(values))
            if settled is not None:
                found.append((key, *settled))
        return found

    def rest(self) -> list[tuple[int, float, Values]]:
        """Return what still waits."""
        return list(self._newest.rest())

    def lines(self, index: int, samples: list[tuple[int, float, Values]]) -> Iterator[str]:
        """Yield the lines of one of the cells; NaN is an absent sample."""
        metric, _, suffix = self.cells[index]
        text = self._labels[slice(0, len(self._labels.streams))] if self._labels else [""]
        for key, time, values in samples:
            value = values[index]
            if value == value:
                yield f"{metric}{{{self._prefix}{text[key]}{suffix}}} {value!r} {time!r}\n"


class BackfillSink:
    """One OpenMetrics file. Families must lie in one piece, so that each grows in a file of its own first."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._parts = [list(_parts(group)) for group in engine.groups]
        self._families: dict[str, IO[str]] = {}

    def write(self, table: Table) -> None:
        """Append the rows to their families."""
        for index, parts in enumerate(self._parts):
            rows = np.flatnonzero(table["group"] == index)
            for part in parts if len(rows) else ():
                self._append(part, part.settle(table, rows))

    def _append(self, part: Part, samples: list[tuple[int, float, Values]]) -> None:
        for index, cell in enumerate(part.cells):
            if cell.metric not in self._families:
                self._families[cell.metric] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
            self._families[cell.metric].writelines(part.lines(index, samples))

    def close(self) -> None:
        """Put the families together."""
        try:
            for parts in self._parts:
                for part in parts:
                    self._append(part, part.rest())
            with self._path.open("w", encoding="utf-8") as out:
                for metric, lines in self._families.items():
                    out.write(HEADERS[metric])
                    lines.seek(0)
                    shutil.copyfileobj(lines, out)
                out.write("# EOF\n")
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the files of the families."""
        while self._families:
            self._families.popitem()[1].close()


def _parts(group: Group) -> Iterator[Part]:
    labels = RowLabels(group.name, group.streams)
    yield Part(_cells(group, of_models=False), labels, "")
    if group.forecaster is not None:
        model = f'model="{escape(group.forecaster.settings.name)}",'
        cells = _cells(group, of_models=True)
        if group.forecaster.shared:
            yield Part(cells, None, f'{model}group="{escape(group.name)}"')
        else:
            yield Part(cells, labels, model)


def _cells(group: Group, of_models: bool) -> list[Cell]:
    """Return what results tell of the streams, or the models, of a group."""
    return [
        Cell(quantity.metric, quantity.named(further), suffix_of(further))
        for quantity in QUANTITIES
        if quantity.of_models == of_models and quantity.told_by(group.settings)
        for further in quantity.labels(group.settings)
    ]
