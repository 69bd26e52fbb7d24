"""The state file: an SQLite database of a journal and of snapshots in pieces, each with a checksum.

journal    sequence, samples, record (records.Record), checksum
snapshot   id, sequence: of the last journal record in it, time, pieces: how many, NULL until it is complete
piece      snapshot, number, data, checksum: piece 0 is a records.Head, the others are an engine's dump

A snapshot and the journal after its sequence are one state. Two complete snapshots are kept, and the journal
since the elder: should the newer one be damaged, nothing is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

from ewad.errors import StateError

Durability = Literal["power", "process", "off"]

APPLICATION_ID = 0x45574144  # "EWAD"
VERSION = 1
KEPT_SNAPSHOTS = 2
CUT_RECORDS = 2000  # of the journal, deleted at a time: commits don't wait for more
PRAGMAS = ("journal_mode = WAL", "journal_size_limit = 67108864", "temp_store = MEMORY")
# FULL: each commit is on the disk when it returns. NORMAL: it is with the operating system; the file stays
# whole after a loss of power, without its last commits.
SYNCHRONOUS: dict[Durability, str] = {"power": "FULL", "process": "NORMAL", "off": "NORMAL"}
SCHEMA = """
CREATE TABLE journal (
    sequence INTEGER PRIMARY KEY, samples INTEGER NOT NULL, record BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE snapshot (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, time REAL NOT NULL, pieces INTEGER);
CREATE TABLE piece (
    snapshot INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (snapshot, number)
);
"""


class Entry(NamedTuple):
    """One record of the journal, encoded."""

    sequence: int
    samples: int
    record: bytes


class Snapshot(NamedTuple):
    """A complete snapshot: what it contains, when it was made (Unix seconds), how many pieces it has."""

    id: int
    sequence: int
    time: float
    pieces: int


class DamagedError(StateError):
    """What the file holds is not what was written."""


class GoneError(StateError):
    """The file was deleted or replaced underneath."""


class NewerError(StateError):
    """The file was made by a later version of ewad."""


class StateFile:
    """One open state file. Every method may raise StateError, or DamagedError, and then has changed nothing.

    write: hold the file against other daemons, and make it if need be; else only read.
    """

    def __init__(self, path: Path, durability: Durability = "power", *, write: bool = True) -> None:
        self.path = path
        self._lock = _locked(path) if write else None
        try:
            self._database = self._opened(durability, write)
        except BaseException:
            self._unlock()
            raise
        self._identity = self._files()

    def _opened(self, durability: Durability, write: bool) -> sqlite3.Connection:
        if write:
            _make(self.path)
        with _told(self.path):
            mode = "rw" if write else "ro"
            database = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True, isolation_level=None, check_same_thread=False,
            )  # fmt: skip
            try:
                self._prepare(database, durability, write)
            except BaseException:
                database.close()
                raise
            return database

    def _prepare(self, database: sqlite3.Connection, durability: Durability, write: bool) -> None:
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != APPLICATION_ID:
            raise StateError(f"{self.path}: expected a state file of ewad, got another SQLite database")
        if version > VERSION:
            raise NewerError(
                f"{self.path}: made by a newer ewad: version {version}, this one reads up to {VERSION}"
            )
        if not write:
            return
        for pragma in (*PRAGMAS, f"synchronous = {SYNCHRONOUS[durability]}"):
            database.execute(f"PRAGMA {pragma}")
        if not tables:
            set_up = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
            database.executescript(f"BEGIN; {SCHEMA} {set_up} COMMIT;")

    def close(self) -> None:
        """Close it; what has been committed is in the one file then."""
        with _told(self.path):
            self._database.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # ---- writing

    def check(self) -> None:
        """Raise GoneError if the file was deleted or replaced: what SQLite writes then, nobody will read."""
        found = self._files()
        if any(old not in (None, new) for old, new in zip(self._identity, found, strict=True)):
            raise GoneError(f"{self.path}: the file was deleted or replaced")
        self._identity = found

    def append(self, entries: Sequence[Entry]) -> None:
        """Add records to the journal, all or none."""
        rows = [(*entry, crc32(entry.record)) for entry in entries]
        self._commit(("INSERT INTO journal VALUES (?, ?, ?, ?)", rows))

    def begin_snapshot(self, sequence: int, now: float) -> int:
        """Begin a snapshot of what stood after that record of the journal; return its id."""
        unfinished = "(SELECT id FROM snapshot WHERE pieces IS NULL)"
        self._commit(
            (f"DELETE FROM piece WHERE snapshot IN {unfinished}", [()]),  # noqa: S608 (a constant)
            ("DELETE FROM snapshot WHERE pieces IS NULL", [()]),
        )
        with _told(self.path):
            (last,) = self._database.execute("SELECT coalesce(max(id), 0) FROM snapshot").fetchone()
        self._commit(("INSERT INTO snapshot VALUES (?, ?, ?, NULL)", [(last + 1, sequence, now)]))
        return int(last) + 1

    def add_piece(self, snapshot: int, number: int, data: bytes) -> None:
        """Add a piece to a snapshot."""
        self._commit(("INSERT INTO piece VALUES (?, ?, ?, ?)", [(snapshot, number, data, crc32(data))]))

    def finish_snapshot(self, snapshot: int, pieces: int) -> None:
        """Let a snapshot be complete."""
        self._commit(("UPDATE snapshot SET pieces = ? WHERE id = ?", [(pieces, snapshot)]))

    def cut(self) -> bool:
        """Delete some of what is older than the kept snapshots; return whether there may be more."""
        snapshots = self.snapshots()
        if len(snapshots) <= 1:
            return False
        oldest = snapshots[:KEPT_SNAPSHOTS][-1]
        first = "(SELECT coalesce(min(sequence), 0) FROM journal)"
        last = f"min(?, {first} + {CUT_RECORDS})"
        self._commit(
            ("DELETE FROM piece WHERE snapshot < ?", [(oldest.id,)]),
            ("DELETE FROM snapshot WHERE id < ?", [(oldest.id,)]),
            (f"DELETE FROM journal WHERE sequence <= {last}", [(oldest.sequence,)]),  # noqa: S608
        )
        with _told(self.path):
            (left,) = self._database.execute(
                "SELECT count(*) FROM (SELECT 1 FROM journal WHERE sequence <= ? LIMIT 1)", (oldest.sequence,)
            ).fetchone()
        return bool(left)

    def _commit(self, *statements: tuple[str, Sequence[tuple[object, ...]]]) -> None:
        with _told(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for statement, rows in statements:
                    self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    # ---- reading

    def snapshots(self) -> list[Snapshot]:
        """Return the complete snapshots, newest first."""
        query = "SELECT id, sequence, time, pieces FROM snapshot WHERE pieces IS NOT NULL ORDER BY id DESC"
        with _told(self.path):
            return [Snapshot(*row) for row in self._database.execute(query)]

    def pieces(self, snapshot: Snapshot) -> Iterator[bytes]:
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

    def journal(self, after: int) -> Iterator[Entry]:
        """Yield the records after a sequence number, in order."""
        query = "SELECT sequence, samples, record, checksum FROM journal WHERE sequence > ? ORDER BY sequence"
        with _told(self.path):
            for sequence, samples, record, checksum in self._database.execute(query, (after,)):
                after += 1
                if sequence != after or not isinstance(record, bytes) or crc32(record) != checksum:
                    raise DamagedError(f"{self.path}: journal: record {after} is damaged or missing")
                yield Entry(sequence, samples, record)

    def last_sequence(self) -> int:
        """Return the highest sequence number in the file, 0 in an empty one."""
        query = """SELECT max(coalesce((SELECT max(sequence) FROM journal), 0),
                   coalesce((SELECT max(sequence) FROM snapshot), 0))"""
        with _told(self.path):
            return int(self._database.execute(query).fetchone()[0])

    def journalled(self) -> tuple[int, int]:
        """Return the number of records and of samples in the journal."""
        with _told(self.path):
            records, samples = self._database.execute(
                "SELECT count(*), coalesce(sum(samples), 0) FROM journal"
            ).fetchone()
            return int(records), int(samples)

    def size(self) -> int:
        """Return the bytes of the file and its write-ahead log."""
        return sum(path.stat().st_size for path in (self.path, _wal(self.path)) if path.exists())

    def back_up(self, target: Path) -> None:
        """Copy all into a new file, as private as this one, while others write."""
        with _told(target):
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            try:
                self._database.execute("VACUUM INTO ?", (str(target),))
            except BaseException:
                target.unlink()
                raise

    def _files(self) -> list[tuple[int, int] | None]:
        return [_inode(path) for path in (self.path, _wal(self.path))]


class _told:  # noqa: N801 (a context manager, used like a function; contextlib's would cost more than a commit)
    """Turns what SQLite and the system raise into StateError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.OperationalError | OSError):
            raise StateError(f"{self._path}: {_words(error)}") from error
        if isinstance(error, sqlite3.DatabaseError | UnicodeDecodeError):  # the latter of a damaged schema
            raise DamagedError(f"{self._path}: {error}") from error


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def set_aside(path: Path, now: float) -> Path:
    """Give a closed, damaged file another name, and return that."""
    with _told(path):
        moved = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}")
        for suffix in ("-wal", ""):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{moved}{suffix}")
        Path(f"{path}-shm").unlink(missing_ok=True)
        return moved


def _locked(path: Path) -> int:
    """Return the descriptor of a lock file beside path, locked. The lock ends with the process."""
    with _told(path):
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise StateError(f"{path}: another ewad uses this state file") from error
        return descriptor


def _make(path: Path) -> None:
    """Make an empty file that nobody else may read, if there is none; SQLite's others take over its mode."""
    with _told(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not stat.S_ISREG(path.stat().st_mode):
            raise StateError(f"{path}: expected a file")


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
