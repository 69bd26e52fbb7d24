"""Line protocol: the bytes of a payload -> which series, what kind of value, which number, which time.

    weather,station=roof temp=21.4,hum=44i 1772359200000000000

A head is the measurement with its tags; a series is a head and the key of a field. Each that was met is an
entry of one table, found again by its bytes as they stand in the payload. The entry that followed the last
time is tried first, which needs no search. Source: InfluxDB documentation, "Line protocol"; the number: as in
frames.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

NUMBER, BOOLEAN, TEXT, WORD = 0, 1, 2, 3  # kinds of values; a word is neither, nan for example
UNKNOWN = -1  # in place of an entry
HEAD, NOTHING = -1, -2  # in place of the parent of an entry
SPANS = 6  # begin and end of head, key and value
EXACT = 900719925474098  # ten times that and a digit are below 2**53
HASH = 0x7FFFFFFF
MIX = 0x5BD1E995  # odd, of bits without a pattern: names that are alike stand apart
LAST_SECONDS = 2.0**63 / 1e9  # where nanoseconds end
FIRST_FINE = 1e9  # seconds from which on the size of a time tells that it is in ms, us or ns
BACKSLASH, COMMA, EQUALS, QUOTE, NEW_LINE, SPACE = 92, 44, 61, 34, 10, 32
MARK = 0xEF  # begins a byte order mark


class LinesKernel:
    """The table of entries, and what was read last.

    fault: the byte from which on a line is none, or -1.  doubled: whether a line had a field twice.
    """

    def __init__(self, powers: Floats, words: NDArray[np.uint8]) -> None:
        """powers: 10**0, 10**1, ..., all that float64 holds exactly.  words: trueTrueTRUEfalseFalseFALSE."""
        self.powers, self.most_places = memory.doubles(powers), len(powers) - 1
        self.words = memory.octets(words)
        self.fault = -1
        self.doubled = 0
        self.line = 0
        self.last = 0
        self.n = 0
        self.kind = 0
        self.value = 0.0
        self.hash = 0

    def bind_table(
        self,
        slots: Integers,
        hashes: Integers,
        parents: Integers,
        starts: Integers,
        lengths: Integers,
        follows: Integers,
        seen: Integers,
        names: NDArray[np.uint8],
        probes: int,
        generation: int,
    ) -> None:
        """Work on this table from now on.

        slots: a power of two of them, each an entry or -1; an entry stands in one of so many `probes` from
        that of its hash on.  hashes, starts, lengths: of the bytes of an entry, which stand in names.
        parents: the head that the key belongs to, HEAD of a head, NOTHING of entry 0.  follows, seen: the
        kernel's own, at first 0: the entry that came next, and the line in which the entry came last.
        generation: another one each time that entries mean something else.
        """
        self.slots, self.mask = memory.integers(slots), len(slots) - 1
        self.hashes, self.parents = memory.integers(hashes), memory.integers(parents)
        self.starts, self.lengths = memory.integers(starts), memory.integers(lengths)
        self.follows, self.seen = memory.integers(follows), memory.integers(seen)
        self.names, self.probes, self.generation = memory.octets(names), probes, generation
        self.last = 0

    def bind_out(
        self,
        heads: Integers,
        entries: Integers,
        kinds: Integers,
        values: Floats,
        times: Floats,
        spans: Integers,
        rows: Integers,
        room: int,
    ) -> None:
        """Write the fields that are read to these arrays, all of one length, but spans: SPANS times that.

        heads, entries: UNKNOWN where the table has none.  times: Unix seconds.  rows: of LineRows.
        room: bytes of the longest payload of which every field has a place.
        """
        self.most, self.heads, self.entries = len(heads), memory.integers(heads), memory.integers(entries)
        self.kinds, self.spans = memory.integers(kinds), memory.integers(spans)
        self.values, self.times = memory.doubles(values), memory.doubles(times)
        self.rows, self.room = memory.integers(rows), room

    def take(self, data: bytes, otherwise: float) -> int:
        """Read the lines of a payload; return how many fields they have, as far as there is no fault.

        otherwise: the time of a line that tells none.
        """
        self.data = memory.octets(data)
        return self.take_all(len(data), otherwise)

    def is_odd(self, data: bytes) -> int:
        """Return whether something is cut off the beginning of a payload, or tells that it is compressed."""
        self.data = memory.octets(data)
        return len(data) == 0 or self.data[0] <= SPACE or self.data[0] >= MARK

    def take_all(self, end: int, otherwise: float) -> int:
        """Read line after line."""
        self.fault, self.doubled, self.n = -1, 0, 0
        at = self.begin(0, end)
        while at < end:
            after = self.read_line(at, end, otherwise)
            if after == 0:
                break
            at = self.begin(after, end)
        return self.n

    def begin(self, at: int, end: int) -> int:
        """Return where a line begins: behind white space and comments."""
        while at < end:
            byte = self.data[at]
            if byte == 35:  # '#'
                while at < end and self.data[at] != NEW_LINE:
                    at += 1
            elif self.is_white(byte):
                at += 1
            else:
                break
        return at

    def is_white(self, byte: int) -> int:
        """Return whether it is white space of ASCII."""
        return byte == SPACE or 9 <= byte <= 13

    def no_line(self, at: int) -> int:
        """Note that a line is none from here on; return 0."""
        self.fault = at
        return 0

    def read_line(self, at: int, end: int, otherwise: float) -> int:
        """Read the line that begins there; return where it ends, 0 if it is none."""
        start = at
        head = self.follows[self.last]
        if self.parents[head] == HEAD and self.stands(head, at, end, SPACE):
            at += self.lengths[head]
        else:
            at = self.name_end(at, end, SPACE, SPACE)
            if at == 0:
                return self.no_line(start)
            head = self.find(HEAD, start, at - start)
        self.line += 1
        self.follow(head)
        behind = at
        while at < end and self.data[at] == SPACE:
            at += 1
        first = self.n
        at = self.read_fields(at, end, head)
        if at == 0:
            return 0
        time = otherwise
        after = at
        while after < end and self.data[after] == SPACE:
            after += 1
        if after > at and after < end and (self.data[after] == 45 or 48 <= self.data[after] <= 57):
            at = self.read_time(after, end)
            if at == 0:
                return self.no_line(after)
            time = self.value
        while at < end and self.data[at] != NEW_LINE:
            if not self.is_white(self.data[at]):
                return self.no_line(at)
            at += 1
        for k in range(first, self.n):
            self.heads[k], self.times[k] = head, time
            self.spans[SPANS * k], self.spans[SPANS * k + 1] = start, behind
        return at

    def read_fields(self, at: int, end: int, head: int) -> int:
        """Read the fields of a line; return where they end, 0 if they are none."""
        while True:
            start = at
            entry = UNKNOWN
            if head >= 0:
                entry = self.follows[self.last]
            if head >= 0 and self.parents[entry] == head and self.stands(entry, at, end, EQUALS):
                at += self.lengths[entry]
            else:
                at = self.name_end(at, end, EQUALS, COMMA)
                if at == 0 or self.n >= self.most:
                    return self.no_line(start)
                entry = self.find(head, start, at - start) if head >= 0 else UNKNOWN
            if self.n >= self.most:
                return self.no_line(start)
            k = self.n
            self.spans[SPANS * k + 2], self.spans[SPANS * k + 3] = start, at
            at = self.read_value(at + 1, end, SPANS * k + 4)
            if at == 0 or (at < end and self.data[at] != COMMA and not self.is_white(self.data[at])):
                return self.no_line(start)
            if entry >= 0:
                self.doubled |= self.seen[entry] == self.line
                self.seen[entry] = self.line
                self.follow(entry)
            self.entries[k], self.kinds[k], self.values[k] = entry, self.kind, self.value
            self.n += 1
            if at >= end or self.data[at] != COMMA:
                return at
            at += 1

    def follow(self, entry: int) -> None:
        """Note that this entry comes after the one before it."""
        if entry < 0:
            self.last = 0
            return
        self.follows[self.last] = entry
        self.last = entry

    def stands(self, entry: int, at: int, end: int, behind: int) -> int:
        """Return whether an entry's bytes stand there, and that byte behind them."""
        length = self.lengths[entry]
        if length >= end - at or self.data[at + length] != behind:
            return 0
        return self.same(self.starts[entry], at, length)

    def same(self, name: int, at: int, size: int) -> int:
        """Return whether the name and the bytes there are the same."""
        for i in range(size):
            if self.names[name + i] != self.data[at + i]:
                return 0
        return 1

    def name_end(self, at: int, end: int, stop: int, never: int) -> int:
        """Return where the name ends that begins there, at a byte `stop`; 0 if none does. Sets its hash.

        A byte behind a backslash is a part of the name. White space and `never` end no name.
        """
        start = at
        self.hash = 0
        while at < end:
            byte = self.data[at]
            if byte == stop:
                return at if at > start else 0
            if byte == never or self.is_white(byte):
                return 0
            self.hash = (self.hash * 33 + byte) & HASH
            at += 1
            if byte == BACKSLASH:
                if at >= end:
                    return 0
                self.hash = (self.hash * 33 + self.data[at]) & HASH
                at += 1
        return 0

    def find(self, parent: int, at: int, size: int) -> int:
        """Return the entry of that parent whose bytes stand there and have that hash; UNKNOWN if none has."""
        place = ((self.hash ^ (parent + 1) * 40503) & HASH) * MIX >> 15
        for probe in range(self.probes):
            entry = self.slots[(place + probe) & self.mask]
            if entry < 0:
                return UNKNOWN
            alike = self.hashes[entry] == self.hash and self.lengths[entry] == size
            if alike and self.parents[entry] == parent and self.same(self.starts[entry], at, size):
                return entry
        return UNKNOWN

    def read_value(self, at: int, end: int, span: int) -> int:
        """Read the value that begins there, its place into spans; return where it ends, 0 if it is none."""
        if at >= end:
            return 0
        if self.data[at] == QUOTE:
            at += 1
            self.kind, self.value = TEXT, 0.0
            self.spans[span] = at
            while at < end and self.data[at] != QUOTE:
                at += 2 if self.data[at] == BACKSLASH else 1
            self.spans[span + 1] = at
            return at + 1 if at < end else 0
        after = self.number(at, end)
        if after == 0:
            after = self.word(at, end)
        self.spans[span], self.spans[span + 1] = at, after
        return after if after > at else 0

    def ends(self, at: int, end: int) -> int:
        """Return whether a value that is no text may end there."""
        return at >= end or self.data[at] == COMMA or self.is_white(self.data[at])

    def number(self, at: int, end: int) -> int:
        """Read the number that begins there into `value`; return where it ends, 0 if it is none."""
        start = at
        negative = 0
        if self.data[at] == 45 or self.data[at] == 43:  # - +
            negative = self.data[at] == 45
            at += 1
        whole = places = digits = point = 0
        exact = 1
        while at < end:
            byte = self.data[at]
            if 48 <= byte <= 57:
                if whole > EXACT or places == self.most_places:
                    exact = 0
                else:
                    whole = whole * 10 + (byte - 48)
                    places += point
                digits = 1
            elif byte == 46 and not point:
                point = 1
            else:
                break
            at += 1
        if not digits:
            return 0
        stop = at
        if at < end and (self.data[at] == 105 or self.data[at] == 117):  # i, u
            if point:
                return 0
            at += 1
        elif at < end and (self.data[at] == 101 or self.data[at] == 69):  # e, E
            exact = 0
            at = self.exponent(at + 1, end)
            stop = at
        if at == 0 or not self.ends(at, end):
            return 0
        self.kind = NUMBER
        if exact:
            self.value = whole / self.powers[places]
            if negative:
                self.value = -self.value
        else:
            self.value = memory.spelled(self.data, start, stop)
        return at

    def exponent(self, at: int, end: int) -> int:
        """Return where the exponent ends that begins there, 0 if it is none."""
        if at < end and (self.data[at] == 45 or self.data[at] == 43):
            at += 1
        start = at
        while at < end and 48 <= self.data[at] <= 57:
            at += 1
        return at if at > start else 0

    def word(self, at: int, end: int) -> int:
        """Read the word that begins there: true, false, or whatever it is; return where it ends."""
        start = at
        while not self.ends(at, end):
            at += 1
        size = at - start
        self.kind, self.value = WORD, 0.0
        if size == 1:
            byte = self.data[start]
            if byte == 116 or byte == 84:  # t, T
                self.kind, self.value = BOOLEAN, 1.0
            elif byte == 102 or byte == 70:  # f, F
                self.kind = BOOLEAN
        elif size == 4 or size == 5:
            for k in range(3):
                if self.spells((size - 4) * 12 + k * size, start, size):
                    self.kind, self.value = BOOLEAN, 5.0 - size
        return at

    def spells(self, word: int, at: int, size: int) -> int:
        """Return whether a word stands there."""
        for i in range(size):
            if self.words[word + i] != self.data[at + i]:
                return 0
        return 1

    def read_time(self, at: int, end: int) -> int:
        """Read the time that begins there into `value`, in seconds; return where it ends, 0 if it is none.

        It is in ns, or in s, ms or us if its size tells that.
        """
        negative = self.data[at] == 45
        at += negative
        start = at
        whole = 0
        while at < end and 48 <= self.data[at] <= 57 and at - start < 20:
            if at - start < 19:
                whole = whole * 10 + (self.data[at] - 48)
            at += 1
        if at == start or at - start > 19 or (at < end and not self.is_white(self.data[at])):
            return 0
        size = whole * 1.0
        unit = 1e9
        if size < LAST_SECONDS:
            unit = 1.0
        elif FIRST_FINE * 1e3 <= size < LAST_SECONDS * 1e3:
            unit = 1e3
        elif FIRST_FINE * 1e6 <= size < LAST_SECONDS * 1e6:
            unit = 1e6
        self.value = size / unit
        if negative:
            self.value = -self.value
        return at
