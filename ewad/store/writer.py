"""The thread that writes the state file: commits in groups, snapshots in between, trouble outlived."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ewad.engine import BlockKey
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store.file import Durability, GoneError, StateFile
from ewad.store.log import JournalEntry
from ewad.store.records import Change, CommitRecord, Manifest, encode

log = logging.getLogger("ewad.store")

LOOK_SECONDS = 1.0  # space that has come back, and a file that was deleted, are noticed within that


@dataclass(frozen=True, slots=True)
class Commit:
    """One record on its way to the disk. after: waits for what has to be written before it."""

    sequence: int
    change: Change
    refused: int
    answered: int
    pending: Acknowledgements
    after: Callable[[], None] = lambda: None

    def entry(self) -> JournalEntry:
        """Return what the journal holds of it."""
        record = CommitRecord.of(self.change, self.refused, self.answered, self.pending)
        return JournalEntry(self.sequence, record.samples, encode(record))


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that never come, the last of them `sequence`: only a snapshot after them mends that."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Begin:
    """The beginning of the snapshot `number`; whole: in a new file."""

    number: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Copied:
    """A block of the snapshot `number`."""

    number: int
    block: BlockKey
    data: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the snapshot `number`: of what stood after the record `sequence`, of these blocks."""

    number: int
    sequence: int
    manifest: Manifest
    blocks: Sequence[BlockKey]


@dataclass(frozen=True, slots=True)
class Abandon:
    """The snapshot `number` will not be copied to its end."""

    number: int


Piece = Begin | Copied | Finish | Abandon
Job = Commit | Gap | Piece


