"""The state file: a journal and snapshots in one file that is only ever added to, and then replaced whole.

A snapshot is a set of blocks, each the newest of its kind in the file, and a manifest that names them. It and
the journal after its sequence are one state. When a file has grown too large, the next snapshot begins a new
one; the old file stays beside it as `.previous` until the one after: should a block be damaged, the state is
that of the elder file, and its journal and the newer one's are without a gap.

Whoever writes holds a lock on the file itself, whatever its names are.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ewad.engine import BlockKey
from ewad.errors import StateError
from ewad.store import frames
from ewad.store.log import JournalEntry, Kept, OtherWriterError
from ewad.store.records import Manifest, encode

Durability = Literal["power", "process", "off"]

COPIED = 1 << 20  # bytes from one file into another at a time
NOBODY = bytes(16)  # the identity of no file
SQLITE_SUFFIXES = ("-wal", "-shm")  # of what belongs to a file of ewad 0.1


class GoneError(StateError):
    """The file was deleted or replaced underneath."""


class StateFile:
    """The file that a daemon writes. Every method may raise StateError, and then what was kept is kept.

    It begins as it is found, or empty. Nothing can be added before `resume` tells where the blocks of its
    newest snapshot stand, or a snapshot in a new file has taken its place.
    """

    def __init__(self, path: Path, durability: Durability = "power") -> None:
        with told(path):
            self.path = path.resolve()
        self._durability = durability
        self._locks: list[int] = []
        self._file = _locked(self.path)
        self._blocks: dict[BlockKey, Kept] | None = None
        self._added: dict[BlockKey, Kept] = {}  # of the snapshot that has been begun
        self._end = 0
        self._torn = False  # whether something unfinished may stand behind the end
        self._set_aside: Path | None = None
        self._new: _New | None = None
        try:
            self._identity = self._read_identity()
            self._discard_unfinished()
        except BaseException:
            self.close()
            raise

    def _read_identity(self) -> bytes:
        with told(self.path):
            header = frames.Header.decode(os.pread(self._file, frames.HEADER_BYTES, 0))
        return header.identity if header is not None else NOBODY

    def _discard_unfinished(self) -> None:
        """Delete what snapshots that were cut off have left."""
        with told(self.path):
            for each in self.path.parent.glob(f"{self.path.name}.*.new"):
                each.unlink()

    def close(self) -> None:
        """Close it, and let others have it."""
        self.abandon()
        for each in (self._file, *self._locks):
            os.close(each)

    def hold(self, lock: int) -> None:
        """Keep another lock, a descriptor, as long as the file is open."""
        self._locks.append(lock)

    def set_aside(self, now: float) -> Path:
        """Let the file, which is damaged, have another name once a new one is complete; return that name."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        self._set_aside = self.path.with_name(f"{self.path.name}.damaged-{moment}")
        return self._set_aside

    # ---- writing

    @property
    def appends(self) -> bool:
        """Whether records and changed blocks can be added, or a snapshot in a new file has to come first."""
        return self._blocks is not None

    def resume(self, blocks: Mapping[BlockKey, Kept], end: int) -> None:
        """Go on behind the byte `end`; blocks: of the newest snapshot."""
        self._blocks, self._end, self._torn = dict(blocks), end, True

    def check(self) -> bool:
        """Raise GoneError if the file was replaced: nobody would read what is written then.

        One that was deleted is written again from what is open still, so that it has all that was kept;
        return whether it was. Where there is no snapshot in it, GoneError is raised for that too.
        """
        there = _inode(self.path)
        if there == _inode(self._file):
            return False
        if there is not None or self._blocks is None:
            raise GoneError(f"{self.path}: the file was deleted or replaced")
        with told(self.path):
            self._write_again()
        return True

    def _write_again(self) -> None:
        """Give the deleted file its name again, by a copy of what counts: blocks stand where they stood."""
        header = frames.Header.decode(os.pread(self._file, frames.HEADER_BYTES, 0))
        assert header is not None  # noqa: S101 (a file that blocks stand in was read or made by this process)
        again = _New(self.path, header, "again")
        try:
            again.tail = again.end
            again.copy_from(self._file, self._end)
            free = _place(again, self.path)
        except BaseException:
            again.discard()
            raise
        if not free:
            os.close(again.file)
            raise GoneError(f"{self.path}: the file was deleted or replaced")
        self._let_go_of_file(named=os.fstat(self._file).st_nlink > 0)
        self._file, self._torn = again.file, False

    def _let_go_of_file(self, *, named: bool) -> None:
        """Close the file that another takes the place of; if it has another name, keep it locked."""
        if named:  # by which another daemon might come
            self._locks.append(self._file)
        else:
            os.close(self._file)

    def append(self, entries: Sequence[JournalEntry]) -> int:
        """Add records to the journal, all or none; return the bytes that they take."""
        data = b"".join(
            frames.encode(frames.JOURNAL, entry.record, entry.samples, entry.sequence) for entry in entries
        )
        with told(self.path):
            self._write(data)
            if self._durability == "power":
                os.fdatasync(self._file)
            self._advance(len(data))
        return len(data)

    def begin_snapshot(self, *, whole: bool) -> None:
        """Begin a snapshot. whole: in a new file, of all blocks; else of those that are added to this one."""
        self.abandon()
        if not whole:
            if self._blocks is None:
                raise StateError(f"{self.path}: expected a whole snapshot in a new file")
            self._added = dict(self._blocks)
            return
        with told(self.path):
            if self.appends:  # else the elder file may be needed still
                previous(self.path).unlink(missing_ok=True)
            self._new = _New(self.path, _next_header(self._identity))
            self._new.tail = self._end

    def add_block(self, block: BlockKey, data: bytes) -> None:
        """Add a block to the snapshot."""
        frame, checksum = frames.encode(frames.BLOCK, data), frames.checksum_of(data)
        with told(self.path):
            if self._new is not None:
                self._new.add_block(block, frame, checksum)
                return
            self._write(frame)
            self._added[block] = Kept(self._end, checksum)
            self._advance(len(frame))

    def finish_snapshot(self, sequence: int, manifest: Manifest, blocks: Sequence[BlockKey]) -> None:
        """Complete the snapshot of what stood after that record; manifest: but for its blocks."""
        found = self._added if self._new is None else self._new.blocks
        manifest = msgspec.structs.replace(manifest, blocks=[(*block, *found[block]) for block in blocks])
        frame = frames.encode(frames.SNAPSHOT, encode(manifest), 0, sequence)
        with told(self.path):
            if self._new is None:
                os.fdatasync(self._file)  # the blocks first: a manifest stands for them
                self._write(frame)
                os.fdatasync(self._file)
                self._advance(len(frame))
            else:
                self._new.write(frame)
                self._take_over(self._new)
        self._blocks = {block: found[block] for block in blocks}

    def abandon(self) -> None:
        """Give up the snapshot that has been begun, if there is one."""
        self._added = {}
        if self._new is not None:
            self._new.discard()
            self._new = None

    def _write(self, data: bytes) -> None:
        """Write at the end, over what an attempt that failed has left there. `_advance` makes it count."""
        size = os.fstat(self._file).st_size
        if size != self._end and not self._torn:
            raise OtherWriterError(
                f"{self.path}: expected {self._end:,} bytes, got {size:,}: another program writes this file"
            )
        if size > self._end:
            os.ftruncate(self._file, self._end)
        self._torn = True
        write_all(self._file, data, self._end)

    def _advance(self, length: int) -> None:
        self._end += length
        self._torn = False

    def _take_over(self, new: _New) -> None:
        """Let a new file, complete but for the journal's latest records, take the place of this one."""
        if self._blocks is not None:
            new.copy_from(self._file, self._end)
        os.fsync(new.file)
        self.check()
        kept = self._set_aside or previous(self.path)
        old = os.fstat(self._file)
        worth_keeping = old.st_size > frames.HEADER_BYTES or self._set_aside is not None
        for suffix in ("", *SQLITE_SUFFIXES) if worth_keeping else ():
            Path(f"{kept}{suffix}").unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                _keep(Path(f"{self.path}{suffix}"), Path(f"{kept}{suffix}"))
        new.name.rename(self.path)
        for suffix in SQLITE_SUFFIXES:
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        sync_directory(self.path)
        self._let_go_of_file(named=old.st_nlink > 1)
        self._file, self._identity, self._end = new.file, new.header.identity, new.end
        self._new, self._set_aside, self._torn = None, None, False

    @property
    def length(self) -> int:
        """The bytes of the file that count."""
        return self._end

    def size(self) -> int:
        """Return the bytes of the file and of the one before it."""
        sizes = [os.fstat(self._file).st_size]
        with contextlib.suppress(FileNotFoundError):
            sizes.append(previous(self.path).stat().st_size)
        return sum(sizes)


