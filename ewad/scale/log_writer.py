"""The durable log of records, written: a frame for each commit, on the disk before it is acknowledged."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from ewad.errors import StateError
from ewad.scale.record import Record
from ewad.scale.segments import LOG, SYNCED, LogCommit, first_of, path_of, segments, write_synced
from ewad.store import frames

SEGMENT_BYTES = 64 << 20
NOBODY = bytes(16)


class LogWriter:
    """Appends commits to the log in a directory, which it makes if need be. One writer at a time.

    What a kill or a loss of power has cut short at the end is cut off: it was never acknowledged. Raises
    StateError if another process writes the log, or if it is damaged elsewhere.

    head: what a new segment begins with: all that is to be known of the commits before.
    keep_seconds, keep_bytes: older segments go, and the oldest of more; None: all stay. The newest stays. How
    old they are is told by times of arrival, which a system clock that was set does not move at once.
    last: the number of the last commit, counted from 1; 0: none yet.  arrival: the newest of the last one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        keep_seconds: float | None = None,
        keep_bytes: int | None = None,
        head: Callable[[], bytes] = lambda: b"",
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.last, self.arrival = 0, 0.0
        self._segment_bytes = segment_bytes
        self._keep_seconds, self._keep_bytes = keep_seconds, keep_bytes
        self._head = head
        self._written = 0  # bytes of the segment
        self._lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        self._synced = os.open(directory / SYNCED, os.O_CREAT | os.O_RDWR, 0o644)
        self._file: BinaryIO | None = None
        try:
            self._take_lock()
            for path in directory.glob("*.new"):
                path.unlink()
            if found := segments(directory):
                self._continue(found[-1])
            self.sync()
        except BaseException:
            self._release()
            raise

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"{self.directory}: another process writes this log: give each gateway a directory of its own"
            ) from error

    def _continue(self, path: Path) -> None:
        """Go on behind the last whole commit of the newest segment."""
        self.last = first_of(path) - 1
        self._file = path.open("r+b")
        end = frames.HEADER_BYTES
        for frame, commit in commits_of(path, self._file):
            end = frame.end
            if commit is not None:
                self.last, self.arrival = frame.sequence, commit.arrival
        self._file.truncate(end)
        self._file.seek(end)
        self._written = end

    def recovered(self) -> tuple[bytes, Iterator[bytes]]:
        """Return the newest segment's head, and the notes of the commits behind it; b"" and none at first."""
        if self._file is None:
            return b"", iter(())
        path = segments(self.directory)[-1]
        with path.open("rb") as file:
            found = [(frame, commit) for frame, commit in commits_of(path, file)]
            head = found[0][0].payload(file) or b""
        return head, (commit.notes for _, commit in found if commit is not None)

    def append(self, records: Sequence[Record | bytes], notes: bytes = b"", arrival: float = 0.0) -> int:
        """Write one commit and return its number. It is on the disk, and readers see it, after `sync`."""
        encoded = [each.encode() if isinstance(each, Record) else each for each in records]
        newest = max(self.arrival, arrival)
        payload = msgspec.msgpack.encode(LogCommit(newest, notes, encoded))
        if self._file is None or self._written + len(payload) > self._segment_bytes:
            self.roll()
        self.arrival = newest
        assert self._file is not None  # noqa: S101 (roll opens it)
        data = frames.encode(frames.JOURNAL, payload, len(encoded), self.last + 1)
        self._file.write(data)
        self._written += len(data)
        self.last += 1
        return self.last

    def sync(self) -> None:
        """Put all commits on the disk, and let readers see them."""
        if self._file is not None:
            self._file.flush()
            os.fdatasync(self._file.fileno())
        write_synced(self._synced, self.last)

    def close(self) -> None:
        """Put all commits on the disk and close the files."""
        try:
            self.sync()
        finally:
            self._release()

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
        for descriptor in (self._synced, self._lock):
            os.close(descriptor)

    def roll(self) -> None:
        """Begin a segment, whole from its first moment on; let go of old ones."""
        if self._file is not None:
            self.sync()
            os.utime(self._file.fileno(), (self.arrival, self.arrival))
            self._file.close()
        path = path_of(self.directory, self.last + 1)
        new = path.with_suffix(".new")
        self._file = new.open("w+b")
        header = frames.Header(frames.VERSION, LOG, secrets.token_bytes(16), NOBODY)
        self._file.write(header.encode() + frames.encode(frames.SNAPSHOT, self._head(), 0, self.last))
        self._file.flush()
        os.fsync(self._file.fileno())
        new.rename(path)
        _sync_directory(self.directory)
        self._written = self._file.tell()
        self._retain()

    def _retain(self) -> None:
        """Delete the segments that need not be kept, the oldest first; never the newest two."""
        found = segments(self.directory)[:-1]  # the newest is being written
        told = [path.stat() for path in found]
        n_bytes = sum(stat.st_size for stat in told) + self._written
        for path, stat in zip(found, told, strict=True):
            old = self._keep_seconds is not None and self.arrival - stat.st_mtime > self._keep_seconds
            many = self._keep_bytes is not None and n_bytes > self._keep_bytes
            if not (old or many):
                return
            path.unlink()
            n_bytes -= stat.st_size


def commits_of(path: Path, file: BinaryIO) -> Iterator[tuple[frames.Frame, LogCommit | None]]:
    """Yield the frames of a segment with their commits, None with its head, up to what was cut short.

    Raises StateError where the segment is damaged.
    """
    header = frames.read_header(file)
    if header is None or not header.flags & LOG:
        raise StateError(f"{path}: expected a segment of a log, got a damaged file, or another one")
    size = os.fstat(file.fileno()).st_size
    for frame in frames.scan(file, size):
        payload = None if isinstance(frame, frames.Damage) else frame.payload(file)
        if isinstance(frame, frames.Damage) or payload is None:
            if not isinstance(frame, frames.Damage) and frame.end == size:
                return  # its payload never came to the disk whole
            raise StateError(f"{path}: bytes {frame.start:,} to {frame.end:,} are damaged: move the log away")
        yield frame, decoded(path, payload) if frame.kind == frames.JOURNAL else None


def decoded(path: Path, payload: bytes) -> LogCommit:
    """Return a commit. Raises StateError."""
    try:
        return msgspec.msgpack.decode(payload, type=LogCommit)
    except msgspec.MsgspecError as error:
        raise StateError(f"{path}: expected a commit, got {error}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
