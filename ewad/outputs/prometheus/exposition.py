"""The series of streams and models as Prometheus or OpenMetrics text, written straight from the arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Engine
from ewad.engine.streams import Streams
from ewad.outputs.registry import QUANTITIES, Array, Labels, Quantity

SLICE_ROWS: Final = 2048  # about 2 ms of work: a caller on the event loop yields between slices
PIECE_ROWS: Final = 64  # starting one column of one group costs about as much as so many rows
LOOK_ROWS: Final = 4  # and so many, finding that a group has none of a family

_SURROGATES: Final = re.compile("[\ud800-\udfff]")  # the only text that UTF-8, and so a label, can't carry


def escape(text: str) -> str:
    """Return text as it stands between the quotes of a label; a surrogate becomes U+FFFD."""
    text = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def header_of(quantity: Quantity, openmetrics: bool) -> str:
    """Return the HELP and TYPE lines; OpenMetrics names a counter's family without _total."""
    name = quantity.metric.removesuffix("_total") if openmetrics else quantity.metric
    return f"# HELP {name} {quantity.help}\n# TYPE {name} {quantity.kind}\n"


def suffix_of(further: Labels, taken: Collection[str] = ()) -> str:
    """Return further labels as they stand behind the stream's own: ',beta="0.9"'.

    taken: names of the stream's own; Prometheus refuses a scrape whose series has a label twice.
    """
    return "".join([f',{name}="{escape(value)}"' for name, value in given_way(further, taken)])


def given_way(further: Labels, taken: Collection[str]) -> Labels:
    """Return ewad's own labels, `ewad_` in front of those whose name is taken by a stream's."""
    return tuple([(f"ewad_{name}" if name in taken else name, value) for name, value in further])


def besides(constant: Labels, own: Labels) -> Labels:
    """Return the constant labels, without those that a stream has itself."""
    names = [name for name, _ in own] if constant else ()
    return tuple(pair for pair in constant if pair[0] not in names)


def label_text(pairs: Sequence[tuple[str, str]]) -> str:
    """Return labels as they stand between the braces."""
    return ",".join([f'{name}="{escape(value)}"' for name, value in pairs])


class RowLabels:
    """The label text of each stream of a group, written once and kept: one string a row.

    taken: names of labels that streams have: where one is `model`, that of ewad gives way.
    """

    def __init__(self, group: str, streams: Streams, constant: Labels = ()) -> None:
        """constant: further labels of all, but of streams that have one of that name."""
        self.streams = streams
        self._constant = constant
        self.taken: set[str] = set()
        self._group = group
        self._text: list[str] = []

    def __getitem__(self, rows: slice) -> list[str]:
        """Return the label text of these rows, writing those that are new."""
        text, streams = self._text, self.streams
        new = slice(len(text), rows.stop)
        for name, captured in zip(streams.names[new], streams.labels[new], strict=True):
            own = (("stream", name), *captured, ("group", self._group))
            text.append(label_text((*own, *besides(self._constant, captured))))
            self.taken.update(label for label, _ in captured)
        return text[rows]

    def of_row(self, row: int) -> str:
        """Return the label text of one row, once that of all rows is written."""
        if len(self._text) < len(self.streams):
            self[: len(self.streams)]
        return self._text[row]

    def describes(self, streams: Streams) -> bool:
        """Whether this text is of these streams: the same ones, or more by now."""
        return self.streams is streams and len(self._text) <= len(streams)


