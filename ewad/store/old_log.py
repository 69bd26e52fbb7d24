"""The write-ahead log of an SQLite database, looked at for commits that SQLite would drop without a word.

SQLite reads a log up to the first frame whose checksum is wrong, and takes that for what a crash left. Whole
commits behind it are lost. Source: the SQLite file format, 4: the write-ahead log.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = 0x377F0682  # of checksums of little-endian numbers; one more: big-endian
_HEADER = struct.Struct(">8I")  # magic, version, bytes of a page, checkpoints, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, pages after a commit or 0, two salts, two checksums
SUMMED_HEADER, SUMMED_FRAME = 24, 8  # bytes that a checksum covers
SUMMED = 1 << 32


class _Frame(NamedTuple):
    """One frame. valid: it and all before it have the right checksums; ours: it is none of an earlier log."""

    start: int
    commits: bool
    ours: bool
    valid: bool


def damage_of(path: Path) -> str:
    """Return what is lost of a log, in words; empty if nothing is, or there is no log."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
        if not header.strip(b"\0"):
            return ""
        if len(header) < _HEADER.size or not _is_header(header):
            return f"{path}: the header is damaged"
        broken = None
        for frame in _frames(file, header):
            if broken is None and not frame.valid:
                broken = frame.start
            if broken is not None and frame.ours and frame.commits:
                return f"{path}: byte {broken:,} and what follows are damaged"
    return ""


def _is_header(data: bytes) -> bool:
    magic, *_, one, two = _HEADER.unpack(data)
    return magic >> 1 == MAGIC >> 1 and _sums(_form(magic), data[:SUMMED_HEADER], (0, 0)) == (one, two)


def _form(magic: int) -> str:
    return ">" if magic & 1 else "<"


def _frames(file: BinaryIO, header: bytes) -> Iterator[_Frame]:
    magic, _, page_bytes, _, *salts_and_sums = _HEADER.unpack(header)
    salts, sums, valid = salts_and_sums[:2], tuple(salts_and_sums[2:]), True
    start = _HEADER.size
    while len(data := file.read(_FRAME.size + page_bytes)) == _FRAME.size + page_bytes:
        _, pages, *own, one, two = _FRAME.unpack_from(data)
        if valid:
            sums = _sums(_form(magic), data[:SUMMED_FRAME] + data[_FRAME.size :], sums)
            valid = own == salts and sums == (one, two)
        yield _Frame(start, pages > 0, own == salts, valid)
        start += len(data)


def _sums(form: str, data: bytes, sums: tuple[int, ...]) -> tuple[int, int]:
    """Return the checksums so far with these bytes."""
    one, two = sums
    for first, second in struct.iter_unpack(f"{form}2I", data):
        one = (one + first + two) % SUMMED
        two = (two + second + one) % SUMMED
    return one, two
