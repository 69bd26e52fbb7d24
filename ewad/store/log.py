"""One state file, read: its snapshots, the journal, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from ewad.engine import BlockKey
from ewad.errors import StateError
from ewad.store import frames
from ewad.store.frames import Damage, Frame
from ewad.store.records import Manifest, decode


class JournalEntry(NamedTuple):
    """One record of the journal, encoded."""

    sequence: int
    samples: int
    record: bytes


class Kept(NamedTuple):
    """Where a block stands in its file: the start of its frame, and the checksum of its payload."""

    start: int
    checksum: int


class Snapshot(NamedTuple):
    """A complete snapshot: the record it comes after, when it was made (Unix seconds), and its frame."""

    sequence: int
    time: float
    frame: Frame


class DamagedError(StateError):
    """What the file holds is not what was written."""


class NewerError(StateError):
    """The file was made by a later version of ewad."""


class OtherWriterError(StateError):
    """Somebody else writes the file too."""


class Log:
    """A state file, open to be read. Raises StateError for one that is newer, or none, or a cut-off backup.

    header: None if it is damaged.  damage: what is wrong with the file, in words; empty if nothing is.
    snapshots: the complete ones, newest first.  end: where the next frame belongs.  records, samples: in the
    journal, up to the record `last`.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self.damage = ""
        self.snapshots: list[Snapshot] = []
        self.end = frames.HEADER_BYTES
        self.last = self.records = self.samples = self._last_record = 0
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise StateError(
                f"{path}: expected a state file, got an empty file: put back a whole one, or remove it to "
                f"start anew"
            )
        self.header = frames.read_header(file)
        if self.header is None:
            if frames.is_foreign(file, size):
                raise StateError(
                    f"{path}: expected a state file of ewad, got another program's file, which is left as it "
                    f"is: move it away to start anew there, or name another path"
                )
            self._damaged("the header is damaged")
        elif self.header.version > frames.VERSION:
            raise NewerError(
                f"{path}: made by a newer ewad: version {self.header.version}, "
                f"this one reads up to {frames.VERSION}"
            )
        ended = self._read(size)
        if self.header is not None and self.header.flags & frames.BACKUP and not ended:
            raise StateError(
                f"{path}: expected a whole backup, got {size:,} bytes without an end: copy it again"
            )

    def _read(self, size: int) -> bool:
        """Look at all frames; return whether an END is among them."""
        ended = False
        for found in frames.scan(self._file, size):
            if isinstance(found, Damage):
                self._damaged(f"bytes {found.start:,} to {found.end:,} are damaged")
            elif found.kind in (frames.JOURNAL, frames.SNAPSHOT, frames.END):
                payload = found.payload(self._file)
                if payload is None:
                    if found.end == size and frames.is_torn(self._file, found.start, size):
                        break
                    self._damaged(f"the record at byte {found.start:,} is damaged")
                else:
                    ended = ended or found.kind == frames.END
                    self._note(found, payload)
            self.end = found.end
        self.snapshots.reverse()
        return ended

    def _note(self, frame: Frame, payload: bytes) -> None:
        if frame.kind == frames.JOURNAL:
            if frame.sequence <= self._last_record:
                raise OtherWriterError(
                    f"{self.path}: expected record {self._last_record + 1}, got {frame.sequence} again: two "
                    f"daemons have written this file; put back a backup, or move it away to start anew"
                )
            self._last_record = frame.sequence
            self.records += 1
            self.samples += frame.samples
        elif frame.kind == frames.SNAPSHOT:
            self.snapshots.append(Snapshot(frame.sequence, self._manifest(frame, payload).time, frame))
        self.last = max(self.last, frame.sequence)

    def _damaged(self, what: str) -> None:
        self.damage = self.damage or f"{self.path}: {what}"

    def manifest(self, snapshot: Snapshot) -> Manifest:
        """Return what a snapshot consists of."""
        payload = snapshot.frame.payload(self._file)
        if payload is None:
            raise DamagedError(f"{self.path}: the snapshot at byte {snapshot.frame.start:,} is damaged")
        return self._manifest(snapshot.frame, payload)

    def _manifest(self, frame: Frame, payload: bytes) -> Manifest:
        try:
            return decode(payload, Manifest)
        except StateError as error:
            raise DamagedError(f"{self.path}: the snapshot at byte {frame.start:,}: {error}") from error

    def block(self, block: BlockKey, kept: Kept) -> bytes:
        """Return the bytes of a block. Raises DamagedError."""
        frame = frames.frame_at(self._file, kept.start)
        payload = frame.payload(self._file) if frame is not None and frame.kind == frames.BLOCK else None
        if payload is None or frames.checksum_of(payload) != kept.checksum:
            raise DamagedError(f"{self.path}: the block {tuple(block)} at byte {kept.start:,} is damaged")
        return payload

    def journal(self, after: int) -> Iterator[JournalEntry]:
        """Yield the records after a sequence number, in order.

        Raises DamagedError where one is damaged or missing, OtherWriterError where there are two of one.
        """
        size = os.fstat(self._file.fileno()).st_size
        for frame in frames.scan(self._file, size):
            if isinstance(frame, Damage) or frame.kind != frames.JOURNAL or frame.sequence <= after:
                continue
            if frame.start >= self.end:  # added since, by the daemon that has the file
                return
            payload = frame.payload(self._file)
            if frame.sequence != after + 1 or payload is None:
                raise DamagedError(f"{self.path}: journal: record {after + 1} is damaged or missing")
            after += 1
            yield JournalEntry(frame.sequence, frame.samples, payload)

    def copied(self, header: frames.Header) -> Iterator[bytes]:
        """Yield the bytes of a backup with that header: all frames, and an END. Raises DamagedError."""
        yield header.encode()
        for frame in frames.scan(self._file, self.end):
            payload = None if isinstance(frame, Damage) else frame.payload(self._file)
            if isinstance(frame, Damage) or payload is None:
                where = f"bytes {frame.start:,} to {frame.end:,}"
                raise DamagedError(f"{self.path}: {where} are damaged: no copy was made")
            yield frames.encode(frame.kind, payload, frame.samples, frame.sequence)
        yield frames.encode(frames.END, b"")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def kept_of(manifest: Manifest) -> dict[BlockKey, Kept]:
    """Return where each block of a snapshot stands."""
    return {BlockKey(*where[:3]): Kept(*where[3:]) for where in manifest.blocks}


def header_of(manifest: Manifest) -> dict[str, object]:
    """Return the engine's header in a snapshot."""
    return dict(msgspec.json.decode(manifest.header, type=dict[str, object]))
