"""The bytes of a file, unpacked, to be read as often as is needed."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import os
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from ewad.errors import SourceError

STANDARD_INPUT = Path("-")
SPOOLED_BYTES = 16 * 2**20  # of standard input that stay in memory; the rest goes to a temporary file
# what reading any of these may raise: each library has errors of its own
UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, NotImplementedError)


@dataclass(frozen=True)
class Fetched:
    """A file that people know by the address that it was fetched from: messages have that as its name."""

    path: Path
    name: str

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return self.name


InputFile = Path | Fetched


class Archive:
    """A file that may be compressed, or a pipe, which is kept in a temporary file.

    Progress is bytes_read of size_bytes, both of the compressed file. Raises SourceError.
    """

    def __init__(self, path: InputFile) -> None:
        self.path = path
        self._raw = self._open()
        try:
            magic = self._raw.read(6)
            self.size_bytes = self._size()
        except OSError as error:
            self.close()
            raise self.failure(error) from error
        unpackers = (found for start, found in UNPACKERS.items() if magic.startswith(start))
        self.compression, self._unpack = next(unpackers, ("", _as_it_is))

    @property
    def bytes_read(self) -> int:
        """How much of the file (compressed, if it is) has been read."""
        return self.size_bytes if self._raw.closed else min(self._raw.tell(), self.size_bytes)

    def open(self) -> IO[bytes]:
        """Return the unpacked bytes from the beginning."""
        self._raw.seek(0)
        try:
            unpacked: IO[bytes] = self._unpack(self._raw)
        except UNREADABLE as error:
            raise self.failure(error) from error
        except ImportError as error:
            raise SourceError(f"{self.path}: {error}") from error
        return unpacked

    def head(self, size: int) -> bytes:
        """Return the first bytes, unpacked."""
        try:
            return self.open().read(size)
        except UNREADABLE as error:
            raise self.failure(error) from error

    def failure(self, error: Exception) -> SourceError:
        """Return what is to be raised for an error in reading."""
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return SourceError(f"{self.path}: can't read the file: {why}")

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _size(self) -> int:
        if isinstance(self._raw, tempfile.SpooledTemporaryFile):
            return self._raw.seek(0, os.SEEK_END)
        return os.fstat(self._raw.fileno()).st_size

    def _open(self) -> IO[bytes]:
        try:
            if self.path == STANDARD_INPUT:
                return _kept(sys.stdin.buffer)
            raw = Path(self.path).open("rb")  # noqa: SIM115 (closed with the archive)
            if stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
                return raw
            with raw:
                return _kept(raw)
        except (OSError, ValueError) as error:
            raise self.failure(error) from error


Unpack = Callable[[IO[bytes]], Any]


def _kept(pipe: IO[bytes]) -> IO[bytes]:
    """Return what the pipe brings, in a file that can be read again."""
    kept = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 (closed with the archive)
    shutil.copyfileobj(pipe, kept)
    return cast("IO[bytes]", kept)


def _as_it_is(raw: IO[bytes]) -> Any:
    return raw


def _zipped(raw: IO[bytes]) -> IO[bytes]:
    archive = zipfile.ZipFile(raw)
    members = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    if len(members) != 1:
        shown = ", ".join(members[:5]) or "none"
        raise OSError(0, f"expected one file in the archive, got {len(members)}: {shown}: unpack it first")
    return archive.open(members[0])


class _Zstandard(io.RawIOBase):
    """What zstd has packed, in all its frames: the own reader of its library ends with the first one."""

    def __init__(self, raw: IO[bytes]) -> None:
        try:
            self._library = importlib.import_module("zstandard")
        except ImportError:
            why = "a file packed by zstd needs zstandard, which is not installed: pip install 'ewad[zstd]'"
            raise ImportError(why) from None
        self._raw = raw
        self._frame: Any = None
        self._packed = self._waiting = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Put the next bytes into the buffer; return how many."""
        while not self._waiting:
            packed = self._packed or self._raw.read(_PACKED_BYTES)
            if not packed and self._frame is not None:
                raise EOFError("the file ends in the middle of what zstd has packed")
            if not packed:
                return 0
            self._unpack(packed)
        n = min(len(buffer), len(self._waiting))
        buffer[:n], self._waiting = self._waiting[:n], self._waiting[n:]
        return n

    def _unpack(self, packed: bytes) -> None:
        self._frame = self._frame or self._library.ZstdDecompressor().decompressobj()
        try:
            self._waiting = self._frame.decompress(packed)
        except self._library.ZstdError as error:
            raise OSError(0, str(error)) from error
        self._packed = b""
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None


_PACKED_BYTES = 1 << 14  # a step's: what they unpack to is in memory


def _zstandard(raw: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(_Zstandard(raw)))


UNPACKERS: dict[bytes, tuple[str, Unpack]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
    b"PK\x03\x04": ("zip", _zipped),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstandard),
}
