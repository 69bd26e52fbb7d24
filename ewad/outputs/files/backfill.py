"""Results as OpenMetrics text with times, for `promtool tsdb create-blocks-from openmetrics`.

The series are those of the exposition, name and labels alike, so that history and live samples join.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ewad.engine import Engine
from ewad.engine.group import Group
from ewad.ingest.files.spool import PIECE_SAMPLES, Spool
from ewad.kernels.memory import Integers
from ewad.outputs.files.rows import Table
from ewad.outputs.prometheus.exposition import RowLabels, escape, header_of, label_text, suffix_of
from ewad.outputs.registry import QUANTITIES, Labels

HEADERS = {quantity.metric: header_of(quantity, openmetrics=True) for quantity in QUANTITIES}

Values = tuple[float, ...]


class MetricColumn(NamedTuple):
    """A column of a group's rows as a metric; further: its labels beside the stream's, such as beta."""

    metric: str
    column: str
    further: Labels = ()


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


class GroupSeries:
    """The series of one group: those of its streams or those of its models, a key each."""

    def __init__(self, cells: list[MetricColumn], labels: RowLabels | None, prefix: str) -> None:
        """Take what the series are; labels: None where the prefix says all, in one series a cell.

        A prefix in front of a stream's labels is the label `model`: left out where a stream has that itself.
        """
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

    def label(self, index: int, key: int) -> str:
        """Return the labels of one of the cells' series, once all streams are known: as /metrics has them."""
        further = self.cells[index].further
        if self._labels is None:
            return f"{self._prefix}{suffix_of(further)}"
        text, taken = self._labels.of_row(key), self._labels.taken
        prefix = "" if "model" in taken else self._prefix
        return f"{prefix}{text}{suffix_of(further, taken)}"


class BackfillSink:
    """One OpenMetrics file: families in one piece, and in them series, each in order of time."""

    def __init__(self, path: Path, engine: Engine, constant: Labels = ()) -> None:
        """constant: labels of all series, as live ones have them."""
        self._path = path
        self._parts = [list(_parts(group, constant)) for group in engine.groups]
        # of each family, where its cells are: the slots of its series
        self._slots: dict[str, list[tuple[GroupSeries, int]]] = {}
        for part in (part for parts in self._parts for part in parts):
            for index, cell in enumerate(part.cells):
                self._slots.setdefault(cell.metric, []).append((part, index))
        # a series is a key of a slot: its number is key * slots + slot
        self._families = {metric: Spool() for metric in self._slots}

    def write(self, table: Table) -> None:
        """Append the rows to their families."""
        for index, parts in enumerate(self._parts):
            rows = np.flatnonzero(table["group"] == index)
            for part in parts if len(rows) else ():
                self._append(part, part.settle(table, rows))

    def _append(self, part: GroupSeries, samples: list[tuple[int, float, Values]]) -> None:
        if not samples:
            return
        keys = np.array([key for key, _, _ in samples], dtype=np.int64)
        times = np.array([time for _, time, _ in samples])
        values = np.array([values for _, _, values in samples])  # (n_samples, n_cells)
        for index, cell in enumerate(part.cells):
            slots = self._slots[cell.metric]
            numbers = keys * len(slots) + slots.index((part, index))
            self._families[cell.metric].add(numbers, times, values[:, index])

    def close(self) -> None:
        """Put the families together."""
        try:
            for part in (part for parts in self._parts for part in parts):
                self._append(part, part.rest())
            with self._path.open("w", encoding="utf-8") as out:
                for metric, spool in self._families.items():
                    out.writelines(self._lines(metric, spool))
                out.write("# EOF\n")
        finally:
            self.discard()

    def _lines(self, metric: str, spool: Spool) -> Iterator[str]:
        header = HEADERS[metric]
        for number, samples in spool.series():
            yield header
            header = ""
            key, slot = divmod(number, len(self._slots[metric]))
            part, index = self._slots[metric][slot]
            labels = part.label(index, key)
            for start in range(0, len(samples), PIECE_SAMPLES):
                piece = samples[start : start + PIECE_SAMPLES]
                for time, value in zip(piece["time"].tolist(), piece["value"].tolist(), strict=True):
                    yield f"{metric}{{{labels}}} {value!r} {time!r}\n"

    def discard(self) -> None:
        """Let go of the files of the families."""
        while self._families:
            self._families.popitem()[1].close()


def _parts(group: Group, constant: Labels) -> Iterator[GroupSeries]:
    labels = RowLabels(group.name, group.streams, constant)
    yield GroupSeries(_cells(group, of_models=False), labels, "")
    if group.forecaster is not None:
        model = f'model="{escape(group.forecaster.settings.name)}",'
        cells = _cells(group, of_models=True)
        if group.forecaster.shared:
            yield GroupSeries(cells, None, model + label_text((("group", group.name), *constant)))
        else:
            yield GroupSeries(cells, labels, model)


def _cells(group: Group, of_models: bool) -> list[MetricColumn]:
    """Return what results tell of the streams, or the models, of a group."""
    return [
        MetricColumn(quantity.metric, quantity.named(further), further)
        for quantity in QUANTITIES
        if quantity.of_models == of_models and quantity.told_by(group.settings)
        for further in quantity.labels(group.settings)
    ]