class Writer(threading.Thread):
    """Owns the open file. Its attributes may be read from anywhere.

    release: told of each record up to which all is kept, or let go.
    begun, finished, failed: the number of the last snapshot of which that is true.
    kept: the last record up to which the file has all; -1: it has nothing of this run's.
    appends: whether the next one may be of changed blocks only.  journal_bytes: added to the journal so far.
    taken_bytes: of blocks, so far, that are not in memory any more.
    log_bytes: of the present file.  file_bytes: of that and of the one before it, after the last snapshot.
    gap: the file lacks something that came before the waiting commits; only a snapshot mends that, and no
    record is added to the journal before. failing: what can't be written now, "journal" or "snapshot".
    closing: what fails from now on is told at the end, with what that costs.
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
    ) -> None:
        super().__init__(name="state", daemon=True)
        self.gap = not file.appends
        self.appends = file.appends
        self.failing: dict[str, str] = {}
        self.snapshot_time = 0.0
        self.begun = self.finished = self.failed = self.kept = 0
        self.closing = False
        self.journal_bytes = self.taken_bytes = 0
        self.log_bytes, self.file_bytes = file.length, file.size()
        self.working_since: float | None = None
        self.fault: BaseException | None = None
        self._path: Path = file.path
        self._file: StateFile | None = file
        self._durability: Durability = durability
        self._waits = on_disk_error == "wait" and durability != "off"
        self._release = release
        self._observe_seconds = observe_seconds
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._held: deque[Commit] = deque()  # not on the disk
        self._pieces: deque[Piece] = deque()
        self._lacking = 0  # the newest record that will never come
        self._told = ""  # what was said of what fails now
        self._ending = False

    # ---- called by the event loop

    def put(self, job: Job) -> None:
        """Write this, after all that was put before."""
        if isinstance(job, Begin):
            self.begun = job.number
        self._queue.put(job)

    @property
    def snapshot_pending(self) -> bool:
        """Whether the last snapshot that was begun is still being copied and written."""
        return self.begun > max(self.finished, self.failed)

    def end(self) -> None:
        """Write what has been put, close the file and end."""
        self._queue.put(None)

    def tell_end(self, sequence: int, *, owed: bool) -> None:
        """Log what of the records up to that one is not on the disk at the end, and what that costs.

        owed: whether some of them are not acknowledged.
        """
        complete = self.kept >= sequence
        if complete and not (self.failing or self.is_alive()):
            return
        if complete:
            cost = "nothing is lost: the journal has all, and the next start replays it"
        elif owed:
            cost = (
                "the last messages are neither kept nor acknowledged: "
                "the broker sends those of QoS 1 and 2 again, those of QoS 0 are lost"
            )
        else:
            cost = "what came since the last write is lost, though acknowledged"
        failures = "; ".join(dict.fromkeys(self.failing.values()))
        reason = failures or self.fault or f"{self._path}: not done in time"
        remedy = "; make room on the disk, or mend it, before the next start" if failures else ""
        log.warning('state not written at the end reason="%s": %s%s', reason, cost, remedy)

    # ---- the thread

    def run(self) -> None:
        """Write what is put until the end."""
        try:
            while not self._ending:
                self._receive(LOOK_SECONDS)
                self.working_since = time.monotonic()
                self._work()
                self.working_since = None
            self._attempt("journal", self._close)
        except BaseException as error:
            log.exception("state writer failed")
            self.fault = error

    def _work(self) -> None:
        """Write what there is; commits pass between two blocks of a snapshot."""
        if self._attempt("file", self._open):
            self._attempt("journal", self._append)
        while self._pieces:
            self.working_since = time.monotonic()
            self._write(self._pieces.popleft())
            self._receive_more()
            self._attempt("journal", self._append)

    def _receive(self, timeout: float) -> None:
        """Take over what has been put; wait for the first."""
        try:
            self._take(self._queue.get(timeout=timeout))
        except queue.Empty:
            return
        self._receive_more()

    def _receive_more(self) -> None:
        """Take over what has been put, up to the beginning of a snapshot: what comes later is not in it."""
        while not self._queue.empty() and not (self._pieces and isinstance(self._pieces[-1], Begin)):
            self._take(self._queue.get_nowait())

    def _take(self, job: Job | None) -> None:
        if job is None:
            self._ending = True
        elif isinstance(job, Gap):
            self._lacking = job.sequence
            self.gap = True
        elif isinstance(job, Commit):
            job.after()
            self._held.append(job)
        else:
            self._pieces.append(job)

    def _attempt(self, what: str, work: Callable[[], bool]) -> bool:
        """Do some work, which returns whether it has proved anything, and note what came of it.

        Return whether it could be done.
        """
        if self._file is None and what != "file":
            return False
        try:
            proved = work()
        except StateError as error:
            self._fail(what, error)
            return False
        if proved:
            self._mended(what)
        return True

    def _mended(self, what: str) -> None:
        if what not in self.failing:
            return
        del self.failing[what]
        if not self.failing:
            self._told = ""
            log.info("state is written again file=%s", self._path)

    def _fail(self, what: str, error: StateError) -> None:
        self.failing[what] = str(error)
        if isinstance(error, GoneError):
            self._abandon()
        if not (self._waits or what == "snapshot"):
            self.gap = True
            self._let_go()
        consequence = self._consequence
        if consequence != self._told and not self.closing:
            self._told = consequence
            log.warning('state not written reason="%s": %s', error, consequence)

    @property
    def _consequence(self) -> str:
        """What becomes of commits as long as what fails now does."""
        if self.failing.keys() == {"snapshot"} and not self.gap and self._durability != "off":
            return "the journal goes on"
        return "acknowledgements wait" if self._waits else "going on without"

    def _abandon(self) -> None:
        """Leave the file; the next one begins with a snapshot."""
        file, self._file = self._file, None
        self.gap, self.appends, self.kept = True, False, -1
        self.failed = self.begun  # its other pieces would come into another file
        if file is not None:
            file.close()

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
        self._check()
        return not self.gap  # else nothing is kept before a snapshot is complete

    def _check(self) -> None:
        if self._open_file.check():
            log.warning(
                "state file was deleted, and is written again with all that it had file=%s", self._path
            )

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
        self._check()
        self.journal_bytes += self._open_file.append([commit.entry() for commit in self._held])
        self.log_bytes = self._open_file.length
        self.kept = self._held[-1].sequence
        self._observe_seconds(time.perf_counter() - started)
        self._release_first(len(self._held))
        return True

    @property
    def _open_file(self) -> StateFile:
        assert self._file is not None  # noqa: S101 (_attempt sees to it)
        return self._file

    def _write(self, piece: Piece) -> None:
        """Write a piece of a snapshot, unless an earlier one could not be written."""
        if piece.number != self.failed and not self._written(piece):
            self.failed = piece.number
            if self._file is not None:
                self._file.abandon()
        if isinstance(piece, Copied):
            self.taken_bytes += len(piece.data)

    def _written(self, piece: Piece) -> bool:
        """Write it; return whether that could be done."""
        return not isinstance(piece, Abandon) and self._attempt("snapshot", partial(self._write_piece, piece))

    def _write_piece(self, piece: Begin | Copied | Finish) -> bool:
        """Write it; return whether a snapshot is complete with that."""
        file = self._open_file
        if isinstance(piece, Begin):
            file.begin_snapshot(whole=piece.whole)
        elif isinstance(piece, Copied):
            file.add_block(piece.block, piece.data)
        else:
            file.finish_snapshot(piece.sequence, piece.manifest, piece.blocks)
            self._covered(piece)
        return isinstance(piece, Finish)

    def _covered(self, snapshot: Finish) -> None:
        """Release the commits that a complete snapshot contains."""
        self.snapshot_time, self.finished, self.appends = snapshot.manifest.time, snapshot.number, True
        self.kept = max(self.kept, snapshot.sequence)
        self.log_bytes, self.file_bytes = self._open_file.length, self._open_file.size()
        self._release_first(sum(commit.sequence <= snapshot.sequence for commit in self._held))
        self.gap = snapshot.sequence < self._lacking
        if not self.gap:
            for what in ("file", "journal"):  # the snapshot has what they lack
                self._mended(what)
