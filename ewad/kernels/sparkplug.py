"""Sparkplug's payloads of data: bytes -> which stream, which number, which time.

A metric is known again by its alias, or by its name as its bytes stand in the payload. Source: Eclipse
Sparkplug 3.0.0, chapter 6; protobuf.dev, "Encoding".
"""

from __future__ import annotations

import math
from array import array

import numpy as np
from numpy.typing import NDArray

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

UNKNOWN, UNWANTED = -1, -2  # in place of a row
ALIAS = -1  # in place of the length of a name
LAST, LIFE = 0, 1  # of what is kept of a node
HASH, MIX = 0x7FFFFFFF, 0x5BD1E995  # as in lines.py
ALL_BITS, TOP_BIT = 0xFFFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000
MOST_ALIAS = 0x3FFF_FFFF_FFFF_FFFF
MOST_PLACES = 22  # float64 holds 10**22 exactly
NO_TIME = -1.0
WHOLE_FLOATS = 16777216.0  # from here on floats of four bytes are whole
NO_VALUE, WHOLE, NUMBER, TEXT = 0, 1, 2, 3  # kinds of values
MOST_SIGNED, DATA_SET, TEMPLATE = 4, 16, 19  # data types; those up to the first one are signed


def decimal(value: float) -> float:
    """Return the decimal with the fewest places that is stored as this float of four bytes: 21.4.

    It is what the device meant: not 21.39999962, which is what the four bytes hold.
    """
    if value == 0.0 or not -WHOLE_FLOATS < value < WHOLE_FLOATS:
        return value
    unit = 1.0
    for _ in range(MOST_PLACES):
        near = math.floor(value * unit + 0.5) / unit
        if memory.as_float32(near) == value:
            return near
        unit *= 10.0
    return value


