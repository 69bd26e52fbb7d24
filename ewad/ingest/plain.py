"""Topics whose messages are one plain number each, for one stream: they are taken from a read in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ewad.ingest.slots import FREE, fill
from ewad.kernels.frames import FramesKernel

MOST_MESSAGES = 4096  # at a time
FOREIGN = -1  # the group of topics that belong to another shard
MOST_FOREIGN = 1_000_000  # topics, some 100 MB; messages of further ones go the general way
FIRST_TOPICS = 64
PROBES = 16  # places of the table that are looked at: topics that are made to collide cost no more
# No topic has messages that are plain below these: the numbers are below 2**53, of 24 bytes at most.
LEAST_LIMIT, LEAST_PAYLOAD_BYTES = 2.0**53, 32

Integers = NDArray[np.int64]
POLYNOMIAL = 0xEDB88320  # of CRC-32, its bits reversed


def _crc_of_byte(number: int) -> int:
    for _ in range(8):
        number = number >> 1 ^ (POLYNOMIAL if number & 1 else 0)
    return number


CRCS = np.array([_crc_of_byte(number) for number in range(256)], dtype=np.int64)
POWERS = np.array([float(10**place) for place in range(23)])  # those that float64 holds exactly


class Plain(NamedTuple):
    """Messages in their order: group and row of the stream, the value, and the tag, -1 at QoS 0.

    Those of the group FOREIGN have no stream and no value.  answered: how many have a tag.  alike: whether
    all are of one group.

    They are views of arrays that the next ones are written to.
    """

    group: Integers
    row: Integers
    value: NDArray[np.float64]
    tag: Integers
    answered: int
    alike: bool

    @property
    def n_packets(self) -> int:
        """How many packets they were."""
        return len(self.tag)

    @property
    def tags(self) -> Integers:
        """The tags of those that have one."""
        return self.tag if self.answered == len(self.tag) else self.tag[self.tag >= 0]


class BulkWay(NamedTuple):
    """How messages go in bulk. consume: takes those of the topics, and when they arrived (Unix seconds)."""

    topics: PlainTopics
    consume: Callable[[Plain, float], None]


class PlainTopics:
    """A table of such topics."""

    def __init__(self) -> None:
        self._kernel = FramesKernel(CRCS, POWERS)
        group, row, tag = _integers(3, MOST_MESSAGES)
        self._out = group, row, np.empty(MOST_MESSAGES), tag
        self._kernel.bind_out(*self._out)
        self._entries: dict[str, int] = {}
        self._foreign = 0
        self._crc, self._start, self._length, self._group, self._row = _integers(5, 0)
        self._make_room()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, topic: str, group: int, row: int) -> None:
        """Take messages of this topic from now on, for a stream."""
        self.remove(topic)
        name = topic.encode()
        if self._used == len(self._row) or self._named + len(name) > len(self._names):
            self._make_room(len(name))
        self._enter(topic, name, group, row)

    def leave(self, topics: Iterable[str]) -> None:
        """Take messages of these topics as foreign from now on, whatever they say."""
        for topic in topics:
            if topic not in self._entries and self._foreign < MOST_FOREIGN:
                self.add(topic, FOREIGN, 0)
                self._foreign += 1

    def remove(self, topic: str) -> None:
        """Take messages of this topic no more."""
        entry = self._entries.pop(topic, None)
        if entry is not None:
            self._row[entry] = -1

    def take(
        self, data: NDArray[np.uint8], start: int, end: int, ids: Integers, level: int, between: int
    ) -> tuple[Plain, int]:
        """Return the plain messages that begin at the byte start, and where what follows them begins.

        See FramesKernel. ids: subscription identifiers that are ours, ascending.  level: of QoS, at most.
        """
        kernel = self._kernel
        n = kernel.take(data, start, end, MOST_MESSAGES, ids, level, between)
        group, row, value, tag = self._out
        taken = Plain(group[:n], row[:n], value[:n], tag[:n], kernel.answered, bool(kernel.alike))
        return taken, kernel.used

    def _make_room(self, name_bytes: int = 0) -> None:
        """Begin a table with room for a quarter more topics; those that were removed leave it."""
        known, topics = np.fromiter(self._entries.values(), np.int64, len(self._entries)), [*self._entries]
        kept = self._crc[known], self._length[known], self._group[known], self._row[known]
        n, more = len(known), FIRST_TOPICS + len(known) // 4
        self._crc, self._length, self._group, self._row = (np.pad(each, (0, more)) for each in kept)
        self._start = np.cumsum(self._length) - self._length
        self._slots = np.full(1 << (2 * (n + more) - 1).bit_length(), FREE, dtype=np.int64)
        names = np.frombuffer("".join(topics).encode(), dtype=np.uint8)
        named = len(names) + name_bytes
        self._names = np.pad(names, (0, name_bytes + named // 4 + 32 * FIRST_TOPICS))
        self._used, self._named = n, len(names)
        has = fill(self._slots, self._crc[:n], PROBES)
        self._entries = {topic: k for k, topic in enumerate(topics) if has[k]}
        columns = self._crc, self._start, self._length, self._group, self._row
        self._kernel.bind_topics(self._slots, *columns, self._names, PROBES)

    def _is_free(self, slot: int) -> bool:
        entry = self._slots[slot]
        return bool(entry < 0 or self._row[entry] < 0)

    def _enter(self, topic: str, name: bytes, group: int, row: int) -> None:
        """Enter a topic, unless so many others have its places that its messages go the general way."""
        crc = crc32(name)
        slot = next(filter(self._is_free, (crc + i & len(self._slots) - 1 for i in range(PROBES))), None)
        if slot is None:
            return
        entry, start = self._used, self._named
        self._names[start : start + len(name)] = np.frombuffer(name, dtype=np.uint8)
        self._crc[entry], self._start[entry], self._length[entry] = crc, start, len(name)
        self._group[entry], self._row[entry] = group, row
        self._used, self._named = entry + 1, start + len(name)
        self._slots[slot] = self._entries[topic] = entry


def _integers(n: int, length: int) -> Integers:
    """Return n arrays of that length."""
    return np.zeros((n, length), dtype=np.int64)
