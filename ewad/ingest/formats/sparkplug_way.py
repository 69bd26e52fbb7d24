"""Data of one node or device of Sparkplug, of known metrics, by a kernel (ewad/kernels/sparkplug.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ewad.errors import DecodeError
from ewad.ingest.formats.point import Asked, Key, Sample, WaitingSamples
from ewad.ingest.formats.sparkplug_nodes import LIFE, Born, Names, Node, Nodes, is_measurement
from ewad.ingest.formats.sparkplug_payload import Metric, read_payload
from ewad.kernels.sparkplug import SparkplugRows

# What the kernel says, by the names that it has there.
UNKNOWN, UNWANTED = -1, -2
ALIAS = -1
HASH, MIX = 0x7FFFFFFF, 0x5BD1E995
MOST_ALIAS = 0x3FFF_FFFF_FFFF_FFFF

PROBES = 32  # as of the names in lines.py
SLOTS = 4  # of an entry
FIRST_ENTRIES, MOST_ENTRIES = 16, 1 << 16
LONGEST_NAME = 1024
_KEYS, _LENGTHS, _STARTS, _KINDS, _ROWS = range(5)  # of the columns
_WORDS = {"true", "false"}


class SparkplugWay:
    """The quick way for the data of one node or device: numbers of metrics that have rows."""

    def __init__(self, nodes: Nodes, whose: Names, asked: Asked, waiting: WaitingSamples) -> None:
        self._nodes, self._whose, self._asked = nodes, whose, asked
        skips_texts = not asked.words and all(way.star for way, _ in asked.fields)
        self._kernel = SparkplugRows(
            *waiting, asked.low, asked.high, asked.max_bytes, _WORDS.isdisjoint(asked.words), skips_texts
        )
        self._begin(Node())
        self._make_out(FIRST_ENTRIES)
        self._kernel.bind_node(self._node.kept, -1)  # nothing is known yet
        self.take = self._kernel.take

    def learn(self, payload: bytes, samples: Sequence[Sample], rows: Mapping[Key, int]) -> None:
        """Take in which rows the metrics of a payload have."""
        try:
            metrics = read_payload(payload).metrics
        except DecodeError:  # it is in gzip
            return
        node = self._nodes.met(self._whose[:2])
        if node is not self._node or node.kept[LIFE] != self._life or len(self._entries) > MOST_ENTRIES:
            self._begin(node)
        if len(metrics) > len(self._out[0]):
            self._make_out(2 * len(metrics))
        born = self._nodes.born(self._whose)
        for metric in metrics:
            self._enter(metric, born, rows)
        self._kernel.bind_node(node.kept, self._life)

    def _begin(self, node: Node) -> None:
        """Know nothing of a node."""
        self._node, self._life = node, int(node.kept[LIFE])
        self._entries: dict[int | str, int] = {}
        self._columns = np.zeros((5, FIRST_ENTRIES), dtype=np.int64)
        self._names = np.zeros(0, dtype=np.uint8)
        self._slots = np.full(SLOTS * FIRST_ENTRIES, -1, dtype=np.int64)
        self._bind()

    def _bind(self) -> None:
        keys, lengths, starts, kinds, rows = self._columns
        self._kernel.bind_table(self._slots, keys, lengths, starts, kinds, rows, self._names, PROBES)

    def _make_out(self, most: int) -> None:
        rows, (values, times) = np.zeros(most, dtype=np.int64), np.zeros((2, most))
        self._out = rows, values, times
        self._kernel.bind_out(rows, values, times)

    def _enter(self, metric: Metric, born: Born, rows: Mapping[Key, int]) -> None:
        """Know a metric from now on, by its name or alias."""
        key = metric.name or metric.alias
        name = born.name_of(metric)
        # other bytes may mean the same name
        if key is None or "\ufffd" in metric.name or len(metric.name) > LONGEST_NAME:
            return
        if key not in self._entries and not self._add(key):
            return
        entry = self._entries[key]
        self._columns[_KINDS, entry] = min(born.kinds.get(name, 0), HASH)
        self._columns[_ROWS, entry] = self._row(name, rows)

    def _row(self, name: str, rows: Mapping[Key, int]) -> int:
        """Return what a metric is to the topic: a row, UNWANTED, or UNKNOWN."""
        wanted = self._asked.names_of(name) if is_measurement(name) else ()
        if len(wanted) != 1:
            return UNKNOWN if wanted else UNWANTED
        return rows.get(((), wanted[0]), UNKNOWN)

    def _add(self, key: int | str) -> bool:
        """Add an entry; return whether there is room for it."""
        text = key.encode() if isinstance(key, str) else b""
        number, length = (_hash(text), len(text)) if isinstance(key, str) else (key, ALIAS)
        if number > MOST_ALIAS:
            return False
        entry = len(self._entries)
        if entry == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
            self._slots = np.full(SLOTS * 2 * entry, -1, dtype=np.int64)
            for earlier in range(entry):
                self._find_slot(earlier)
        self._columns[:_KINDS, entry] = number, length, len(self._names)
        if self._find_slot(entry):
            self._names = np.concatenate([self._names, np.frombuffer(text, dtype=np.uint8)])
            self._entries[key] = entry
        self._bind()
        return key in self._entries

    def _find_slot(self, entry: int) -> bool:
        """Give an entry a slot; return whether one is free."""
        place = (int(self._columns[_KEYS, entry]) & HASH) * MIX >> 15
        for probe in range(PROBES):
            slot = place + probe & len(self._slots) - 1
            if self._slots[slot] < 0:
                self._slots[slot] = entry
                return True
        return False


def _hash(text: bytes) -> int:
    hashed = 0
    for byte in text:
        hashed = (hashed * 33 + byte) & HASH
    return hashed
