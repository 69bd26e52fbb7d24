"""What the daemon does, kept on disk: the event loop's side of the state file."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from ewad.config.settings import StateSettings
from ewad.engine import Buffer, Cut, Engine, Forgotten
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.store.records import Change
from ewad.store.recovery import recover
from ewad.store.writer import Commit, Gap, SnapshotOf, Writer

log = logging.getLogger("ewad.store")

# Replayed at 1 to 3 us a sample: a start after a crash takes a few seconds at most.
MOST_JOURNALLED_SAMPLES = 1_000_000
RETRY_SECONDS = 5.0  # between snapshots that failed: each copies the whole state
SLOW_SECONDS = 5.0  # a disk that takes longer for one piece of work is told of
CLOSE_SECONDS = 0.8  # for the last snapshot: a stop, with 1 s for the broker, has to be over within 2


class Store:
    """Keeps each commit, and a snapshot now and then. `engine` and `deliveries` are what was recovered.

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
        file, recovered = recover(path, durability, session, new_engine, clock())
        self.engine = recovered.engine
        self.deliveries = recovered.deliveries.copy()  # the source's own
        self._recorded = recovered.deliveries
        self._sequence = recovered.sequence
        self._moved = recovered.moved
        self._damaged = int(bool(recovered.damage))
        self._journalled = 0  # samples since the last snapshot was begun
        self._kept_sequence = -1  # of that snapshot
        self._slow = False
        self._waiting: deque[tuple[int, Callable[[], None]]] = (
            deque()
        )  # records not kept yet, and whom to tell
        self._buffer = Buffer()
        self._next_snapshot = 0.0  # on the event loop's clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer = Writer(file, durability, settings.on_disk_error, self._release, observe_seconds, clock)

    def start(self, forgotten: Sequence[Forgotten] = ()) -> None:
        """Begin to write, in a thread; at first a snapshot.

        forgotten: what has left the engine since it was recovered.
        """
        self._loop = asyncio.get_running_loop()
        self._writer.start()
        if self._moved or forgotten:
            self.take_over(self.engine, forgotten)
        else:
            self.snapshot(self.engine.cut())

    def take_over(self, engine: Engine, forgotten: Sequence[Forgotten], session: str | None = None) -> None:
        """Go on with an engine of another configuration; at first a snapshot, which its journal is to follow.

        forgotten: what has left it since it was made of the old one.  session: None if it is the old one.
        """
        self.engine = engine
        if session is not None:
            self._session = session
            self.deliveries, self._recorded = Deliveries(), Deliveries()
        names = [group.name for group in engine.groups]
        self.record(Change([], [], forgotten, names), Acknowledgements(), lambda: None)
        self.snapshot(engine.cut())

    def record(
        self,
        change: Change,
        notes: Acknowledgements,
        done: Callable[[], None],
    ) -> None:
        """Keep what has happened to the engine since the last call, and call done when it is kept.

        Under on_disk_error "continue" it is also called when it can't be kept: then a later snapshot has it.
        """
        self._sequence += 1
        self._recorded.record(notes)
        self._journalled += sum(map(len, change.batches))
        if self._settings.durability == "off" or self._without:
            done()
            return
        counts = self.engine.refused, self.engine.answered
        self._waiting.append((self._sequence, done))
        self._writer.put(Commit(self._sequence, change, *counts, notes))

    def snapshot_due(self) -> bool:
        """Whether it is time for a snapshot. Raises StateError if nothing can be written any more."""
        writer = self._writer
        if writer.fault is not None:
            raise StateError(f"{self._settings.path}: the writer failed: {writer.fault}") from writer.fault
        self._watch()
        if writer.snapshot_pending:
            return False
        now = self._event_loop.time()
        if writer.gap or "snapshot" in writer.failing:
            return now >= self._next_snapshot - self._settings.snapshot_interval_seconds + RETRY_SECONDS
        if self._sequence == self._kept_sequence:
            return False
        return now >= self._next_snapshot or self._journalled >= MOST_JOURNALLED_SAMPLES

    def snapshot(self, cut: Cut) -> None:
        """Write a snapshot of what stands after all that has been recorded, in the background."""
        self._journalled = 0
        self._kept_sequence = self._sequence
        self._next_snapshot = self._event_loop.time() + self._settings.snapshot_interval_seconds
        deliveries = self._recorded.copy()
        now = self._clock()
        buffer = Buffer() if self._writer.snapshot_pending else self._buffer  # not one that is being written
        self._writer.put(SnapshotOf(self._sequence, now, self._session, deliveries, cut.copy(buffer)))

    async def close(self) -> None:
        """Write a last snapshot, if there is time, and close the file."""
        if self._sequence != self._kept_sequence:
            self.snapshot(self.engine.cut())
        self._writer.end()
        await asyncio.to_thread(self._writer.join, CLOSE_SECONDS)
        if self._writer.is_alive():
            log.warning("state file not closed in time file=%s", self._settings.path)

    # ---- for the metrics

    @property
    def writable(self) -> bool:
        """Whether the last attempts to write succeeded, and none takes long."""
        return not self._writer.failing and not self._slow

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
        """How many damaged files have been set aside."""
        return self._damaged + self._writer.set_aside

    def _watch(self) -> None:
        """Tell once that the disk does not answer, and once that it does again."""
        since = self._writer.working_since
        slow = since is not None and time.monotonic() - since > SLOW_SECONDS
        if slow and not self._slow:
            self._slow = True
            consequence = "going on without" if self._without else "acknowledgements wait"
            log.warning('state not written reason="the disk does not answer": %s', consequence)
            if self._without:
                self._kept(self._sequence)
        elif self._slow and not slow:
            if self._without:
                self._writer.put(Gap(self._sequence))
            self._slow = False
            log.info("state is written again file=%s", self._settings.path)

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
            self._waiting.popleft()[1]()
