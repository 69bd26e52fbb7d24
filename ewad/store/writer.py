"""The thread that writes the state file: commits in groups, snapshots in between, trouble outlived."""

from __future__ import annotations

import io
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ewad.engine import Cut
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.store.file import DamagedError, Durability, Entry, GoneError, StateFile, set_aside
from ewad.store.records import Change, Head, Record, encode

log = logging.getLogger("ewad.store")

PIECE_BYTES = 1 << 20  # of a snapshot, written at a time: some ms, for which commits wait
RETRY_SECONDS = 1.0  # space that has come back is noticed within that


@dataclass(frozen=True, slots=True)
class Commit:
    """One record on its way to the disk."""

    sequence: int
    change: Change
    refused: int
    answered: int
    notes: Acknowledgements

    def entry(self) -> Entry:
        """Return what the journal holds of it."""
        record = Record.of(self.change, self.refused, self.answered, self.notes)
        return Entry(self.sequence, record.samples, encode(record))


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that never come, the last of them `sequence`: only a snapshot after them mends that."""

    sequence: int


@dataclass(frozen=True, slots=True)
class SnapshotOf:
    """The state after the record `sequence`, at `time` (Unix seconds), to be written."""

    sequence: int
    time: float
    session: str
    deliveries: Deliveries
    cut: Cut


Job = Commit | SnapshotOf | Gap


class Writer(threading.Thread):
    """Owns the open file. Its attributes may be read from anywhere.

    release: told of each record up to which all is kept, or let go.
    gap: the file lacks something that came before the waiting commits; only a snapshot mends that, and no
    record is added to the journal before. failing: what can't be written now, "journal" or "snapshot".
    working_since: when its present piece of work began, on time.monotonic; None: it waits for some.
    fault: what ended the thread, None if nothing did.
    """

    def __init__(
        self,
        file: StateFile,
        durability: Durability,
        on_disk_error: Literal["wait", "continue"],
        release: Callable[[int], None],
        observe_seconds: Callable[[float], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name="state", daemon=True)
        self.gap = True
        self.failing: dict[str, str] = {}
        self.snapshot_pending = False
        self.snapshot_time = 0.0
        self.file_bytes = file.size()
        self.set_aside = 0
        self.working_since: float | None = None
        self.fault: BaseException | None = None
        self._path: Path = file.path
        self._file: StateFile | None = file
        self._durability: Durability = durability
        self._waits = on_disk_error == "wait"
        self._release = release
        self._observe_seconds = observe_seconds
        self._clock = clock
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._held: deque[Commit] = deque()  # not on the disk
        self._lacking = 0  # the newest record that will never come
        self._snapshot: SnapshotOf | None = None
        self._ending = False

    # ---- called by the event loop

    def put(self, job: Job) -> None:
        """Write this, after all that was put before."""
        if isinstance(job, SnapshotOf):
            self.snapshot_pending = True
        self._queue.put(job)

    def end(self) -> None:
        """Write what has been put, close the file and end."""
        self._queue.put(None)

    # ---- the thread

    def run(self) -> None:
        """Write what is put until the end."""
        try:
            while not self._ending:
                self._receive(RETRY_SECONDS if self.failing else None)
                self.working_since = time.monotonic()
                self._work()
                self.working_since = None
            if self._snapshot is not None:  # put while another one was being written
                self._work()
            self._attempt("journal", self._close)
        except BaseException as error:
            log.exception("state writer failed")
            self.fault = error

    def _work(self) -> None:
        """Write what there is."""
        self._attempt("file", self._open)
        if self._snapshot is not None:
            self._attempt("snapshot", self._write_snapshot)
        self._attempt("journal", self._append)

    def _receive(self, timeout: float | None) -> None:
        """Take over what has been put; wait for the first."""
        try:
            self._take(self._queue.get(timeout=timeout))
        except queue.Empty:
            return
        self._receive_more()

    def _receive_more(self) -> None:
        while not self._queue.empty():
            self._take(self._queue.get_nowait())

    def _take(self, job: Job | None) -> None:
        if job is None:
            self._ending = True
        elif isinstance(job, SnapshotOf):
            self._snapshot = job
        elif isinstance(job, Gap):
            self._lacking = job.sequence
            self.gap = True
        else:
            self._held.append(job)

    def _attempt(self, what: str, work: Callable[[], bool]) -> None:
        """Do some work, which returns whether it has proved anything, and note what came of it."""
        if self._file is None and what != "file":
            return
        try:
            proved = work()
        except StateError as error:
            self._fail(what, error)
            return
        if proved:
            self._mended(what)

    def _mended(self, what: str) -> None:
        if what not in self.failing:
            return
        del self.failing[what]
        if not self.failing:
            log.info("state is written again file=%s", self._path)

    def _fail(self, what: str, error: StateError) -> None:
        if not self.failing:
            consequence = "acknowledgements wait" if self._waits else "going on without"
            log.warning('state not written reason="%s": %s', error, consequence)
        self.failing[what] = str(error)
        if what == "snapshot" or not self._waits:
            self._drop_snapshot()
        if isinstance(error, DamagedError | GoneError):
            self._abandon(isinstance(error, DamagedError))
        if not self._waits:
            self.gap = True
            self._let_go()

    def _drop_snapshot(self) -> None:
        self._snapshot = None
        self.snapshot_pending = False

    def _abandon(self, damaged: bool) -> None:
        """Leave the file; the next one begins with a snapshot."""
        file, self._file = self._file, None
        self.gap = True
        if file is not None:
            file.close()
        if damaged:
            self.set_aside += 1
            moved = set_aside(self._path, self._clock())
            log.warning("state damaged file=%s set_aside=%s", self._path, moved)

    def _let_go(self) -> None:
        """Release what is held, though it is nowhere; the next snapshot will contain it."""
        self._release_first(len(self._held))

    def _release_first(self, n: int) -> None:
        """Release the oldest n of what is held."""
        for left in range(n, 0, -1):
            commit = self._held.popleft()
            if left == 1:
                self._release(commit.sequence)

    def _open(self) -> bool:
        if self._file is None:
            self._file = StateFile(self._path, self._durability)
        self._file.check()
        return True

    def _close(self) -> bool:
        self._open_file.close()
        return True

    def _append(self) -> bool:
        """Add what is held to the journal; return whether that was anything."""
        if self.gap:
            if self.failing and not self._waits:
                self._let_go()
            return False
        if not self._held:
            return False
        started = time.perf_counter()
        self._open_file.append([commit.entry() for commit in self._held])
        self._observe_seconds(time.perf_counter() - started)
        self._release_first(len(self._held))
        return True

    @property
    def _open_file(self) -> StateFile:
        assert self._file is not None  # noqa: S101 (_attempt sees to it)
        return self._file

    def _write_snapshot(self) -> bool:
        snapshot, file = self._snapshot, self._open_file
        assert snapshot is not None  # noqa: S101 (run sees to it)
        number = file.begin_snapshot(snapshot.sequence, snapshot.time)
        pieces = _Pieces(file, number, self._between)
        pieces.write(encode(Head.of(snapshot.session, snapshot.deliveries)))
        pieces.end()
        snapshot.cut.write(pieces)
        pieces.end()
        file.finish_snapshot(number, pieces.number)
        self._covered(snapshot)
        if self._snapshot is snapshot:  # else a newer one waits
            self._drop_snapshot()
        while file.cut():
            self._between()
        self.file_bytes = file.size()
        return True

    def _covered(self, snapshot: SnapshotOf) -> None:
        """Release the commits that a complete snapshot contains."""
        self.snapshot_time = snapshot.time
        self._release_first(sum(commit.sequence <= snapshot.sequence for commit in self._held))
        self.gap = snapshot.sequence < self._lacking
        if not self.gap:
            self._mended("journal")  # the snapshot has what that lacks

    def _between(self) -> None:
        """Let commits pass between two pieces of a snapshot."""
        self.working_since = time.monotonic()
        self._receive_more()
        if not self.gap:
            self._open_file.check()
            self._append()


class _Pieces(io.RawIOBase):
    """A file that is written forwards, as the pieces of a snapshot."""

    def __init__(self, file: StateFile, snapshot: int, between: Callable[[], None]) -> None:
        super().__init__()
        self.number = 0
        self._file = file
        self._snapshot = snapshot
        self._between = between
        self._waiting: list[memoryview] = []
        self._size = 0

    def writable(self) -> bool:
        """Return True: it is made to be written."""
        return True

    def write(self, data: Any) -> int:
        """Take more bytes."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), PIECE_BYTES):
            piece = view[start : start + PIECE_BYTES]
            self._waiting.append(piece)
            self._size += len(piece)
            if self._size >= PIECE_BYTES:
                self.end()
        return len(view)

    def end(self) -> None:
        """Write what waits as one piece."""
        if self._size:
            self._file.add_piece(self._snapshot, self.number, b"".join(self._waiting))
            self.number += 1
            self._waiting.clear()
            self._size = 0
            self._between()