class Exposition:
    """Renders an engine's series. Keeps one string a stream; nothing is done when a sample arrives."""

    def __init__(
        self,
        engine: Engine,
        stale_after: Sequence[float],
        shard: int | None = None,
        constant: Labels = (),
        exposed: Sequence[Sequence[str]] = (),
    ) -> None:
        """Take an engine and, for each of its groups, the seconds after which a silent stream leaves.

        shard: which one of several it is: a label of models that streams share, each shard has its own.
        constant: labels of all series.  exposed: for each group, what is exposed of it (`exposed_by`).
        """
        of_models = constant if shard is None else (("shard", str(shard)), *constant)
        self._of_models = "".join(f",{label_text([pair])}" for pair in of_models)
        self._constant = constant
        self._exposed = exposed or ((),) * len(engine.groups)
        self._engine = engine
        self._stale_after = stale_after
        self._labels = [RowLabels(group.name, group.streams, constant) for group in engine.groups]

    def render(self, now: Callable[[], float], openmetrics: bool) -> Iterator[bytes]:
        """Yield the text in slices of a few ms' work each, some of them empty; OpenMetrics ends with # EOF.

        The engine may observe batches and add streams between two slices: each column of a group is as
        it was when its turn came, and so is the time. now: Unix seconds by the clock of arrivals,
        with which the times of all streams move when it follows the system clock.
        """
        pieces: list[str] = []
        work = 0
        for rows, text in self._pieces(now, openmetrics):
            pieces.append(text)
            work += rows
            if work >= SLICE_ROWS:
                yield "".join(pieces).encode()
                pieces.clear()
                work = 0
        pieces.append("# EOF\n" if openmetrics else "")
        yield "".join(pieces).encode()

    def _pieces(self, now: Callable[[], float], openmetrics: bool) -> Iterator[tuple[int, str]]:
        """Yield (work in rows, text); a family's header comes with its first series."""
        for quantity in QUANTITIES:
            header = header_of(quantity, openmetrics)
            for index in range(len(self._engine.groups)):
                yield LOOK_ROWS, ""
                for rows, text in self._group_pieces(quantity, index, now()):
                    yield PIECE_ROWS + rows, header + text if text else text
                    header = "" if text else header

    def _group_pieces(self, quantity: Quantity, index: int, now: float) -> Iterator[tuple[int, str]]:
        group, model, name = self._engine.groups[index], "", quantity.metric
        if not quantity.exposed_by(self._exposed[index]):
            return
        if quantity.of_models:
            if group.forecaster is None:
                return
            model = f'model="{escape(group.forecaster.settings.name)}",'
            if group.forecaster.shared:
                labels = [f'{model}group="{escape(group.name)}"{self._of_models}']
                yield 1, "".join([_lines(name, labels, *column) for column in quantity.standing(group)])
                return
        row_labels = self._row_labels(index)
        shown = self.shown(index, now)
        if quantity.of_groups:
            labels = [f'group="{escape(group.name)}"{self._of_models}']
            for further, values in quantity.standing(group) if shown.any() else ():
                yield 1, _lines(name, labels, further, values[: len(shown)][shown].sum(keepdims=True))
            return
        for further, values in quantity.at(group, now):
            column = np.where(shown, values[: len(shown)], np.nan)  # a copy: slices are read later
            for start in range(0, len(column), SLICE_ROWS):
                rows = slice(start, min(start + SLICE_ROWS, len(column)))
                labels = row_labels[rows]
                own = "" if "model" in row_labels.taken else model
                yield rows.stop - start, _lines(name, labels, further, column[rows], own, row_labels.taken)

    def _row_labels(self, index: int) -> RowLabels:
        group = self._engine.groups[index]
        if not self._labels[index].describes(group.streams):
            self._labels[index] = RowLabels(group.name, group.streams, self._constant)
        return self._labels[index]

    def shown(self, index: int, now: float) -> NDArray[np.bool_]:
        """Return which streams of a group have series: those with a sample that are not stale."""
        group = self._engine.groups[index]
        rows = len(group.streams)
        return (group.count[:rows] > 0) & (now - group.seen[:rows] <= self._stale_after[index])


def _lines(
    name: str,
    labels: list[str],
    further: Labels,
    values: Array,
    prefix: str = "",
    taken: Collection[str] = (),
) -> str:
    """Return a line for each value but NaN, which is an absent series."""
    start, end = f"{name}{{{prefix}", suffix_of(further, taken) + "} "
    pairs = zip(labels, values.tolist(), strict=True)
    return "".join([f"{start}{label}{end}{value!r}\n" for label, value in pairs if value == value])
