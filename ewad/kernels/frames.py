"""PUBLISH packets of the plain kind out of the bytes of a read: topic -> stream, payload -> number.

Plain is: not retained, QoS 0 or 1, a topic that is in the table, no property but one subscription identifier
of ours, and a payload of digits that is rounded once. Nothing is decided about any other packet: the kernel
stops before it, and the general way takes it. Source: MQTT 5, 3.3; the number: Clinger 1990, a whole number
below 2**53 over a power of ten up to 10**22 is rounded once, as `float` rounds it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

PUBLISH, DUPLICATE, RETAIN = 0x30, 0x08, 0x01  # of a first byte (MQTT 5, 3.3.1)
SUBSCRIPTION_ID = 0x0B  # the property (MQTT 5, 2.2.2.2)
EXACT = 900719925474098  # ten times that and a digit are below 2**53
ALL_ONES = 0xFFFFFFFF
WITH_TOPIC = 1 << 48  # in every tag


class FramesKernel:
    """The table of topics, and the packets that were taken last.

    used: the byte behind the last packet that was taken.  value: of the payload read last.
    answered: how many of the packets taken last are of QoS 1.  alike: whether all are of one group.
    """

    def __init__(self, crcs: Integers, powers: Floats) -> None:
        """crcs: (256,), CRC-32 of each byte.  powers: 10**0, 10**1, ..., all that float64 holds exactly."""
        self.crcs, self.powers = memory.integers(crcs), memory.doubles(powers)
        self.places = len(powers) - 1
        self.used = 0
        self.value = 0.0
        self.answered = 0
        self.alike = 1

    def bind_topics(
        self,
        slots: Integers,
        crc: Integers,
        start: Integers,
        length: Integers,
        group: Integers,
        row: Integers,
        names: NDArray[np.uint8],
        probes: int,
    ) -> None:
        """Work on this table from now on.

        slots: a power of two of them, each an entry or -1; a topic stands in one of so many `probes` from its
        checksum on.  crc, start, length: of an entry's topic, which stands in names.  group, row: of its
        stream, row -1: it has none; group -1: the topic is another's, and its payload may be anything.
        """
        self.slots, self.mask = memory.integers(slots), len(slots) - 1
        self.crc, self.start, self.length = (
            memory.integers(crc),
            memory.integers(start),
            memory.integers(length),
        )
        self.group, self.row = memory.integers(group), memory.integers(row)
        self.names, self.probes = memory.octets(names), probes

    def bind_out(self, groups: Integers, rows: Integers, values: Floats, tags: Integers) -> None:
        """Write what is taken to these arrays, all of one length.

        tags: 1 << 48, CRC-32 of topic and payload in the 32 bits below, the packet identifier in the lowest
        16; -1: QoS 0.
        """
        self.groups, self.rows = memory.integers(groups), memory.integers(rows)
        self.values, self.tags = memory.doubles(values), memory.integers(tags)

    def take(
        self,
        data: NDArray[np.uint8],
        start: int,
        end: int,
        most: int,
        ids: Integers,
        level: int,
        between: int,
    ) -> int:
        """Take plain packets from the byte `start` on, up to `end` and `most` packets; return how many.

        ids: subscription identifiers that are ours, ascending.  level: of QoS, at most.  between: what the
        checksum of a topic is combined with (exclusive or) before that of the payload goes on from it.
        """
        self.data, self.between, self.level = memory.octets(data), between, level
        self.ids, self.n_ids = memory.integers(ids), len(ids)
        return self.take_all(start, min(end, len(data)), most)

    def take_all(self, start: int, end: int, most: int) -> int:
        """Take packets one by one until one is not plain."""
        n = 0
        self.used = start
        self.answered, self.alike = 0, 1
        while n < most:
            after = self.packet(self.used, end, n)
            if after == 0:
                break
            self.used = after
            if self.tags[n] >= 0:
                self.answered += 1
            if self.groups[n] != self.groups[0]:
                self.alike = 0
            n += 1
        return n

    def packet(self, at: int, end: int, n: int) -> int:
        """Take the packet at a byte as the n-th; return where it ends, 0 if it is not plain, or not whole."""
        if end - at < 2:
            return 0
        first = self.data[at]
        level = (first >> 1) & 3
        if (
            (first & 0xF0) != PUBLISH
            or first & RETAIN
            or level > self.level
            or (level == 0 and first & DUPLICATE)
        ):
            return 0
        length = self.data[at + 1]
        at += 2
        if length >= 128:  # of two bytes; longer ones are not plain
            if at >= end or self.data[at] >= 128 or self.data[at] == 0:
                return 0
            length += (self.data[at] - 1) * 128
            at += 1
        if length > end - at:
            return 0
        end = at + length
        if length < 3 + 2 * level:  # length of the topic, packet identifier, length of the properties
            return 0
        size = self.data[at] * 256 + self.data[at + 1]
        at += 2
        if size > end - at - 1 - 2 * level:
            return 0
        crc = self.sum(ALL_ONES, at, at + size) ^ ALL_ONES
        entry = self.find(crc, at, size)
        if entry < 0:
            return 0
        at += size
        packet_id = 0
        if level == 1:
            packet_id = self.data[at] * 256 + self.data[at + 1]
            at += 2
            if packet_id == 0:
                return 0
        at = self.properties(at, end)
        if at == 0:
            return 0
        if self.group[entry] < 0:  # nobody here asks what it says
            self.value = 0.0
        elif self.number(at, end) == 0:
            return 0
        self.groups[n], self.rows[n], self.values[n] = self.group[entry], self.row[entry], self.value
        self.tags[n] = -1
        if level == 1:
            crc = self.sum(crc ^ self.between ^ ALL_ONES, at, end) ^ ALL_ONES
            self.tags[n] = WITH_TOPIC | crc << 16 | packet_id
        return end

    def sum(self, crc: int, at: int, end: int) -> int:
        """Return the CRC-32 so far, its bits inverted, with these bytes."""
        while at < end:
            crc = self.crcs[(crc ^ self.data[at]) & 255] ^ (crc >> 8)
            at += 1
        return crc

    def find(self, crc: int, at: int, size: int) -> int:
        """Return the entry of the topic that stands there, -1 if there is none with a stream."""
        for probe in range(self.probes):
            entry = self.slots[(crc + probe) & self.mask]
            if entry < 0:
                return -1
            alike = self.crc[entry] == crc and self.length[entry] == size and self.row[entry] >= 0
            if alike and self.same(self.start[entry], at, size):
                return entry
        return -1

    def same(self, name: int, at: int, size: int) -> int:
        """Return whether the name and the bytes there are the same."""
        for i in range(size):
            if self.names[name + i] != self.data[at + i]:
                return 0
        return 1

    def properties(self, at: int, end: int) -> int:
        """Return where the payload begins, 0 if there is a property but a subscription identifier of ours."""
        left = self.data[at]
        at += 1
        if left == 0:
            return at
        if left > 5 or left > end - at or self.data[at] != SUBSCRIPTION_ID:
            return 0
        behind = at + left
        at += 1
        number = 0
        shift = 0
        while at < behind:
            byte = self.data[at]
            number += (byte & 127) << shift
            shift += 7
            at += 1
            if byte < 128:
                if at != behind or (byte == 0 and shift > 7) or not self.ours(number):
                    return 0
                return at
        return 0

    def ours(self, number: int) -> int:
        """Return whether a subscription identifier is one of ours."""
        low, high = 0, self.n_ids
        while low < high:
            middle = (low + high) // 2
            if self.ids[middle] < number:
                low = middle + 1
            else:
                high = middle
        return low < self.n_ids and self.ids[low] == number

    def number(self, at: int, end: int) -> int:
        """Read the number that these bytes spell into `value`; return whether they are one of this kind."""
        negative = 0
        if at < end and (self.data[at] == 45 or self.data[at] == 43):  # - +
            negative = self.data[at] == 45
            at += 1
        whole = 0
        digits = 0
        places = 0
        point = 0
        while at < end:
            byte = self.data[at]
            if 48 <= byte <= 57:
                if whole > EXACT or places == self.places:
                    return 0
                whole = whole * 10 + (byte - 48)
                digits = 1
                places += point
            elif byte == 46 and not point:
                point = 1
            else:
                return 0
            at += 1
        if not digits:
            return 0
        self.value = whole / self.powers[places]
        if negative:
            self.value = -self.value
        return 1
