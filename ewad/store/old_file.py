"""The state file of ewad 0.1, to be read: an SQLite database of a journal and of snapshots in pieces.

journal    sequence, samples, record (records.Record), checksum
snapshot   id, sequence: of the last journal record in it, time, pieces: how many, NULL until it is complete
piece      snapshot, number, data, checksum: piece 0 is a records.Head, the others are an engine's dump
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from ewad.errors import StateError
from ewad.store import old_log
from ewad.store.log import DamagedError, JournalEntry, NewerError

APPLICATION_ID = 0x45574144  # "EWAD"
VERSION = 1


class OldSnapshot(NamedTuple):
    """A complete snapshot: what it contains, when it was made (Unix seconds), how many pieces it has."""

    id: int
    sequence: int
    time: float
    pieces: int


class OldFile:
    """A file of 0.1, open to be read. Raises StateError, or DamagedError, as every method may.

    damage: what SQLite leaves out of it without a word, in words; empty if that is nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told(path):
            self.damage = old_log.damage_of(path.with_name(f"{path.name}-wal"))
            self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                self._check()
            except BaseException:
                self._database.close()
                raise

    def _check(self) -> None:
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID:
            got = "another SQLite database" if tables else "an empty one"
            raise StateError(f"{self.path}: expected a state file of ewad, got {got}")
        if version > VERSION:
            raise NewerError(
                f"{self.path}: made by a newer ewad: version {version}, this one reads up to {VERSION}"
            )

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def back_up(self, target: Path) -> None:
        """Copy all into a new file, which must not exist."""
        with _told(self.path):
            self._database.execute("VACUUM INTO ?", (str(target),))

    @property
    def snapshots(self) -> list[OldSnapshot]:
        """The complete snapshots, newest first."""
        query = "SELECT id, sequence, time, pieces FROM snapshot WHERE pieces IS NOT NULL ORDER BY id DESC"
        with _told(self.path):
            return [OldSnapshot(*row) for row in self._database.execute(query)]

    def pieces(self, snapshot: OldSnapshot) -> Iterator[bytes]:
        """Yield the pieces of a snapshot."""
        query = "SELECT number, data, checksum FROM piece WHERE snapshot = ? ORDER BY number"
        number = -1
        with _told(self.path):
            for number, data, checksum in self._database.execute(query, (snapshot.id,)):
                if not isinstance(data, bytes) or crc32(data) != checksum:
                    raise DamagedError(f"{self.path}: snapshot {snapshot.id}: piece {number} is damaged")
                yield data
        if number + 1 != snapshot.pieces:
            raise DamagedError(f"{self.path}: snapshot {snapshot.id}: expected {snapshot.pieces} pieces")

    def journal(self, after: int) -> Iterator[JournalEntry]:
        """Yield the records after a sequence number, in order."""
        query = "SELECT sequence, samples, record, checksum FROM journal WHERE sequence > ? ORDER BY sequence"
        with _told(self.path):
            for sequence, samples, record, checksum in self._database.execute(query, (after,)):
                after += 1
                if sequence != after or not isinstance(record, bytes) or crc32(record) != checksum:
                    raise DamagedError(f"{self.path}: journal: record {after} is damaged or missing")
                yield JournalEntry(sequence, samples, record)

    @property
    def last(self) -> int:
        """The highest sequence number in the file, 0 in an empty one."""
        query = """SELECT max(coalesce((SELECT max(sequence) FROM journal), 0),
                   coalesce((SELECT max(sequence) FROM snapshot), 0))"""
        return int(self._one(query)[0])

    @property
    def records(self) -> int:
        """The number of records in the journal."""
        return int(self._one("SELECT count(*) FROM journal")[0])

    @property
    def samples(self) -> int:
        """The number of samples in the journal."""
        return int(self._one("SELECT coalesce(sum(samples), 0) FROM journal")[0])

    def _one(self, query: str) -> tuple[int, ...]:
        with _told(self.path):
            row: tuple[int, ...] = self._database.execute(query).fetchone()
            return row


def lock(path: Path) -> int:
    """Return the descriptor of the lock by which a daemon of 0.1 would hold the file, locked."""
    with _told(path):
        file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise StateError(f"{path}: another ewad uses this state file") from error
        return file


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into StateError that names the file."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        words = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise StateError(f"{path}: {words}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter of a damaged schema
        raise DamagedError(f"{path}: {error}") from error