def _keep(path: Path, name: Path) -> None:
    """Let a file have another name too; on a file system without hard links, a copy of it."""
    try:
        os.link(path, name)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, name)


class _New:
    """A file that is to take the place of another; nothing of it counts before."""

    def __init__(self, path: Path, header: frames.Header, mark: str = "") -> None:
        """mark: a part of its name, where there may be another one."""
        self.name = path.with_name(f"{path.name}.{os.getpid()}{mark}.new")
        self.header = header
        self.blocks: dict[BlockKey, Kept] = {}
        self.tail = 0  # from where on the journal of the other file is not in the snapshot
        self.end = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self.file = os.open(self.name, flags, 0o600)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.write(self.header.encode())
        except BaseException:
            self.discard()
            raise

    def write(self, data: bytes) -> None:
        write_all(self.file, data, self.end)
        self.end += len(data)

    def add_block(self, block: BlockKey, frame: bytes, checksum: int) -> None:
        self.blocks[block] = Kept(self.end, checksum)
        self.write(frame)

    def copy_from(self, file: int, end: int) -> None:
        """Add what the other file has got since this one was begun: records of the journal."""
        while self.tail < end:
            data = os.pread(file, min(COPIED, end - self.tail), self.tail)
            self.write(data)
            self.tail += len(data)

    def discard(self) -> None:
        os.close(self.file)
        self.name.unlink(missing_ok=True)


