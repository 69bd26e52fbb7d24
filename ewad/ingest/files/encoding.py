"""Bytes in any usual encoding -> blocks of whole lines in UTF-8, numbered."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from ewad.errors import SourceError
from ewad.ingest.files.archive import UNREADABLE, Archive

BLOCK_BYTES = 2 * 2**20  # some 30,000 rows of 64 bytes: pandas' cost per call vanishes, memory stays small
MAX_QUOTED_BYTES = 64 * 2**20  # a quote that is never closed must not read the whole file into memory
SURVEYED_BYTES = 65_536
MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# Letters of Western languages inside words, and the signs of units: what a file in Windows-1252 has, and a
# damaged one has not.
WESTERN = re.compile(
    rb"[A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xfe][\xc0-\xd6\xd8-\xf6\xf8-\xfe]"
    rb"|[\xc0-\xd6\xd8-\xf6\xf8-\xfe](?=[A-Za-z])|[\x80\xa7\xb0\xb2\xb3\xb5\xb7\xba\x96\x97\x91-\x94\xa0]"
)
HIGH = re.compile(rb"[\x80-\xff]")


class LineBlock(NamedTuple):
    """Whole lines of the file; first_line counts from 1."""

    first_line: int
    content: bytes


class NotUtf8(Exception):  # noqa: N818 (no failure: another encoding is tried)
    """The file is not in UTF-8: at line, byte `byte`."""

    def __init__(self, line: int, byte: int) -> None:
        super().__init__(line, byte)
        self.line = line
        self.byte = byte


def guess(archive: Archive) -> str:
    """Return the encoding that the file's first bytes tell."""
    return guess_of(archive.head(SURVEYED_BYTES))


def guess_of(head: bytes) -> str:
    """Return the encoding that first bytes tell: by a mark, or by the zeros of UTF-16."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and even + odd > len(head) // 3 and min(even, odd) == 0:
        return "utf-16-be" if even else "utf-16-le"
    return "utf-8"


def beginning(head: bytes, encoding: str) -> bytes:
    """Return the first bytes of a file as UTF-8 without a mark; as they are where they are no text."""
    return head.decode(encoding, "replace").removeprefix("\ufeff").encode()


def is_western(archive: Archive) -> bool:
    """Return whether all bytes beyond ASCII are letters in words, or signs, of Windows-1252."""
    file = archive.open()
    while content := file.read(BLOCK_BYTES):
        content += file.readline()
        if HIGH.search(WESTERN.sub(b"", content)):
            return False
    return True


def blocks(archive: Archive, encoding: str, *, quoted: bool, size: int | None = None) -> Iterator[LineBlock]:
    """Yield the file in blocks of whole lines, as UTF-8; a cell in quotes is never cut if quoted.

    size: of a block in bytes, if it is not to be BLOCK_BYTES.

    Raises SourceError, and NotUtf8 where the encoding is UTF-8 and the file is not.
    """
    line = 1
    try:
        file = _reencoded(archive, encoding)
        while content := file.read(size or BLOCK_BYTES):
            content += file.readline()
            if quoted and content.count(b'"') % 2:
                content += _rest_of_quote(archive, file, line + _open_quote(content))
            if line == 1:
                content = content.removeprefix(b"\xef\xbb\xbf")
            if content.count(b"\r") > content.count(b"\r\n"):  # lines of old systems among others
                content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if encoding == "utf-8":
                _check(content, line)
            yield LineBlock(line, content)
            line += content.count(b"\n")
    except UNREADABLE as error:
        raise archive.failure(error) from error
    except UnicodeError as error:
        raise SourceError(f"{archive.path}: line {line} or later: {error}: try another --encoding") from error


def _check(content: bytes, line: int) -> None:
    if content.isascii():
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8(line + content.count(b"\n", 0, error.start), content[error.start]) from error


def _reencoded(archive: Archive, encoding: str) -> IO[bytes] | _Utf8:
    file = archive.open()
    if encoding == "utf-8":
        head = archive.head(SURVEYED_BYTES)
        file = archive.open()
        if b"\n" in head or b"\r" not in head:
            return file
    return _Utf8(file, encoding)


class _Utf8(io.RawIOBase):
    """The text of a file as UTF-8 with plain line ends."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding=encoding, newline=None)

    def read(self, size: int = -1) -> bytes:
        return self._text.read(size).encode()

    def readline(self, _size: int | None = -1) -> bytes:
        return self._text.readline().encode()

    def __iter__(self) -> Iterator[bytes]:
        return (line.encode() for line in self._text)

    def close(self) -> None:
        if not self.closed and not self._text.closed:
            self._text.detach()
        super().close()


def _rest_of_quote(archive: Archive, file: IO[bytes] | _Utf8, line: int) -> bytes:
    """Return the lines up to the one that closes the quote of this line."""
    lines: list[bytes] = []
    size = 0
    for more in file:
        lines.append(more)
        size += len(more)
        if more.count(b'"') % 2:
            return b"".join(lines)
        if size > MAX_QUOTED_BYTES:
            break
    raise SourceError(
        f"{archive.path}: line {line}: expected every quote to be closed, got an odd number of them"
    )


def _open_quote(content: bytes) -> int:
    """Return in which line, from 0, the quote begins that the content does not close."""
    return [i for i, line in enumerate(content.split(b"\n")) if line.count(b'"') % 2][-1]
