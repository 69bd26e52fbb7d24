"""Packs of SenML: bytes -> which stream, which number, which time, where all is plain.

    [{"bn":"urn:dev:1","bt":1772359200,"n":":t1","v":23.1},{"n":":t2","v":23.9,"t":-60}]

Plain are names of ASCII without escapes, and records of numbers. A name is base name and own name, known
again by its bytes. Source: RFC 8428; the number: RFC 8259, 6, read as in frames.py.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

UNKNOWN = -1  # in place of an entry or a row
HASH, MIX = 0x7FFFFFFF, 0x5BD1E995  # as in lines.py
EXACT = 900719925474098  # ten times that and a digit are below 2**53
RELATIVE = 268435456.0  # 2**28; RFC 8428, 4.5.3: a smaller time counts from now
EARLIEST = -9223372036.854776  # Unix seconds: 1677, where nanoseconds begin, -(2**63)/1e9
LARGEST = 1e300
QUOTE, BACKSLASH, COMMA, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = 34, 92, 44, 58, 123, 125, 91, 93
LOWER_B, LOWER_N, LOWER_T, LOWER_U, LOWER_V = 98, 110, 116, 117, 118
DELETE = 127  # ASCII ends here


class PackRows:
    """The streams of one topic, and where its samples wait."""

    def __init__(
        self,
        rows: array[int],
        values: array[float],
        times: array[float],
        powers: Floats,
        low: float,
        high: float,
        most_bytes: int,
    ) -> None:
        """powers: 10**0, 10**1, ..., all that float64 holds exactly.  low, high: what numbers lie between."""
        self.rows, self.values, self.times = rows, values, times
        self.powers, self.most_places = memory.doubles(powers), len(powers) - 1
        self.low, self.high, self.most_bytes = low, high, most_bytes
        self.n = 0
        self.base = self.base_size = self.base_hash = self.name = self.name_size = self.has_value = 0
        self.whole = self.places = self.exact = 0
        self.base_time = self.time = self.value = self.found = 0.0

    def bind_table(
        self,
        slots: Integers,
        hashes: Integers,
        lengths: Integers,
        starts: Integers,
        row_of: Integers,
        names: NDArray[np.uint8],
        probes: int,
    ) -> None:
        """Know these names: see SparkplugRows."""
        self.slots, self.mask, self.probes = memory.integers(slots), len(slots) - 1, probes
        self.hashes, self.lengths = memory.integers(hashes), memory.integers(lengths)
        self.starts, self.row_of = memory.integers(starts), memory.integers(row_of)
        self.names = memory.octets(names)

    def bind_out(self, rows: Integers, values: Floats, times: Floats) -> None:
        """Write samples to these arrays, of one length, before they wait."""
        self.most = len(rows)
        self.out_rows, self.out_values = memory.integers(rows), memory.doubles(values)
        self.out_times = memory.doubles(times)

    def take(self, data: bytes, arrival: float, latest: float) -> int:
        """Append row, value and time of each record, if all is plain; return how many.

        0, and nothing is appended: a name is unknown, a value is no number that lies between what is asked, a
        time is later than the latest one, or anything else. arrival: what relative times count from.
        """
        end = len(data)
        self.data = memory.octets(data)
        if end > self.most_bytes:
            return 0
        n = self.read(end, arrival, latest)
        if n > 0:
            memory.add_integers(self.rows, self.out_rows, n)
            memory.add_doubles(self.values, self.out_values, n)
            memory.add_doubles(self.times, self.out_times, n)
        return n

    def read(self, end: int, arrival: float, latest: float) -> int:
        """Read a pack; return how many samples it has, as `take`."""
        self.n = 0
        self.base = self.base_size = self.base_hash = 0
        self.base_time = 0.0
        at = self.behind(OPEN_LIST, 0, end)
        while at > 0:
            at = self.record(at, end)
            if at == 0 or (self.has_value and not self.add(arrival, latest)):
                return 0
            after = self.behind(COMMA, at, end)
            if after == 0:
                at = self.behind(CLOSE_LIST, at, end)
                break
            at = after
        return self.n if at > 0 and self.skip(at, end) == end else 0

    def skip(self, at: int, end: int) -> int:
        """Return where white space ends."""
        while at < end and self.data[at] in (32, 9, 10, 13):
            at += 1
        return at

    def behind(self, byte: int, at: int, end: int) -> int:
        """Return the place behind that byte and white space around it; 0 if another byte is there."""
        at = self.skip(at, end)
        if at >= end or self.data[at] != byte:
            return 0
        return self.skip(at + 1, end)

    def record(self, at: int, end: int) -> int:
        """Read a record; return where it ends, 0 if it is not plain."""
        self.name = self.name_size = self.has_value = 0
        self.time = 0.0
        at = self.behind(OPEN, at, end)
        while at > 0:
            at = self.member(at, end)
            if at == 0:
                return 0
            after = self.behind(COMMA, at, end)
            if after == 0:
                return self.behind(CLOSE, at, end)
            at = after
        return 0

    def member(self, at: int, end: int) -> int:
        """Read a key and its value; return where they end, 0 if they are not plain."""
        if end - at < 4 or self.data[at] != QUOTE:
            return 0
        is_base = self.data[at + 1] == LOWER_B
        at += 1 + is_base
        key = self.data[at]
        if self.data[at + 1] != QUOTE:
            return 0
        at = self.behind(COLON, at + 2, end)
        if at == 0 or at >= end:
            return 0
        if key in (LOWER_N, LOWER_U):
            return self.text(at, end, key == LOWER_N, is_base)
        if key != LOWER_T and (key != LOWER_V or is_base):
            return 0
        at = self.number(at, end)
        if key == LOWER_V:
            self.value, self.has_value = self.found, 1
        elif is_base:
            self.base_time = self.found
        else:
            self.time = self.found
        return at

    def text(self, at: int, end: int, is_name: int, is_base: int) -> int:
        """Read a text, a name or a unit; return where it ends, 0 if it is not plain."""
        if self.data[at] != QUOTE:
            return 0
        at += 1
        start = at
        while at < end and self.data[at] != QUOTE:
            byte = self.data[at]
            if byte < 32 or byte == BACKSLASH or (is_name and byte >= DELETE):
                return 0
            at += 1
        if at >= end:
            return 0
        if is_name and is_base:
            self.base, self.base_size = start, at - start
            self.base_hash = self.hash(0, start, at)
        elif is_name:
            self.name, self.name_size = start, at - start
        return at + 1

    def hash(self, hashed: int, at: int, end: int) -> int:
        """Return the hash of bytes behind those that have the one given."""
        while at < end:
            hashed = (hashed * 33 + self.data[at]) & HASH
            at += 1
        return hashed

    def add(self, arrival: float, latest: float) -> int:
        """Put the sample of the record that was read among the others; return 0 if it is not plain."""
        time = self.base_time + self.time
        if time <= EARLIEST:
            return 0
        if time < RELATIVE:
            time += arrival
        entry = self.find(self.hash(self.base_hash, self.name, self.name + self.name_size))
        row = self.row_of[entry] if entry >= 0 else UNKNOWN
        if row < 0 or self.n >= self.most or time > latest or not self.low < self.value < self.high:
            return 0
        k = self.n
        self.out_rows[k], self.out_values[k], self.out_times[k] = row, self.value, time
        self.n += 1
        return 1

    def find(self, hashed: int) -> int:
        """Return the entry of the record's name, which has that hash; UNKNOWN if none is."""
        size = self.base_size + self.name_size
        place = hashed * MIX >> 15
        for probe in range(self.probes):
            entry = self.slots[(place + probe) & self.mask]
            if entry < 0:
                return UNKNOWN
            start = self.starts[entry]
            alike = self.hashes[entry] == hashed and self.lengths[entry] == size
            alike = alike and self.same(start, self.base, self.base_size)
            if alike and self.same(start + self.base_size, self.name, self.name_size):
                return entry
        return UNKNOWN

    def same(self, name: int, at: int, size: int) -> int:
        """Return whether the name and the bytes there are the same."""
        for i in range(size):
            if self.names[name + i] != self.data[at + i]:
                return 0
        return 1

    def number(self, at: int, end: int) -> int:
        """Read a number into `found`; return where it ends, 0 if it is none, or nought with a minus."""
        start = at
        negative = self.data[at] == 45
        at += negative
        first = at
        self.whole = self.places = 0
        self.exact = 1
        at = self.digits(at, end, 0)
        if at == first or (self.data[first] == 48 and at - first > 1):
            return 0
        if at < end and self.data[at] == 46:
            first = at + 1
            at = self.digits(first, end, 1)
            if at == first:
                return 0
        if at < end and self.data[at] in (69, 101):  # E, e
            self.exact = 0
            at = self.exponent(at + 1, end)
            if at == 0:
                return 0
        if self.exact:
            self.found = self.whole / self.powers[self.places]
            if negative:
                self.found = -self.found
        else:
            self.found = memory.spelled(self.data, start, at)
        if negative and self.found == 0.0:
            return 0
        return at if -LARGEST < self.found < LARGEST else 0

    def digits(self, at: int, end: int, places: int) -> int:
        """Read digits into `whole`; return where they end. places: 1 behind the point, else 0."""
        while at < end and 48 <= self.data[at] <= 57:
            if self.whole > EXACT or self.places == self.most_places:
                self.exact = 0
            else:
                self.whole = self.whole * 10 + (self.data[at] - 48)
                self.places += places
            at += 1
        return at

    def exponent(self, at: int, end: int) -> int:
        """Return where the exponent ends that begins there, 0 if it is none."""
        if at < end and self.data[at] in (43, 45):
            at += 1
        start = at
        while at < end and 48 <= self.data[at] <= 57:
            at += 1
        return at if at > start else 0
