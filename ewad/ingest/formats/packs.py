"""Packs of SenML that come again and again with other values and times: read by their names."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from ewad.ingest.formats.point import Asked, Key, OpenWay, Sample, WaitingSamples

RELATIVE = 2.0**28  # RFC 8428, 4.5.3: a smaller time counts from now
MOST_RECORDS = 256  # of a pack for the quick way
MOST_LENGTHS = 16  # of packs that a topic learns; who changes it each time is read whole


def pack_ways(points: Any, asked: Asked) -> OpenWay | None:
    """Return what gives a topic its quick way, where the block asks for the values of records."""
    if [way.path for way, _ in asked.fields] != ["v"]:
        return None
    return lambda topic, waiting: PackWay(asked, waiting)


class PackWay:
    """The quick way for the packs of one topic: a number in each record, base values in the first one alone.

    A pack of other names than the last one learnt is read the general way.
    """

    def __init__(self, asked: Asked, waiting: WaitingSamples) -> None:
        self._waiting, self._max_bytes = waiting, asked.max_bytes
        number = Annotated[float, msgspec.Meta(gt=asked.low, lt=asked.high)]
        record: list[tuple[str, Any, Any]] = [
            ("v", number, msgspec.NODEFAULT),
            ("n", str, ""),
            ("t", float, 0.0),
            ("u", str, ""),
        ]
        base: list[tuple[str, Any, Any]] = [("bn", str, ""), ("bt", float, 0.0), ("bu", str, "")]
        self._first = msgspec.defstruct("First", [*record, *base], gc=False, forbid_unknown_fields=True)
        self._further = msgspec.defstruct("Further", record, gc=False, forbid_unknown_fields=True)
        self._decoders: dict[int, Callable[[bytes], Any]] = {}
        self._decode: Callable[[bytes], Any] | None = None
        self._base, self._names, self._rows = "", [""], array("q")

    def take(self, payload: bytes, arrival: float, latest: float) -> int:
        """Let the samples of a payload wait."""
        if self._decode is None or len(payload) > self._max_bytes:
            return 0
        try:
            pack = self._decode(payload)
        except (ValueError, RecursionError):  # also numbers that are no values
            return 0
        first = pack[0]
        if first.bn != self._base or [record.n for record in pack] != self._names:
            return 0
        base = first.bt
        times = [base + record.t for record in pack]
        earliest, last = min(times), max(times)
        if last < RELATIVE:
            times = [arrival + time for time in times]
            last += arrival
        elif earliest < RELATIVE:
            return 0
        if last > latest:
            return 0
        waiting = self._waiting
        waiting.rows.extend(self._rows)
        waiting.values.fromlist([record.v for record in pack])
        waiting.times.fromlist(times)
        return len(times)

    def learn(self, payload: bytes, samples: Sequence[Sample], rows: Mapping[Key, int]) -> None:
        """Take in the names of a payload."""
        n = len(samples)
        decode = self._decoder(n)
        if decode is None:
            return
        try:
            pack = decode(payload)
        except (ValueError, RecursionError):
            return
        self._decode, self._base, self._names = decode, pack[0].bn, [record.n for record in pack]
        self._rows = array("q", [rows[key] for key, _ in samples])

    def _decoder(self, n: int) -> Callable[[bytes], Any] | None:
        """Return what decodes packs of n records, None if there are too many."""
        if n not in self._decoders:
            if not 0 < n <= MOST_RECORDS or len(self._decoders) >= MOST_LENGTHS:
                return None
            kinds = (self._first, *[self._further] * (n - 1))
            self._decoders[n] = msgspec.json.Decoder(tuple.__class_getitem__(kinds)).decode
        return self._decoders[n]
