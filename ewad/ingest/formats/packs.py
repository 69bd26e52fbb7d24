"""Packs of SenML whose names are known, by a kernel (ewad/kernels/packs.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ewad.ingest.formats.known import PROBES, KnownKeys
from ewad.ingest.formats.lines import POWERS
from ewad.ingest.formats.point import Asked, Key, OpenWay, Sample, WaitingSamples
from ewad.kernels.packs import PackRows

RELATIVE = 2.0**28  # RFC 8428, 4.5.3: a smaller time counts from now
FIRST_RECORDS = 4


def pack_ways(points: Any, asked: Asked) -> OpenWay | None:
    """Return what gives a topic its quick way, where the block asks for the values of records."""
    if [way.path for way, _ in asked.fields] != ["v"]:
        return None
    return lambda topic, waiting: PackWay(asked, waiting)


class PackWay:
    """The quick way for the packs of one topic: numbers of names that have rows."""

    __slots__ = ("_bound", "_kernel", "_known", "_out", "take")

    def __init__(self, asked: Asked, waiting: WaitingSamples) -> None:
        self._kernel = PackRows(*waiting, POWERS, asked.low, asked.high, asked.max_bytes)
        self._known = KnownKeys()
        self._bind()
        self._make_out(FIRST_RECORDS)
        self.take = self._kernel.take

    def learn(self, payload: bytes, samples: Sequence[Sample], rows: Mapping[Key, int]) -> None:
        """Take in the names of a payload."""
        if len(samples) > len(self._out[0]):
            self._make_out(2 * len(samples))
        if self._known.full:
            self._known = KnownKeys()
        for key, _ in samples:
            ((_, name), *_), _ = key
            self._known.enter(name.encode(), rows[key])
        self._bind()

    def _bind(self) -> None:
        known = self._known
        hashes, lengths, starts, rows, _ = known.columns
        self._kernel.bind_table(known.slots, hashes, lengths, starts, rows, known.names, PROBES)
        self._bound = known.slots, known.columns, known.names  # which the kernel does not keep alive

    def _make_out(self, most: int) -> None:
        rows, (values, times) = np.zeros(most, dtype=np.int64), np.zeros((2, most))
        self._out = rows, values, times
        self._kernel.bind_out(rows, values, times)
