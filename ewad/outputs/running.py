"""Live sinks: each in a thread of its own, behind a bounded queue."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ewad.config import Settings
from ewad.engine import Batch, Engine, Forgotten, GroupSettings, Results
from ewad.outputs.registry import Labels
from ewad.outputs.sinks import Observed, Sink, Standing, Tally, chosen, make

log = logging.getLogger("ewad.outputs")

QUEUED_SAMPLES: Final = 1 << 16  # for each sink: some MB, and more than a second of most installations
PIECE_SAMPLES: Final = 4096  # between two flushes, if there is no end of samples
RETRY_SECONDS: Final = 1.0
SUCCEED_SECONDS: Final = 5.0  # for what waits of a sink whose place another one takes
CLOSE_SECONDS: Final = 1.0  # for what waits when the daemon ends, which has to be over within 2 s


@dataclass(slots=True)
class Count:
    """What is told of a sink: samples written, lost, waiting and superseded, and failed attempts."""

    name: str
    written: int = 0
    lost: int = 0
    waiting: int = 0
    failures: int = 0
    superseded: int = 0

    def with_own(self, tally: Tally) -> Count:
        """Return the same with what the sink itself counts."""
        return Count(
            self.name,
            self.written if tally.written is None else tally.written,
            self.lost + tally.lost,
            self.waiting + tally.waiting,
            self.failures + tally.failures,
            tally.superseded,
        )


class Runner(threading.Thread):
    """One sink, and what waits for it. The event loop calls `put` and the like, the thread all of the sink's.

    fault: what ended the thread, None if nothing did.
    """

    def __init__(
        self, name: str, sink: Sink, most_samples: int = QUEUED_SAMPLES, earlier: Runner | None = None
    ) -> None:
        """earlier: whose place it takes: the sink begins once that has ended."""
        super().__init__(name=f"sink {name}", daemon=True)
        self.count = Count(name)
        self.sink = sink
        self.fault: Exception | None = None
        self._earlier = earlier
        self._most = most_samples
        self._queue: queue.SimpleQueue[Callable[[], None] | Observed | None] = queue.SimpleQueue()
        self._put = 0  # samples, so far
        self._taken = 0  # samples that the sink has and has not written
        self._over = False
        self._ending = threading.Event()
        self._moved = threading.Condition()  # of count.waiting, which both sides change

    # ---- called by the event loop

    @property
    def full(self) -> bool:
        """Whether no more samples should come: the sink waits for none to be lost. Raises its fault."""
        if self.fault is not None:
            raise self.fault
        return self.sink.waits and self.count.waiting >= self._most

    def put(self, observed: Observed) -> None:
        """Have the sink take this, unless it has too much already and would rather lose it."""
        if not self.sink.waits and self.count.waiting >= self._most:
            self._lose(len(observed))
            return
        with self._moved:
            self._put += len(observed)
            self.count.waiting += len(observed)
        self._hand(observed)

    def written(self) -> Callable[[], None]:
        """Return what waits, in another thread, until all that has been put so far is written, or is lost."""
        number = self._put

        def wait() -> None:
            with self._moved:
                self._moved.wait_for(lambda: self._over or self._put - self.count.waiting >= number)

        return wait

    def open(self, groups: Sequence[GroupSettings]) -> None:
        """Let the sink go on with other groups, after what waits."""
        self._hand(lambda: self.sink.open(groups))

    def forgotten(self, settings: GroupSettings, streams: Mapping[str, Labels]) -> None:
        """Let the sink hear of it, after what waits."""
        self._hand(lambda: self.sink.forgotten(settings, streams))

    def request(self, topic: str, payload: bytes) -> None:
        """Let the sink hear what a sender should be asked."""
        self._hand(lambda: self.sink.request(topic, payload))

    def stands(self, standing: Standing) -> None:
        """Let the sink hear of it, before any sample."""
        self._hand(lambda: self.sink.stands(standing))

    def end(self) -> None:
        """Let the thread end when it has tried to write what waits."""
        self._ending.set()
        self._hand(None)

    def _hand(self, item: Callable[[], None] | Observed | None) -> None:
        self._queue.put(item)
        self.sink.wake()

    # ---- the thread

    def run(self) -> None:
        """Hand on what is put, until the end."""
        try:
            self._succeed()
            while self._take():
                self._flush()
            self._flush()
            self.sink.close()
        except Exception as error:  # `full` raises it where the daemon hears it
            self.fault = error
        self._over = True
        self._let_go(self._taken)
        self._lose(self._taken)

    def _succeed(self) -> None:
        """Wait for the end of the one before: two at a time would be two clients of one name."""
        if self._earlier is not None:
            self._earlier.join(SUCCEED_SECONDS)
            self.sink.succeed(self._earlier.sink)
            self._earlier = None

    def _take(self) -> bool:
        """Let the sink take what waits, a piece at the most; wait for the first. Return False at the end."""
        item = self.sink.next(self._queue)
        while item is not None:
            if isinstance(item, Observed):
                self.sink.observed(item)
                self._taken += len(item)
            else:
                item()
            if self._queue.empty() or self._taken >= PIECE_SAMPLES:
                return True
            item = self._queue.get()
        return False

    def _flush(self) -> None:
        """Let the sink write, again and again until it can; at the end of the daemon only once."""
        failed = False
        while True:
            try:
                self.sink.flush()
            except BrokenPipeError:  # whoever read is gone, for good
                raise
            except OSError as error:
                self.count.failures += 1
                if not failed:
                    log.warning('sink failed sink=%s reason="%s": trying again', self.count.name, error)
                failed = True
                if self._ending.wait(RETRY_SECONDS):
                    return
                continue
            if failed:
                log.info("sink works again sink=%s", self.count.name)
            self.count.written += self._taken
            self._let_go(self._taken)
            self._taken = 0
            return

    def _let_go(self, samples: int) -> None:
        """Have these wait no more."""
        with self._moved:
            self.count.waiting -= samples
            self._moved.notify_all()

    def _lose(self, samples: int) -> None:
        if samples and not self.count.lost:
            log.warning("samples lost to a sink sink=%s (further ones are counted)", self.count.name)
        self.count.lost += samples


class Sinks:
    """All sinks of a daemon. Does nothing where there are none."""

    def __init__(
        self, settings: Settings, groups: Sequence[GroupSettings], clock: Callable[[], float] = time.time
    ) -> None:
        """Open them. Raises ConfigError where one can't be used. clock: of the sinks, Unix seconds."""
        self._clock = clock
        self._runners = [Runner(name, sink) for name, sink in chosen(settings)]
        for runner in self._runners:
            runner.sink.clock = clock
            runner.sink.open(groups)

    def start(self) -> None:
        """Let them write from now on."""
        for runner in self._runners:
            runner.start()

    def stands(self, engine: Engine, now: float, names: Container[str]) -> None:
        """Tell the sinks of these names how the streams stand; before any sample comes to them."""
        new = [runner for runner in self._runners if runner.count.name in names]
        for group in engine.groups if new else ():
            if len(group.streams):
                standing = Standing.of(group, now)
                for runner in new:
                    runner.stands(standing)

    @property
    def counts(self) -> Iterator[Count]:
        """What is told of each."""
        return (runner.count.with_own(runner.sink.tally) for runner in self._runners)

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._runners)

    @property
    def full(self) -> bool:
        """Whether samples should wait for a sink. Raises what has ended one."""
        return any(runner.full for runner in self._runners)

    def check(self) -> None:
        """Raise what has ended a sink, if anything has."""
        for runner in self._runners:
            if runner.fault is not None:
                raise runner.fault

    def put(self, engine: Engine, batch: Batch, results: Results) -> None:
        """Tell all sinks of a batch that the engine has just observed."""
        if self._runners and len(results.accepted):
            observed = Observed.of(engine, batch, results)
            for runner in self._runners:
                runner.put(observed)

    def written(self) -> Callable[[], None]:
        """Return what waits, in another thread, until each durable sink has written what it has been told."""
        waits = [runner.written() for runner in self._runners if runner.sink.durable]

        def wait() -> None:
            for each in waits:
                each()

        return wait

    def forgotten(
        self,
        engine: Engine,
        forgotten: Sequence[Forgotten],
        labels: Callable[[int, str], Labels | None] = lambda group, stream: None,
    ) -> None:
        """Tell all sinks of streams that are no more. labels: gives those of a group's stream, if known."""
        for group, streams, _ in forgotten if self._runners else ():
            known = {stream: labels(group, stream) or () for stream in streams}
            for runner in self._runners:
                runner.forgotten(engine.groups[group].settings, known)

    def request(self, topic: str, payload: bytes) -> None:
        """Tell all sinks what a sender of messages should be asked by this message."""
        for runner in self._runners:
            runner.request(topic, payload)

    def prepared(self, settings: Settings) -> dict[str, Sink]:
        """Return the sinks that other settings need beside those that can stay. Raises ConfigError."""
        stay = {runner.count.name for runner in self._runners if runner.sink.fits(settings)}
        return {name: make(name, settings) for name in settings.sinks if name not in stay}

    def take_over(
        self, settings: Settings, groups: Sequence[GroupSettings], prepared: Mapping[str, Sink]
    ) -> None:
        """Go on under other settings: some sinks stay, some end, and those that were prepared begin."""
        stay, ended = [], {}
        for runner in self._runners:
            if runner.count.name in prepared or runner.count.name not in settings.sinks:
                runner.end()
                ended[runner.count.name] = runner
            else:
                runner.open(groups)
                stay.append(runner)
        new = [Runner(name, sink, earlier=ended.get(name)) for name, sink in prepared.items()]
        for runner in new:
            runner.sink.clock = self._clock
            runner.open(groups)
            runner.start()
        self._runners = [*stay, *new]

    def close(self) -> None:
        """End all sinks, with a second for what waits; blocks."""
        for runner in self._runners:
            runner.end()
        for runner in self._runners:
            if runner.is_alive():
                runner.join(CLOSE_SECONDS)
            if runner.is_alive():
                log.warning(
                    "sink not closed in time sink=%s samples=%d", runner.count.name, runner.count.waiting
                )
