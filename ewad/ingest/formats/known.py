"""What a kernel has met, found again by its key: a hash table in arrays that the kernel looks into."""

from __future__ import annotations

import numpy as np

# As in the kernels.
UNKNOWN, UNWANTED = -1, -2  # in place of a row
NUMBER = -1  # in place of the length of a name
HASH, MIX = 0x7FFFFFFF, 0x5BD1E995

PROBES = 32  # places that are looked at: keys that are made to collide cost no more
SLOTS = 4  # of an entry: few keys have so many others in their places
FIRST_ENTRIES, MOST_ENTRIES = 4, 1 << 16  # few at first: there may be 100,000 topics
LONGEST_NAME = 1024
_KEYS, _LENGTHS, _STARTS, _ROWS, _KINDS = range(5)  # of the columns


class KnownKeys:
    """Names and numbers, each with the row of its stream and a kind.

    slots: entries, or -1.  columns: of each entry its hash or number, the length of its name or NUMBER, where
    that starts in names, row and kind.
    """

    __slots__ = ("_entries", "columns", "names", "slots")

    def __init__(self) -> None:
        self._entries: dict[int | bytes, int] = {}
        self.columns = np.zeros((5, FIRST_ENTRIES), dtype=np.int64)
        self.names = np.zeros(0, dtype=np.uint8)
        self.slots = np.full(SLOTS * FIRST_ENTRIES, -1, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def full(self) -> bool:
        """Whether there is no room for another key: it is time to begin anew."""
        return len(self) >= MOST_ENTRIES

    def enter(self, key: int | bytes, row: int, kind: int = 0) -> None:
        """Know a key from now on, or anew; unless there is no room for it."""
        if key not in self._entries and not self._add(key):
            return
        self.columns[_ROWS:, self._entries[key]] = row, kind

    def _add(self, key: int | bytes) -> bool:
        """Add an entry; return whether there is room for it."""
        text = b"" if isinstance(key, int) else key
        if len(text) > LONGEST_NAME or self.full:
            return False
        entry = len(self)
        if entry == self.columns.shape[1]:
            self._grow()
        number, length = (key, NUMBER) if isinstance(key, int) else (_hash(key), len(key))
        self.columns[:_ROWS, entry] = number, length, len(self.names)
        if not self._find_slot(entry):
            return False
        self.names = np.concatenate([self.names, np.frombuffer(text, dtype=np.uint8)])
        self._entries[key] = entry
        return True

    def _grow(self) -> None:
        n = self.columns.shape[1]
        self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)], axis=1)
        self.slots = np.full(SLOTS * 2 * n, -1, dtype=np.int64)
        for entry in range(n):
            self._find_slot(entry)

    def _find_slot(self, entry: int) -> bool:
        """Give an entry a slot; return whether one is free."""
        place = (int(self.columns[_KEYS, entry]) & HASH) * MIX >> 15
        for probe in range(PROBES):
            slot = place + probe & len(self.slots) - 1
            if self.slots[slot] < 0:
                self.slots[slot] = entry
                return True
        return False


def _hash(text: bytes) -> int:
    hashed = 0
    for byte in text:
        hashed = (hashed * 33 + byte) & HASH
    return hashed
