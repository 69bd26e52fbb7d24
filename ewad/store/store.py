"""What the daemon does, kept on disk: the event loop's side of the state file."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ewad.config.settings import StateSettings
from ewad.engine import Batch, Engine, Forgotten
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.told import Told
from ewad.store.changes import Changes, Size
from ewad.store.place import hindrance
from ewad.store.records import Change, Head, Manifest, encode
from ewad.store.recovery import recover
from ewad.store.writer import Abandon, Begin, Commit, Copied, Finish, Gap, Writer

log = logging.getLogger("ewad.store")

# What a start after a crash may have to replay: so many samples, or what took so long to observe.
MOST_JOURNALLED_SAMPLES = 1_000_000
MOST_OBSERVED_SECONDS = 20.0
# Snapshots may write so many bytes for each byte of the journal since the last one. With the journal itself
# that is 7 times what has come in, whatever the state's size; a crash costs a longer replay in return.
SNAPSHOT_SHARE = 6
FILE_SHARE = 1.5  # of the state's bytes: a file that would grow larger is replaced by a new one
FILE_BYTES = 1 << 20  # that it may always have
COPY_SECONDS = 0.004  # of copying, after which the event loop has its turn
COPIED_BYTES = 8 << 20  # copies that may wait for the disk, or
COPIED_SHARE = 32  # this part of the state
WAIT_SECONDS = 0.01  # between looks at whether the disk has caught up
CLOSE_BYTES = 16 << 20  # a snapshot at the end writes no more: the journal has it all
RETRY_SECONDS = 5.0  # between snapshots that failed: each copies the whole state
# That wait for the disk while nobody waits for them (QoS 0): 20 to 30 MB, ten seconds of a fast broker. What
# comes beyond goes into the next snapshot instead of the journal.
MOST_WAITING_SAMPLES = 1 << 20
SLOW_SECONDS = 5.0  # a disk that takes longer for one piece of work is told of
CLOSE_SECONDS = 0.8  # for the last snapshot: a stop, with 1 s for the broker, has to be over within 2


class Store:
    """Keeps each commit, and a snapshot now and then.

    `engine`, `deliveries` and `told` are what was recovered.

    Raises StateError if the state file can't be used.
    """

    def __init__(
        self,
        settings: StateSettings,
        session: str,
        new_engine: Callable[[], Engine],
        observe_seconds: Callable[[float], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._session = session
        self._clock = clock
        path, durability = Path(settings.path), settings.durability
        if why := hindrance(path):
            raise StateError(f"state.path: {path}: {why}")
        file, recovered = recover(path, durability, session, new_engine, clock())
        self.engine = recovered.engine
        self.deliveries = recovered.deliveries.copy()  # the source's own
        self._recorded = recovered.deliveries
        self.told = recovered.told
        self._sequence = recovered.sequence
        self._moved = recovered.moved
        self._damaged = int(bool(recovered.damage))
        self._changes = recovered.changes
        self._journalled = recovered.samples  # since the last snapshot was begun
        self._observed = 0.0  # seconds
        self._journal_bytes = 0  # of the writer's, when that snapshot was begun
        # the last record of the last snapshot; -1: there is more than that
        self._kept_sequence = recovered.sequence if file.appends and not recovered.samples else -1
        self._expected_bytes = 0  # of the next snapshot, at the last look
        self._size: Size | None = None  # what that look has found, if the snapshot is due by it
        self._head_bytes = 0  # of the last one, beside its blocks
        self._put_bytes = 0  # of copies, so far
        self._most_copied = COPIED_BYTES
        self._snapshot = (0, 0.0, b"")  # the one that is being copied: its sequence, time and head
        self._slow = False
        # records not kept yet, with how many samples, and whom to tell
        self._waiting: deque[tuple[int, int, Callable[[], None]]] = deque()
        self._waiting_samples = 0
        self._left_out = 0  # the last record that only a snapshot will have; 0: none
        self._next_snapshot = 0.0  # on the event loop's clock
        self._fault: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer = Writer(file, durability, settings.on_disk_error, self._release, observe_seconds)
        self._writer.snapshot_time, self._writer.kept = recovered.snapshot_time, recovered.sequence

    def start(
        self,
        forgotten: Sequence[Forgotten] = (),
        moved: tuple[float, float] | None = None,
        told: Sequence[Told] = (),
    ) -> None:
        """Begin to write, in a thread; at first a snapshot, unless what was recovered goes on in its file.

        forgotten: what has left the engine since it was recovered.  moved, told: see Change; before that.
        """
        self._loop = asyncio.get_running_loop()
        self._next_snapshot = self._loop.time() + self._settings.snapshot_interval_seconds
        self._writer.start()
        if moved is not None:
            self.record(Change([], [], moved=moved, told=told), Acknowledgements(), lambda: None)
        if self._moved or forgotten:
            self.take_over(self.engine, forgotten)
        elif not self._writer.appends:
            self.snapshot()

    def take_over(
        self,
        engine: Engine,
        forgotten: Sequence[Forgotten],
        session: str | None = None,
        changes: Changes | None = None,
    ) -> list[Any]:
        """Go on with an engine of another configuration; at first a snapshot, which its journal is to follow.

        forgotten: what has left it since it was made of the old one.  session: None if it is the old one.
        changes: of the engine, nothing kept yet; made here if not given.  Returns what is to be freed.
        """
        self.engine = engine
        freed, self._changes = self._changes.let_go(), changes or Changes(engine)
        if session is not None:
            self._session = session
            self.deliveries, self._recorded = Deliveries(), Deliveries()
        names = [group.name for group in engine.groups]
        self.told.keep_only(names)
        self.record(Change([], [], forgotten, names), Acknowledgements(), lambda: None)
        self.snapshot(whole=True)
        return freed

    def touch(self, batch: Batch) -> None:
        """Note that the engine is about to observe a batch: what a snapshot needs of its rows is copied."""
        self._changes.touch(batch)

    def observed(self, seconds: float) -> None:
        """Note how long it took the engine to observe a batch: to replay it will take as long."""
        self._observed += seconds

    def record(
        self,
        change: Change,
        pending: Acknowledgements,
        done: Callable[[], None],
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep what has happened to the engine since the last call, and call done when it is kept.

        after: called by the writer's thread before: it waits for what has to be written earlier.

        Under on_disk_error "continue" it is also called when it can't be kept: then a later snapshot has it.
        """
        self._sequence += 1
        self._recorded.record(pending)
        self.told.note(change.told)
        samples = sum(map(len, change.batches))
        self._journalled += samples
        for each in change.forgotten:
            self._changes.forgot(each)
        if change.moved is not None:
            self._changes.all_changed()
        if self._settings.durability == "off" or self._without:
            done()
            return
        too_many = self._waiting_samples + samples > MOST_WAITING_SAMPLES
        if too_many and not (pending.number or change.forgotten):
            self._leave_out()
            done()
            return
        counts = self.engine.refused, self.engine.answered
        self._waiting.append((self._sequence, samples, done))
        self._waiting_samples += samples
        self._writer.put(Commit(self._sequence, change, *counts, pending, after))

    def _leave_out(self) -> None:
        """Keep the present record by the next snapshot only."""
        if not self._left_out:
            log.warning(
                'state not written reason="%d samples wait for the disk": '
                "what comes now is kept by the next snapshot, and a crash before that loses it",
                self._waiting_samples,
            )
        self._left_out = self._sequence
        self._writer.put(Gap(self._sequence))

    def snapshot_due(self) -> bool:
        """Whether it is time for a snapshot. Raises StateError if nothing can be written any more."""
        writer = self._writer
        if writer.fault is not None:
            raise StateError(f"{self._settings.path}: the writer failed: {writer.fault}") from writer.fault
        if self._fault is not None:
            raise self._fault
        self._watch()
        if self.copying or writer.snapshot_pending:
            return False
        now = self._event_loop.time()
        if writer.gap or self._left_out or "snapshot" in writer.failing:
            return now >= self._next_snapshot - self._settings.snapshot_interval_seconds + RETRY_SECONDS
        if self._sequence == self._kept_sequence:
            return False
        if self._journalled >= MOST_JOURNALLED_SAMPLES or self._observed >= MOST_OBSERVED_SECONDS:
            return True
        return now >= self._next_snapshot and self._pays()

    def _pays(self) -> bool:
        """Whether the journal has grown enough for what a snapshot would write now."""
        if self._settings.durability == "off":
            return True
        allowed = SNAPSHOT_SHARE * (self._writer.journal_bytes - self._journal_bytes)
        if allowed < self._expected_bytes:
            return False
        size = self._changes.size()
        self._expected_bytes = self._head_bytes + self._written(size)
        self._size = size if allowed >= self._expected_bytes else None
        return self._size is not None

    def _written(self, size: Size) -> int:
        return size.state if self._replaces(size) else size.changed

    def _replaces(self, size: Size) -> bool:
        """Whether a snapshot has to begin a new file."""
        if not self._writer.appends:
            return True
        return self._writer.log_bytes + size.changed > FILE_SHARE * size.state + FILE_BYTES

    @property
    def copying(self) -> bool:
        """Whether a snapshot is being copied: no stream may be forgotten, or move, until that is done."""
        return self._changes.copying

    @property
    def has_room(self) -> bool:
        """Whether memory has room for more copies: if not, samples should wait for the disk."""
        return not self.copying or self._put_bytes - self._writer.taken_bytes < 2 * self._most_copied

    def snapshot(self, *, whole: bool = False) -> None:
        """Begin a snapshot of what stands after all that has been recorded; the rest follows by itself.

        whole: in a new file, of everything; else if the file has become too large.
        """
        if self._writer.begun != self._writer.finished:  # it is being written, or has failed
            self._changes.abandon()
        size, self._size = self._size or self._changes.size(), None
        whole = whole or self._replaces(size)
        self._most_copied = max(COPIED_BYTES, size.state // COPIED_SHARE)
        self._journalled, self._observed = 0, 0.0
        self._journal_bytes = self._writer.journal_bytes
        self._expected_bytes = 0
        self._kept_sequence = self._sequence
        self._next_snapshot = self._event_loop.time() + self._settings.snapshot_interval_seconds
        head = encode(Head.of(self._session, self._recorded, self.told.entries()))
        self._snapshot = self._sequence, self._clock(), head
        number = self._writer.begun + 1
        self._writer.put(Begin(number, whole))
        self._changes.begin(lambda block, data: self._put(Copied(number, block, data)), whole=whole)
        self._event_loop.call_soon(self._copy, number)

    def _put(self, copied: Copied) -> None:
        self._put_bytes += len(copied.data)
        self._writer.put(copied)

    def _copy(self, number: int) -> None:
        """Copy for a turn; if that isn't all, again after the event loop's other work."""
        if number != self._writer.begun or not self.copying:  # another one has been begun
            return
        try:
            if self._writer.failed == number:
                self._changes.abandon()
                return
            if self._put_bytes - self._writer.taken_bytes >= self._most_copied:
                self._event_loop.call_later(WAIT_SECONDS, self._copy, number)
            elif self._copy_for(COPY_SECONDS):
                self._event_loop.call_soon(self._copy, number)
            else:
                self._finish(number)
        except Exception as fault:  # `snapshot_due` raises it where the daemon can hear it
            self._fault = fault

    def _copy_for(self, seconds: float) -> bool:
        """Copy blocks for so long; return whether there are more."""
        end = time.perf_counter() + seconds
        while self._changes.copy_next():
            if time.perf_counter() >= end:
                return True
        return False

    def _finish(self, number: int) -> None:
        header, blocks = self._changes.copied()
        sequence, now, head = self._snapshot
        self._head_bytes = len(head) + len(header)
        self._writer.put(Finish(number, sequence, Manifest(now, head, header, []), blocks))

    async def close(self) -> None:
        """Write a last snapshot, if it takes little time, and close the file; tell what it lacks then."""
        self._writer.closing = True
        end = self._event_loop.time() + CLOSE_SECONDS
        await self._copied(end)
        if self._sequence != self._kept_sequence and self._closes_with_snapshot():
            self.snapshot()
            await self._copied(end)
        self._writer.end()
        await asyncio.to_thread(self._writer.join, max(0.0, end - self._event_loop.time()))
        self._writer.tell_end(self._sequence, owed=bool(self._waiting))

    async def _copied(self, end: float) -> None:
        """Wait until no snapshot is being copied, or until that moment of the event loop's clock."""
        while self.copying and self._event_loop.time() < end:  # noqa: ASYNC110 (the loop itself copies)
            await asyncio.sleep(0.001)

    def _closes_with_snapshot(self) -> bool:
        """Whether the state needs a last snapshot, or one costs little and makes the next start quicker."""
        if self._settings.durability == "off" or self._writer.gap or self._left_out:
            return True
        if self._writer.snapshot_pending:
            return False
        return self._written(self._changes.size()) <= CLOSE_BYTES

    # ---- for the metrics

    @property
    def writable(self) -> bool:
        """Whether the last attempts to write succeeded, none takes long, and nothing is left out."""
        return not (self._writer.failing or self._slow or self._left_out)

    @property
    def snapshot_time(self) -> float:
        """When the newest complete snapshot of this run was made, Unix seconds; 0 before the first."""
        return self._writer.snapshot_time

    @property
    def file_bytes(self) -> int:
        """How large the file was after the last snapshot."""
        return self._writer.file_bytes

    @property
    def damaged(self) -> int:
        """How many damaged files have been found."""
        return self._damaged

    def _watch(self) -> None:
        """Tell once that the disk does not answer, and once that it does again."""
        since = self._writer.working_since
        slow = since is not None and time.monotonic() - since > SLOW_SECONDS
        if slow and not self._slow:
            self._slow = True
            consequence = "going on without" if self._without else "acknowledgements wait"
            log.warning('state not written reason="the disk does not answer": %s', consequence)
            if self.copying:  # its copies would stay in memory, and streams could not be forgotten
                self._changes.abandon()
                self._writer.put(Abandon(self._writer.begun))
            if self._without:
                self._kept(self._sequence)
        elif self._slow and not slow:
            if self._without:
                self._writer.put(Gap(self._sequence))
            self._slow = False
            log.info("state is written again file=%s", self._settings.path)
        if self._left_out and self._writer.kept >= self._left_out:
            self._left_out = 0
            log.info("state has all again that was left out file=%s", self._settings.path)

    @property
    def _without(self) -> bool:
        """Whether nothing is kept for now: memory stays bounded however long the disk takes."""
        return self._slow and self._settings.on_disk_error == "continue"

    @property
    def _event_loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None  # noqa: S101 (start sets it)
        return self._loop

    def _release(self, sequence: int) -> None:
        """Let the event loop hear, from the writer's thread, up to which record all is kept."""
        self._event_loop.call_soon_threadsafe(self._kept, sequence)

    def _kept(self, sequence: int) -> None:
        while self._waiting and self._waiting[0][0] <= sequence:
            _, samples, done = self._waiting.popleft()
            self._waiting_samples -= samples
            done()
