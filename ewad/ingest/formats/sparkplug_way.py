"""Data of one node or device of Sparkplug, of known metrics, by a kernel (ewad/kernels/sparkplug.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ewad.errors import DecodeError
from ewad.ingest.formats.known import HASH, PROBES, UNKNOWN, UNWANTED, KnownKeys
from ewad.ingest.formats.point import Asked, Key, Sample, WaitingSamples
from ewad.ingest.formats.sparkplug_nodes import LIFE, Born, Names, Node, Nodes, is_measurement
from ewad.ingest.formats.sparkplug_payload import Metric, read_payload
from ewad.kernels.sparkplug import SparkplugRows

MOST_ALIAS = 0x3FFF_FFFF_FFFF_FFFF  # as in the kernel
FIRST_METRICS = 4


class SparkplugWay:
    """The quick way for the data of one node or device: numbers of metrics that have rows."""

    __slots__ = (
        "_asked",
        "_bound",
        "_kernel",
        "_known",
        "_life",
        "_node",
        "_nodes",
        "_out",
        "_whose",
    )

    def __init__(self, nodes: Nodes, whose: Names, asked: Asked, waiting: WaitingSamples) -> None:
        self._nodes, self._whose, self._asked = nodes, whose, asked
        skips_texts = not asked.words and all(way.star for way, _ in asked.fields)
        self._kernel = SparkplugRows(*waiting, asked.low, asked.high, asked.max_bytes, skips_texts)
        self._begin(Node())
        self._bind()
        self._make_out(FIRST_METRICS)
        self._kernel.bind_node(self._node.kept, -1)  # nothing is known yet

    def take(self, payload: bytes, arrival: float, latest: float, /) -> int:
        """Let the samples of a payload wait: see TopicWay."""
        n = self._kernel.take(payload, arrival, latest)
        if n:
            self._nodes.heard.add(self._node)
        return n

    def learn(self, payload: bytes, samples: Sequence[Sample], rows: Mapping[Key, int]) -> None:
        """Take in which rows the metrics of a payload have."""
        try:
            metrics = read_payload(payload).metrics
        except DecodeError:  # it is in gzip
            return
        node = self._nodes.met(self._whose[:2])
        if node is not self._node or node.kept[LIFE] != self._life or self._known.full:
            self._begin(node)
        if len(metrics) > len(self._out[0]):
            self._make_out(2 * len(metrics))
        born = self._nodes.born(self._whose)
        for metric in metrics:
            self._enter(metric, born, rows)
        self._bind()
        self._kernel.bind_node(node.kept, self._life)

    def _begin(self, node: Node) -> None:
        """Know nothing of a node."""
        self._node, self._life, self._known = node, int(node.kept[LIFE]), KnownKeys()

    def _bind(self) -> None:
        known = self._known
        keys, lengths, starts, rows, kinds = known.columns
        self._kernel.bind_table(known.slots, keys, lengths, starts, kinds, rows, known.names, PROBES)
        self._bound = known.slots, known.columns, known.names  # which the kernel does not keep alive

    def _make_out(self, most: int) -> None:
        rows, (values, times) = np.zeros(most, dtype=np.int64), np.zeros((2, most))
        self._out = rows, values, times
        self._kernel.bind_out(rows, values, times)

    def _enter(self, metric: Metric, born: Born, rows: Mapping[Key, int]) -> None:
        """Know a metric from now on, by its name or alias."""
        if "\ufffd" in metric.name or (metric.alias or 0) > MOST_ALIAS:  # other bytes may mean the same name
            return
        key = metric.name.encode() or metric.alias
        name = born.name_of(metric)
        if key is not None:
            self._known.enter(key, self._row(name, rows), min(born.kinds.get(name, 0), HASH))

    def _row(self, name: str, rows: Mapping[Key, int]) -> int:
        """Return what a metric is to the topic: a row, UNWANTED, or UNKNOWN."""
        wanted = self._asked.names_of(name) if is_measurement(name) else ()
        if len(wanted) != 1:
            return UNKNOWN if wanted else UNWANTED
        return rows.get(((), wanted[0]), UNKNOWN)
