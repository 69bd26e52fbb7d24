"""The bytes of a state file: a header, then frames that are only ever added, each with two checksums.

header   magic, version, flags, identity, identity of the file before it; CRC-32
frame    magic, kind, length, samples, sequence; CRC-32 of these; then the payload; CRC-32 of it

All numbers are little-endian. What a kill or a loss of power may leave at the end of a file - a frame cut
short, or zeros from a sector's boundary on - is no damage: nothing of it was ever acknowledged. Whatever else
is no frame is damage, and what follows it is found again by the next whole frame's head.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from operator import eq
from typing import BinaryIO, NamedTuple
from zlib import crc32

VERSION = 2  # 1 was an SQLite database
MAGIC, FRAME_MAGIC = b"EWADFILE", b"\xf5EW\n"
BACKUP = 1  # a flag: such a file has an END
JOURNAL, BLOCK, SNAPSHOT, END = 1, 2, 3, 4
SECTOR = 512  # bytes that a disk writes whole or not at all
_HEADER = struct.Struct("<8sHH16s16s")
_HEAD = struct.Struct("<4sBxxxIIQ")
_SUM = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _SUM.size
HEAD_BYTES = _HEAD.size + _SUM.size
FRAME_BYTES = HEAD_BYTES + _SUM.size  # beside the payload
MAX_PAYLOAD = (1 << 32) - 1
_SEARCHED = 1 << 20


class Header(NamedTuple):
    """How a file begins. identity: 16 random bytes; former: those of the file that it took over from."""

    version: int
    flags: int
    identity: bytes
    former: bytes

    def encode(self) -> bytes:
        """Return its bytes."""
        return _summed(_HEADER.pack(MAGIC, *self))

    @classmethod
    def decode(cls, data: bytes) -> Header | None:
        """Return the header, None if these bytes are none."""
        if len(data) != HEADER_BYTES or not _sum_fits(data):
            return None
        magic, *fields = _HEADER.unpack_from(data)
        return cls(*fields) if magic == MAGIC else None


class Frame(NamedTuple):
    """One frame. start: of the frame in its file; length: of its payload.  See the module for the others."""

    kind: int
    length: int
    samples: int
    sequence: int
    start: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.start + FRAME_BYTES + self.length

    def payload(self, file: BinaryIO) -> bytes | None:
        """Return its payload, None if that is damaged."""
        file.seek(self.start + HEAD_BYTES)
        data = file.read(self.length + _SUM.size)
        return data[: self.length] if len(data) == self.length + _SUM.size and _sum_fits(data) else None


class Damage(NamedTuple):
    """Bytes that are no frame, from start up to end."""

    start: int
    end: int


def encode(kind: int, payload: bytes, samples: int = 0, sequence: int = 0) -> bytes:
    """Return the bytes of a frame."""
    return _summed(_HEAD.pack(FRAME_MAGIC, kind, len(payload), samples, sequence)) + _summed(payload)


def checksum_of(payload: bytes) -> int:
    """Return the checksum of a payload."""
    return crc32(payload)


def read_header(file: BinaryIO) -> Header | None:
    """Return the header of a file, None if it is damaged or none of ewad's."""
    file.seek(0)
    return Header.decode(file.read(HEADER_BYTES))


def is_foreign(file: BinaryIO, size: int) -> bool:
    """Whether nothing of a file without a header tells that it was ever one of ewad's.

    It is if most of the magic stands where it belongs, if there is a whole frame, or if all bytes are 0, as a
    loss of power may leave them.
    """
    file.seek(0)
    start = file.read(len(MAGIC))
    if 2 * sum(map(eq, start, MAGIC)) > len(start) or _next_frame(file, 0, size) is not None:
        return False
    file.seek(0)
    while data := file.read(_SEARCHED):
        if data.strip(b"\0"):
            return True
    return False


def frame_at(file: BinaryIO, start: int) -> Frame | None:
    """Return the frame whose head is there, None if there is none."""
    file.seek(start)
    data = file.read(HEAD_BYTES)
    if len(data) != HEAD_BYTES or not _sum_fits(data):
        return None
    magic, kind, length, samples, sequence = _HEAD.unpack_from(data)
    return Frame(kind, length, samples, sequence, start) if magic == FRAME_MAGIC else None


def scan(file: BinaryIO, size: int) -> Iterator[Frame | Damage]:
    """Yield the frames of a file of that size, whole but for what may be wrong in their payloads, and damage.

    What a kill left at the end is not yielded.
    """
    at = HEADER_BYTES
    while at < size:
        frame = frame_at(file, at)
        if frame is not None and frame.end <= size:
            yield frame
            at = frame.end
            continue
        following = _next_frame(file, at + 1, size)
        if following is None:
            if frame is None and not is_torn(file, at, size):
                yield Damage(at, size)
            return
        yield Damage(at, following)
        at = following


def is_torn(file: BinaryIO, start: int, size: int) -> bool:
    """Whether the bytes from start to the end are what a kill or a loss of power leaves of a frame."""
    if size - start < HEAD_BYTES:
        return True
    file.seek(size - 1)
    if file.read(1) != b"\0":
        return False
    sector = max(start, (size - 1) // SECTOR * SECTOR)
    file.seek(sector)
    return not file.read(size - sector).strip(b"\0")


def _next_frame(file: BinaryIO, start: int, size: int) -> int | None:
    """Return where the next whole frame begins, None if there is none."""
    while start < size:
        file.seek(start)
        data = file.read(_SEARCHED)
        found = data.find(FRAME_MAGIC)
        while found >= 0:
            frame = frame_at(file, start + found)
            if frame is not None and frame.end <= size:
                return frame.start
            found = data.find(FRAME_MAGIC, found + 1)
        start += max(1, len(data) - len(FRAME_MAGIC) + 1)
    return None


def _summed(data: bytes) -> bytes:
    return data + _SUM.pack(crc32(data))


def _sum_fits(data: bytes) -> bool:
    return int(_SUM.unpack_from(data, len(data) - _SUM.size)[0]) == crc32(memoryview(data)[: -_SUM.size])
