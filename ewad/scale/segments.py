"""The files of a log: segments named by their first commit, and how far what they hold is on the disk.

A segment is a header, a head (what is to be known of all before), and a frame for each commit: the frames of
ewad.store.frames. `synced` holds the number of the last commit that is on the disk, with a checksum: readers
go no further, so that a loss of power takes nothing from them that they have seen.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec

SUFFIX = ".log"
SYNCED = "synced"
LOG = 2  # a flag of a file's header: it is a log's segment
_SYNCED = struct.Struct("<QI")


class LogCommit(msgspec.Struct, frozen=True, array_like=True):
    """What one frame holds. arrival: the newest, Unix seconds.  notes: of who wrote it.  records: encoded."""

    arrival: float
    notes: bytes
    records: Sequence[bytes]


def path_of(directory: Path, first: int) -> Path:
    """Return the file of the segment that begins with this commit."""
    return directory / f"{first:020d}{SUFFIX}"


def first_of(path: Path) -> int:
    """Return the number of a segment's first commit."""
    return int(path.stem)


def segments(directory: Path) -> list[Path]:
    """Return the segments, the oldest first."""
    return sorted(path for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())


def write_synced(file: int, sequence: int) -> None:
    """Let readers go up to this commit."""
    number = sequence.to_bytes(8, "little")
    os.pwrite(file, _SYNCED.pack(sequence, crc32(number)), 0)


def read_synced(directory: Path) -> int | None:
    """Return up to which commit readers may go; None if nothing tells: then all that is there was copied."""
    try:
        data = (directory / SYNCED).read_bytes()
    except FileNotFoundError:
        return None
    if len(data) != _SYNCED.size:
        return 0
    sequence, checksum = _SYNCED.unpack(data)
    return int(sequence) if crc32(data[:8]) == checksum else 0