def previous(path: Path) -> Path:
    """Return the name of the file that this one has taken over from."""
    return path.with_name(f"{path.name}.previous")


def write_all(file: int, data: bytes, at: int) -> None:
    """Write all of it at that place."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written


def sync_directory(path: Path) -> None:
    """Let the names in the directory of a file be on the disk."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class told:  # noqa: N801 (a context manager, used like a function; contextlib's would cost more than a commit)
    """Turns what the system raises into StateError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            raise StateError(f"{self._path}: {error.strerror or error}") from error


def _locked(path: Path) -> int:
    """Return the descriptor of the file, locked as long as the process lives; make one if there is none."""
    with told(path):
        while True:
            try:
                file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                file = _made(path)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise StateError(f"{path}: expected a file")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(file)
                raise StateError(f"{path}: another ewad uses this state file") from error
            if _inode(path) == _inode(file):
                return file
            os.close(file)  # it was replaced meanwhile


def _made(path: Path) -> int:
    """Make a file of a header only, whole or not at all, that nobody else may read; return its descriptor."""
    new = _New(path, _next_header(NOBODY))
    _place(new, path)  # if another daemon was quicker, that is seen by the caller
    return new.file


def _next_header(former: bytes) -> frames.Header:
    """Return the header of a file after the one of that identity."""
    return frames.Header(frames.VERSION, 0, secrets.token_bytes(16), former)


def _place(new: _New, path: Path) -> bool:
    """Give a new file its place, on the disk when this returns; return False if there is another one."""
    os.fsync(new.file)
    try:
        os.link(new.name, path)
        new.name.unlink()
    except FileExistsError:
        new.name.unlink()
        return False
    except OSError as error:  # a file system without hard links
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        new.name.rename(path)
    sync_directory(path)
    return True


def _inode(file: Path | int) -> tuple[int, int] | None:
    try:
        found = os.fstat(file) if isinstance(file, int) else file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
