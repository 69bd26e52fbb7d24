"""Payloads of line protocol, read by a kernel (ewad/kernels/lines.py), and their names, known again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ewad.ingest.formats.point import Asked, Key, Sample, WaitingSamples
from ewad.ingest.slots import FREE, fill
from ewad.ingest.topics import Labels
from ewad.kernels.line_rows import LineRows
from ewad.kernels.lines import LinesKernel

# What the kernel says, by the names that it has there.
NUMBER, BOOLEAN, TEXT = 0, 1, 2
UNKNOWN, UNWANTED = -1, -2
HEAD, NOTHING = -1, -2
SPANS = 6
HASH, MIX = 0x7FFFFFFF, 0x5BD1E995

WORDS = np.frombuffer(b"trueTrueTRUEfalseFalseFALSE", dtype=np.uint8)
POWERS = np.array([float(10**place) for place in range(23)])  # those that float64 holds exactly
PROBES = 32  # places of the table that are looked at: names that are made to collide cost no more
SLOTS = 4  # of an entry: few names have so many others in their places
FIRST_ENTRIES, MOST_ENTRIES = 256, 1 << 17  # names that are remembered; then all of them are forgotten
FIRST_BYTES, MOST_BYTES = 1 << 14, 1 << 23  # of them
LONGEST_NAME = 1024
FIRST_FIELDS = 64
SHORTEST_FIELD = 4  # bytes: "k=1,"

Integers = NDArray[np.int64]


class Lines:
    """The heads and keys that a block has met, and the fields of the payload read last, in their order.

    labels, names: what the bytes of a head and of a key mean, by their entries.  generation: counts how often
    all entries were forgotten.  heads, entries, kinds, values, times, spans: see LinesKernel.
    """

    def __init__(
        self, meaning: Callable[[bytes], Labels], name_of: Callable[[bytes], str], max_bytes: int
    ) -> None:
        self._meaning, self._name_of, self._max_bytes = meaning, name_of, max_bytes
        self.kernel = LinesKernel(POWERS, WORDS)
        self.generation = 0
        self._forget()
        self._make_out(FIRST_FIELDS)

    def take(self, payload: bytes, otherwise: float = math.nan) -> int:
        """Read a payload; return how many fields it has. otherwise: the time of a line that tells none."""
        if self._full:
            self._forget()
        if len(payload) // SHORTEST_FIELD >= len(self.heads):
            self._make_out(2 * len(payload) // SHORTEST_FIELD + 1)
        return self.kernel.take(payload, otherwise)

    def labels_of(self, head: int, raw: bytes) -> tuple[int, Labels]:
        """Return the entry and the labels of a head. Raises DecodeError."""
        labels = self.labels.get(head)
        if labels is None:
            labels = self._meaning(raw)
            head = self._enter(HEAD, raw)
            if head != UNKNOWN:
                self.labels[head] = labels
        return head, labels

    def name(self, entry: int, head: int, raw: bytes) -> str:
        """Return the name of a field of a head."""
        name = self.names.get(entry)
        if name is None:
            name = self._name_of(raw)
            entry = self._enter(head, raw) if head != UNKNOWN else UNKNOWN
            if entry != UNKNOWN:
                self.names[entry] = name
        return name

    def _make_out(self, most: int) -> None:
        self.heads, self.entries, self.kinds, self.rows = np.zeros((4, most), dtype=np.int64)
        self.values, self.times = np.zeros((2, most))
        self.spans = np.zeros(SPANS * most, dtype=np.int64)
        self.kernel.bind_out(
            self.heads,
            self.entries,
            self.kinds,
            self.values,
            self.times,
            self.spans,
            self.rows,
            min(SHORTEST_FIELD * most - 1, self._max_bytes),
        )

    def _forget(self) -> None:
        """Begin a table with entry 0, which is none."""
        self.generation += 1
        self.labels: dict[int, Labels] = {}
        self.names: dict[int, str] = {}
        self._full, self._used, self._named = False, 1, 0
        self._bytes = np.zeros(FIRST_BYTES, dtype=np.uint8)
        self._columns = np.zeros((6, FIRST_ENTRIES), dtype=np.int64)
        self._columns[_PARENTS, 0] = NOTHING
        self._slots = np.full(SLOTS * FIRST_ENTRIES, FREE, dtype=np.int64)
        self._bind()

    def _bind(self) -> None:
        hashes, parents, starts, lengths, follows, seen = self._columns
        self.kernel.bind_table(
            self._slots, hashes, parents, starts, lengths, follows, seen, self._bytes, PROBES, self.generation
        )

    def _make_room(self, size: int) -> bool:
        """Make room for one more entry of so many bytes; return whether there is."""
        n = self._columns.shape[1]
        entries, octets = self._used == n, self._named + size > len(self._bytes)
        if (entries and n >= MOST_ENTRIES) or (octets and len(self._bytes) >= MOST_BYTES):
            self._full = True
            return False
        if octets:
            self._bytes = np.concatenate([self._bytes, np.zeros_like(self._bytes)])
        if entries:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
            self._slots = np.full(2 * SLOTS * n, FREE, dtype=np.int64)
            fill(self._slots, _places(*self._columns[: _PARENTS + 1, 1:n]), PROBES, first=1)
        if entries or octets:
            self._bind()
        return True

    def _enter(self, parent: int, raw: bytes) -> int:
        """Enter a name; return its entry, UNKNOWN if there is no room."""
        if len(raw) > LONGEST_NAME or self._full or not self._make_room(len(raw)):
            return UNKNOWN
        entry, start = self._used, self._named
        hashed = 0
        for byte in raw:
            hashed = (hashed * 33 + byte) & HASH
        self._bytes[start : start + len(raw)] = np.frombuffer(raw, dtype=np.uint8)
        self._columns[:_FOLLOWS, entry] = hashed, parent, start, len(raw)
        known = self._find_slot(entry)
        if known == entry:
            self._used, self._named = entry + 1, start + len(raw)
        return known

    def _find_slot(self, entry: int) -> int:
        """Give an entry a slot; return who has it, if that name has one already; UNKNOWN if none is free."""
        parent = self._columns[_PARENTS, entry]
        place = int(_places(self._columns[0, entry], parent))
        for probe in range(PROBES):
            slot = place + probe & len(self._slots) - 1
            other = int(self._slots[slot])
            if other == FREE:
                self._slots[slot] = entry
                return entry
            if self._bytes_of(other) == self._bytes_of(entry) and self._columns[_PARENTS, other] == parent:
                return other
        return UNKNOWN

    def _bytes_of(self, entry: int) -> bytes:
        start, length = self._columns[2:_FOLLOWS, entry]
        return self._bytes[start : start + length].tobytes()


_PARENTS, _FOLLOWS = 1, 4  # of the columns: hashes, parents, starts, lengths, follows, seen


def _places(hashes: Integers, parents: Integers) -> Integers:
    """Return where entries are looked for first, as LinesKernel does."""
    return ((hashes ^ (parents + 1) * 40503) & HASH) * MIX >> 15


class LinesWay:
    """The quick way for the payloads of one topic, as long as all of their names have rows."""

    def __init__(self, lines: Lines, asked: Asked, waiting: WaitingSamples) -> None:
        self._lines, self._asked = lines, asked
        skips_texts = all(way.star for way, _ in asked.fields)
        self._rows = LineRows(lines.kernel, *waiting, asked.low, asked.high, skips_texts)
        self.take = self._rows.take
        self._row_of = np.zeros(0, dtype=np.int64)
        self._generation = -1

    def learn(self, payload: bytes, samples: Sequence[Sample], rows: Mapping[Key, int]) -> None:
        """Take in which rows the fields of a payload have."""
        lines = self._lines
        n = lines.take(payload)
        if lines.kernel.fault >= 0:  # in bytes that the general way cuts off
            return
        if lines.generation != self._generation:
            self._generation, self._row_of = lines.generation, np.zeros(0, dtype=np.int64)
        pairs = zip(lines.heads[:n].tolist(), lines.entries[:n].tolist(), strict=True)
        found = {entry: self._row(head, entry, rows) for head, entry in pairs if entry != UNKNOWN}
        more = max(found, default=0) + 1 - len(self._row_of)
        if more > 0:
            new = np.full(more + len(self._row_of) // 2, UNKNOWN, dtype=np.int64)
            self._row_of = np.concatenate([self._row_of, new])
        for entry, row in found.items():
            self._row_of[entry] = row
        self._rows.bind(self._row_of, self._generation)

    def _row(self, head: int, entry: int, rows: Mapping[Key, int]) -> int:
        """Return what a field is to the topic: a row, UNWANTED, or UNKNOWN."""
        name = self._lines.names[entry]
        if "\\" in name or "\ufffd" in name:  # other bytes may mean the same name
            return UNKNOWN
        wanted = self._asked.names_of(name)
        if len(wanted) != 1:
            return UNKNOWN if wanted else UNWANTED
        return rows.get((self._lines.labels[head], wanted[0]), UNKNOWN)
