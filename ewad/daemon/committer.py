"""Between source and engine: what a source hands over is observed in short pieces, recorded, acknowledged."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ewad.daemon.clock import ArrivalClock
from ewad.daemon.forgetting import Forgetting
from ewad.engine import Batch, Engine, Forgotten, Results
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.plain import BulkWay
from ewad.ingest.told import move_totals, take_told
from ewad.kernels import COMPILED
from ewad.outputs.running import Sinks
from ewad.store.records import Change
from ewad.store.store import Store

log = logging.getLogger("ewad.daemon")

FIRST_PIECE = 128  # samples: 40 ms at the 300 us a sample of a large network that learns from each
LARGEST_PIECE = 1 << 16
PIECE_SECONDS = 0.010  # aimed at; what it takes beyond is the error of the aim
TURN_SECONDS = 0.020  # of observing, after which the event loop has its turn
COPIED_PIECE = 8  # samples, while a snapshot is being copied: each may have 0.8 ms of copies made first
REST_SECONDS = 0.01  # between looks at whether a snapshot has been copied


def _nothing() -> None:
    """Wait for nothing."""


# of the event loop's CPU, commits may take where a sink passes results on: with more to do they gather longer
SHARE = 0.1


@dataclass(slots=True)
class _Job:
    """One commit that is being observed. cpu_seconds: what it has cost the event loop so far."""

    pending: Acknowledgements
    done: Callable[[], None]
    batches: list[Batch] = field(default_factory=list)
    cpu_seconds: float = 0.0


class Committer:
    """A Consumer. Large commits are observed in pieces of some 10 ms, with the event loop's turns between.

    How a commit is cut changes nothing (chunk invariance); the journal has the batches as they were observed.
    While it is `resting` nothing is observed: what comes then waits for its end.
    """

    def __init__(
        self,
        engine: Engine,
        intake: Intake,
        store: Store | None,
        observe_seconds: Callable[[float], None],
        observed: Callable[[Engine, Batch, Results], None] = lambda engine, batch, results: None,
        clock: Callable[[], float] = time.perf_counter,
        sinks: Sinks | None = None,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """observed: told of each batch with its results, right after it was observed."""
        self._engine = engine
        self._intake = intake
        self._store = store
        self._observe_seconds = observe_seconds
        self._observed = observed
        self._clock = clock
        self._sinks = sinks
        self._cpu_clock = cpu_clock
        self._cost_seconds = 0.0  # of the last commit, in CPU time
        self._pieces = [FIRST_PIECE] * len(engine.groups)
        self._job: _Job | None = None
        self._fault: Exception | None = None
        self._at_rest: list[Callable[[], None]] = []
        self._held: list[Callable[[], None]] | None = None  # while resting: what came
        self._forgetting = Forgetting(clock)
        self._look: asyncio.TimerHandle | None = None

    @property
    def bulk(self) -> BulkWay | None:
        """How messages may be handed on in bulk.

        None while resting, and where the kernel is interpreted: it would take ten times as long as the
        general way.
        """
        return self._intake.bulk if COMPILED and self._held is None else None

    @property
    def busy(self) -> bool:
        """Whether a commit is being observed still, or a sink is waited for. Raises what ended either."""
        if self._fault is not None:
            raise self._fault
        full = self._sinks is not None and self._sinks.full
        return self._job is not None or self._held is not None or full

    @property
    def patience_seconds(self) -> float:
        """For how long samples may gather: where a sink passes results on, as briefly as SHARE allows."""
        prompt = self._sinks is not None and self._sinks.any
        return self._cost_seconds / SHARE if prompt else math.inf

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Take messages from the source; their samples wait for `commit`."""
        if self._held is not None:  # what is read already when the rest begins
            self._held.append(partial(self.consume, messages, arrival))
            return
        self._intake.consume(messages, arrival)

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        """Let the engine observe what waits, keep it, and then call done."""
        if self._held is not None:
            self._held.append(partial(self.commit, pending, done))
            return
        self.finish()
        self._job = _Job(pending, done)
        self._go_on()

    def forget(self, clock: ArrivalClock) -> None:
        """Let the engine forget what is silent for too long, once no sample waits."""
        self.at_rest(lambda: self._forget(clock.now()))

    def follow(self, clock: ArrivalClock) -> None:
        """Let times of arrival follow the system clock if that is due, once no sample waits."""
        if clock.due() is not None:
            self.at_rest(lambda: self._follow(clock))

    def at_rest(self, action: Callable[[], None]) -> None:
        """Do something when no sample waits and no snapshot is being copied. Rows may change then."""
        self._at_rest.append(action)
        if self._idle:
            self._act()

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """Begin once no sample waits; meanwhile only the caller changes engine and intake."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.at_rest(lambda: self._rest(begun))
        await begun
        try:
            yield
        finally:
            self._wake()

    def _rest(self, begun: asyncio.Future[None]) -> None:
        if not begun.cancelled():
            self._held = []
            begun.set_result(None)

    def _wake(self) -> None:
        """Do what came while resting, in its order."""
        held, self._held = self._held, None
        try:
            for action in held or ():
                action()
        except Exception as fault:  # `busy` raises it where the source can hear it
            self._fault = fault
            return
        if self._idle:
            self._act()

    @property
    def _idle(self) -> bool:
        return self._job is None and self._held is None and not self._intake.waiting

    def take_over(self, engine: Engine, intake: Intake) -> None:
        """Go on with another engine and intake. Only at rest."""
        self._engine, self._intake = engine, intake
        self._forgetting.drop()
        self._pieces = [FIRST_PIECE] * len(engine.groups)

    def _act(self) -> None:
        """Do what waits for rest; look again soon if a snapshot is being copied."""
        if not self._at_rest:
            return
        if self._store is not None and self._store.copying:
            if self._look is None:
                self._look = asyncio.get_running_loop().call_later(REST_SECONDS, self._look_again)
            return
        actions, self._at_rest = self._at_rest, []
        for action in actions:
            action()

    def _look_again(self) -> None:
        self._look = None
        if self._idle:
            self._act()

    async def forget_stream(self, group: int, name: str) -> None:
        """Let the engine forget a stream, once no sample waits, and wait until the state has that.

        Raises LookupError if it is not there.
        """
        await self._done_at_rest(lambda kept: self._forget_stream(group, name, kept))

    async def mark_normal(self, group: int, name: str) -> None:
        """Take back a stream's anomaly, once no sample waits. Raises LookupError if it is not there."""
        await self._done_at_rest(lambda kept: self._mark_normal(group, name, kept))

    async def _done_at_rest(self, action: Callable[[Callable[[], None]], None]) -> None:
        """Do something at rest, wait until it calls what it is given, and raise what it raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def act() -> None:
            try:
                action(lambda: done.set_result(None))
            except LookupError as error:
                done.set_exception(error)

        self.at_rest(act)
        await done

    def _forget_stream(self, group: int, name: str, kept: Callable[[], None]) -> None:
        self._find(group, name)
        self._tell_forgotten(self._intake.forget_stream(group, name), kept)
        log.info("streams forgotten group=%s streams=1", self._engine.groups[group].name)

    def _mark_normal(self, group: int, name: str, kept: Callable[[], None]) -> None:
        row = self._find(group, name)
        self._touch(group, [row])
        self._engine.groups[group].mark_normal(row)
        kept()

    def _touch(self, group: int, rows: Sequence[int]) -> None:
        """Tell the store that rows are about to change: a snapshot shall have that."""
        if self._store is not None:
            none = np.zeros(len(rows))
            self._store.touch(Batch(group, np.array(rows, dtype=np.int32), none, none))

    def _find(self, group: int, name: str) -> int:
        """Return the row of a stream. Raises LookupError."""
        row = self._engine.groups[group].streams.find(name)
        if row is None:
            raise LookupError(f"stream: expected one that is known, got {name[:200]!r}")
        return row

    def _forget(self, now: float) -> None:
        if not self._forgetting.more:  # else the last time goes on still
            self._forgetting.begin(self._intake.leaving(now))
            self._forget_some()

    def _forget_some(self) -> None:
        """Forget for a turn; if that isn't all, again after the event loop's other work."""
        answered = self._engine.answered
        forgotten = self._forgetting.some(self._intake)
        self._tell_forgotten(forgotten)
        if not forgotten and self._engine.answered != answered:
            self._record([])
        if self._forgetting.more:
            asyncio.get_running_loop().call_soon(self.at_rest, self._forget_some)
        else:
            self._forgetting.tell([group.name for group in self._engine.groups])

    def _tell_forgotten(self, forgotten: Sequence[Forgotten], kept: Callable[[], None] = _nothing) -> None:
        if self._sinks is not None:
            self._sinks.forgotten(self._engine, forgotten, self._intake.labels_of)
        if forgotten:
            self._record([], done=kept, forgotten=forgotten)

    def _follow(self, clock: ArrivalClock) -> None:
        seconds = clock.due()
        if seconds is None:  # it has been set back meanwhile
            return
        moved = seconds, clock.now() + seconds
        self._engine.move_times(*moved)
        clock.follow(seconds)
        move_totals(self._intake.remembering, *moved)
        self._record([], moved=moved, told=take_told(self._intake.remembering))

    def _record(
        self,
        batches: Sequence[Batch],
        pending: Acknowledgements | None = None,
        done: Callable[[], None] = _nothing,
        **further: Any,
    ) -> None:
        """Keep what has happened, and then call done. further: of Change."""
        streams, refusals = self._intake.take_new_streams(), self._engine.refusals.take_new()
        if self._store is None:
            done()
        else:
            change = Change(streams, batches, refusals=refusals, **further)
            after = _nothing if self._sinks is None else self._sinks.written()
            self._store.record(change, pending or Acknowledgements(), done, after)

    def finish(self) -> None:
        """Observe the rest of a commit that is being observed, however long it takes."""
        if self._fault is not None:
            raise self._fault
        while self._job is not None:
            self._observe_for(TURN_SECONDS)

    def snapshot_if_due(self) -> None:
        """Hand the store a snapshot if it wants one and everything observed has been recorded."""
        if self._store is not None and not self.busy and self._store.snapshot_due():
            self._store.snapshot()

    def _go_on(self) -> None:
        """Observe for a turn; if that isn't all, again after the event loop's other work.

        Samples wait while the disk is slower than the copies of a snapshot that they need: memory is bounded.
        """
        if self._store is not None and not self._store.has_room:
            asyncio.get_running_loop().call_later(REST_SECONDS, self._next_turn, self._job)
            return
        self._observe_for(TURN_SECONDS)
        if self._job is not None:
            asyncio.get_running_loop().call_soon(self._next_turn, self._job)

    def _next_turn(self, job: _Job | None) -> None:
        if self._job is not job:  # it was finished meanwhile
            return
        try:
            self._go_on()
        except Exception as fault:  # `busy` raises it where the source can hear it
            self._fault = fault

    def _observe_for(self, seconds: float) -> None:
        job, end, cpu = self._job, self._clock() + seconds, self._cpu_clock()
        assert job is not None  # noqa: S101 (the callers see to it)
        while (batch := self._intake.take_batch(self._limits)) is not None:
            self._observe(batch)
            job.batches.append(batch)
            full = self._store is not None and not self._store.has_room
            if (full or self._clock() >= end) and self._intake.waiting:
                job.cpu_seconds += self._cpu_clock() - cpu
                return
        self._job = None
        self._keep(job)
        self._cost_seconds = job.cpu_seconds + self._cpu_clock() - cpu

    @property
    def _limits(self) -> list[int]:
        """How many samples of each group may be observed at a time."""
        if self._store is None or not self._store.copying:
            return self._pieces
        return [min(piece, COPIED_PIECE) for piece in self._pieces]

    def _observe(self, batch: Batch) -> None:
        if self._store is not None:
            self._store.touch(batch)
        started = self._clock()
        results = self._engine.observe(batch)
        taken = self._clock() - started
        self._intake.note_late(batch, results)
        self._observe_seconds(taken)
        self._observed(self._engine, batch, results)
        if self._sinks is not None:
            self._sinks.put(self._engine, batch, results)
        if self._store is not None:
            self._store.observed(taken)
        size, n = self._pieces[batch.group], len(batch)
        if taken > PIECE_SECONDS:
            self._pieces[batch.group] = max(1, int(n * PIECE_SECONDS / taken))
        elif n == size and taken < PIECE_SECONDS / 2:
            self._pieces[batch.group] = min(2 * size, LARGEST_PIECE)

    def _keep(self, job: _Job) -> None:
        ended = self._intake.take_ended()
        for ending in ended:
            find = self._engine.groups[ending.group].streams.find
            self._touch(ending.group, [row for name in ending.streams if (row := find(name)) is not None])
            self._engine.end_streams(ending)
        for topic, payload in self._intake.requests.take(self._intake.arrival):
            if self._sinks is not None:
                self._sinks.request(topic, payload)
        told = take_told(self._intake.remembering)
        self._record(job.batches, job.pending, job.done, ended=ended, told=told)
        self._act()