class SparkplugRows:
    """The streams of one topic, and where its samples wait."""

    def __init__(
        self,
        rows: array[int],
        values: array[float],
        times: array[float],
        low: float,
        high: float,
        most_bytes: int,
        skips_texts: int,
    ) -> None:
        """low, high: what numbers lie between.

        skips_texts: whether texts are unwanted, but for those of 3 or 4 bytes, which may be nan and inf.
        """
        self.rows, self.values, self.times = rows, values, times
        self.low, self.high, self.most_bytes = low, high, most_bytes
        self.skips_texts = skips_texts
        self.n = 0
        self.whole = self.found = self.kind = self.null = self.form = self.key = self.length = self.name = 0
        self.number = self.time = 0.0

    def bind_node(self, node: Integers, life: int) -> None:
        """Take payloads as long as node[LIFE] is that one.  node[LAST]: sequence number, -1: none counts."""
        self.node, self.life = memory.integers(node), life

    def bind_table(
        self,
        slots: Integers,
        keys: Integers,
        lengths: Integers,
        starts: Integers,
        kinds: Integers,
        row_of: Integers,
        names: NDArray[np.uint8],
        probes: int,
    ) -> None:
        """Know these metrics.

        slots: a power of two of them, each an entry or -1; an entry stands in one of so many `probes` from
        its own on.  keys: aliases, or hashes of names.  lengths: ALIAS, or how many bytes a name has, which
        stand in names.  kinds: data types.  row_of: rows, UNKNOWN or UNWANTED.
        """
        self.slots, self.mask, self.probes = memory.integers(slots), len(slots) - 1, probes
        self.keys, self.lengths = memory.integers(keys), memory.integers(lengths)
        self.starts, self.kinds = memory.integers(starts), memory.integers(kinds)
        self.row_of, self.names = memory.integers(row_of), memory.octets(names)

    def bind_out(self, rows: Integers, values: Floats, times: Floats) -> None:
        """Write samples to these arrays, of one length, before they wait."""
        self.most = len(rows)
        self.out_rows, self.out_values = memory.integers(rows), memory.doubles(values)
        self.out_times = memory.doubles(times)

    def take(self, data: bytes, arrival: float, latest: float) -> int:
        """Append row, value and time of the metrics that are wanted, if all is plain; return how many.

        0, and nothing is changed: a metric is unknown, its value is no number that lies between what is
        asked, its time is later than the latest one, messages before it were lost, or anything else.
        arrival: the time of metrics where neither they nor the payload tell one.
        """
        end = len(data)
        self.data = memory.octets(data)
        if end > self.most_bytes or self.node[LIFE] != self.life:
            return 0
        n = self.read(end, arrival, latest)
        if n > 0:
            memory.add_integers(self.rows, self.out_rows, n)
            memory.add_doubles(self.values, self.out_values, n)
            memory.add_doubles(self.times, self.out_times, n)
        return n

    def read(self, end: int, arrival: float, latest: float) -> int:
        """Read a payload; return how many samples it has, as `take`."""
        self.n = 0
        sequence = -1
        time = arrival
        at = 0
        while at < end:
            tag = self.data[at]
            at = self.varint(at + 1, end)
            if at == 0:
                return 0
            if tag == 0x08:  # timestamp
                time = self.whole / 1e3
            elif tag == 0x18:  # seq
                sequence = self.whole & 0xFF
            elif tag in (0x12, 0x22, 0x2A):  # metrics; uuid, body
                if self.whole > end - at:
                    return 0
                stop = at + self.whole
                if tag == 0x12 and self.metric(at, stop) == 0:
                    return 0
                at = stop
            else:
                return 0
        last = self.node[LAST]
        counts = sequence >= 0 and last >= 0
        if counts and ((sequence - last) & 0xFF) > 1:
            return 0
        for k in range(self.n):
            if self.out_times[k] == NO_TIME:
                self.out_times[k] = time
            if self.out_times[k] > latest:
                return 0
        if counts and self.n > 0:
            self.node[LAST] = sequence
        return self.n

    def varint(self, at: int, end: int) -> int:
        """Read the number that begins there into `whole`; return where it ends, 0 if it does not."""
        whole = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            whole |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.whole = whole & ALL_BITS
                return at
            shift += 7
        return 0

    def metric(self, at: int, stop: int) -> int:
        """Put the sample of a metric among the others, if one is wanted; return 0 if it is not plain."""
        self.key = self.length = self.name = 0
        self.time = NO_TIME
        self.kind = self.null = 0
        self.form = NO_VALUE
        while at < stop:
            tag = self.data[at]
            if tag in (0x65, 0x69):  # float_value, double_value
                at = self.real(tag, at + 1, stop)
            else:
                at = self.varint(at + 1, stop)
                if at > 0:
                    at = self.part(tag, at, stop)
            if at == 0:
                return 0
        return self.add() if self.length != 0 else 0

    def real(self, tag: int, at: int, stop: int) -> int:
        """Read a float or a double; return where it ends, 0 if it does not."""
        size = 4 if tag == 0x65 else 8
        if stop - at < size:
            return 0
        self.form = NUMBER
        if size == 4:
            self.number = decimal(memory.float_at(self.data, at))
        else:
            self.number = memory.double_at(self.data, at)
        return at + size

    def part(self, tag: int, at: int, stop: int) -> int:
        """Take in a part of a metric that begins with the number `whole`, which ends there.

        Return where the part ends; 0: it is not plain.
        """
        whole = self.whole
        if tag == 0x10:  # alias
            if whole > MOST_ALIAS:
                return 0
            if self.length <= 0:
                self.key, self.length = whole, ALIAS
        elif tag == 0x18:  # timestamp
            self.time = whole / 1e3
        elif tag == 0x20:  # datatype
            self.kind = whole if whole <= 0xFF else DATA_SET
        elif tag == 0x38:  # is_null
            self.null = whole != 0
        elif tag in (0x50, 0x58):  # int_value, long_value
            self.found, self.form = whole, WHOLE
        elif tag == 0x70:  # boolean_value
            self.number, self.form = (whole != 0) * 1.0, NUMBER
        elif tag in (0x0A, 0x42, 0x4A, 0x7A):
            return self.text(tag, at, stop)
        elif tag not in (0x28, 0x30):  # is_historical, is_transient
            return 0
        return at

    def text(self, tag: int, at: int, stop: int) -> int:
        """Take in name, metadata, properties or string_value of `whole` bytes; return as `part`."""
        if self.whole > stop - at:
            return 0
        size = self.whole
        if tag == 0x0A:
            if size == 0 or self.name > 0:
                return 0
            self.name, self.length = at, size
            self.key = self.hash(at, size)
        elif tag == 0x7A:
            if size in (3, 4):
                return 0
            self.form = TEXT
        return at + size

    def add(self) -> int:
        """Put the sample of the metric that was read among the others, as `metric`."""
        entry = self.find(self.key, self.length, self.name)
        if entry < 0:
            return 0
        row = self.row_of[entry]
        if row == UNWANTED or self.null or self.form == NO_VALUE:
            return 1
        kind = self.kind if self.kind else self.kinds[entry]
        if kind in (DATA_SET, TEMPLATE):
            return 0
        if self.form == TEXT:
            return self.skips_texts
        if self.form == WHOLE:
            self.number = self.signed(self.found, kind)
        if row < 0 or self.n >= self.most or not self.low < self.number < self.high:
            return 0
        k = self.n
        self.out_rows[k], self.out_values[k], self.out_times[k] = row, self.number, self.time
        self.n += 1
        return 1

    def signed(self, found: int, kind: int) -> float:
        """Return a whole number of a data type: Int8 to Int64 are in two's complement."""
        if kind < 1 or kind > MOST_SIGNED:
            return found * 1.0
        half = 0x80
        if kind == 2:
            half = 0x8000
        elif kind == 3:
            half = 0x8000_0000
        elif kind == 4:
            half = TOP_BIT
        below = found & (half - 1)
        if found & half:
            return -((half - below) * 1.0)
        return below * 1.0

    def hash(self, at: int, size: int) -> int:
        """Return the hash of the bytes there."""
        hashed = 0
        for i in range(size):
            hashed = (hashed * 33 + self.data[at + i]) & HASH
        return hashed

    def find(self, key: int, length: int, at: int) -> int:
        """Return the entry of that alias, or of the name there; UNKNOWN if none is."""
        place = (key & HASH) * MIX >> 15
        for probe in range(self.probes):
            entry = self.slots[(place + probe) & self.mask]
            if entry < 0:
                return UNKNOWN
            alike = self.keys[entry] == key and self.lengths[entry] == length
            if alike and (length < 0 or self.same(self.starts[entry], at, length)):
                return entry
        return UNKNOWN

    def same(self, name: int, at: int, size: int) -> int:
        """Return whether the name and the bytes there are the same."""
        for i in range(size):
            if self.names[name + i] != self.data[at + i]:
                return 0
        return 1
