"""The durable log of records, read: also while it is written, and from any commit on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ewad.errors import StateError
from ewad.scale.log_writer import decoded
from ewad.scale.record import Record
from ewad.scale.segments import first_of, read_synced, segments
from ewad.store import frames


class LogEntry(NamedTuple):
    """One record, encoded. sequence: of its commit; place: which one there."""

    sequence: int
    place: int
    data: bytes


class LogReader:
    """The records of the log in a directory, in order, those after a commit; each iteration begins anew.

    It ends with the last commit that is on the disk. Raises StateError where the log is damaged, or where
    commits that are asked for are no longer kept.
    """

    def __init__(self, directory: Path, after: int | None = None) -> None:
        """after: the number of a commit; None: all that is kept."""
        self.directory = directory
        self._after = after
        if not directory.is_dir():
            raise StateError(f"{directory}: expected the directory of a log, got none")

    def __iter__(self) -> Iterator[Record]:
        """Yield the records."""
        for entry in self.entries(self._after):
            yield Record.decode(entry.data)

    @property
    def first(self) -> int:
        """The number of the oldest commit that is kept, or is to come."""
        found = segments(self.directory)
        return first_of(found[0]) if found else 1

    def last(self) -> int:
        """Return the number of the newest commit that is on the disk; 0: there is none yet."""
        synced = read_synced(self.directory)
        if synced is not None:
            return synced
        found = segments(self.directory)
        sequence = 0
        for _, frame, _ in _frames(found[-1:]):
            sequence = max(sequence, frame.sequence)
        return sequence

    def entries(self, after: int | None = None, until: int | None = None) -> Iterator[LogEntry]:
        """Yield the records of the commits after one up to another, by default of all that is on the disk."""
        found = segments(self.directory)
        until = self.last() if until is None else until
        if after is None:
            after = self.first - 1
        if after >= until:
            return
        if after + 1 < self.first:
            raise StateError(
                f"{self.directory}: expected commit {after + 1}, got {self.first} as the oldest: what came "
                f"between is no longer kept (--keep, --keep-bytes)"
            )
        ends = [*map(first_of, found[1:]), until + 1]  # of each segment, the commit behind its last
        pairs = zip(found, ends, strict=True)
        wanted = [path for path, end in pairs if end > after + 1 and first_of(path) <= until]
        for path, frame, file in _frames(wanted):
            if not after < frame.sequence <= until:
                continue
            payload = frame.payload(file)
            if payload is None or frame.sequence != after + 1:
                raise StateError(f"{path}: commit {after + 1} is damaged or missing")
            for place, data in enumerate(decoded(path, payload).records):
                yield LogEntry(frame.sequence, place, data)
            after = frame.sequence
        if after < until:
            raise StateError(f"{self.directory}: commit {after + 1} is damaged or missing")


def _frames(paths: list[Path]) -> Iterator[tuple[Path, frames.Frame, BinaryIO]]:
    """Yield the frames of commits; their payloads are not read."""
    for path in paths:
        with path.open("rb") as file:
            for frame in frames.scan(file, os.fstat(file.fileno()).st_size):
                if isinstance(frame, frames.Damage):
                    raise StateError(f"{path}: bytes {frame.start:,} to {frame.end:,} are damaged")
                if frame.kind == frames.JOURNAL:
                    yield path, frame, file
