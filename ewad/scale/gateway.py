"""`ewad gateway`: MQTT in, a durable log of records out; no engine, so that it keeps up with any broker."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ewad import __version__
from ewad.config import Settings, ShardSettings
from ewad.daemon.clock import ArrivalClock, Arrivals
from ewad.daemon.notify import Notifier
from ewad.daemon.parts import exposition_of, served
from ewad.daemon.signals import SIGNALS
from ewad.engine import Engine
from ewad.ingest.formats.reasons import REASONS
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.source import make_source
from ewad.ingest.plain import BulkWay
from ewad.kernels import COMPILED
from ewad.outputs.http.access import server_tls
from ewad.outputs.http.server import HttpServer
from ewad.outputs.prometheus.instruments import Instruments
from ewad.scale.collector import Collector
from ewad.scale.log_thread import Destination, Job, LogThread

log = logging.getLogger("ewad.gateway")

TICK_SECONDS = 5.0  # between looks at what is silent for too long, in each shard
CLOCK_SECONDS = 1.0
GATHER_SECONDS = 0.02  # of commits: an fsync takes as long on many a disk
MANY_MESSAGES = (
    256  # in such a moment: the broker does not wait for acknowledgements, so that more may gather
)
MOST_MOMENTS = 5
ENOUGH_MESSAGES = 4096


class GatewayLog(Destination, Arrivals, Protocol):
    """Where a gateway writes, and what that knows of the broker's session and of times."""

    @property
    def deliveries(self) -> Deliveries: ...  # noqa: D102


class GatewayConsumer:
    """A Consumer that makes records of what it takes and hands them to the log.

    Commits gather for a moment, and for up to five while each brings many: a record of a thousand samples
    costs each of them a third of what one of a hundred does. What is handed over is whole commits, samples
    and acknowledgements together.
    """

    def __init__(
        self,
        collector: Collector,
        put: Callable[[Job], None],
        busy: Callable[[], bool],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """put: hands a commit to the log.  busy: whether that can't follow.  call_later: the event loop's."""
        self._collector = collector
        self._put = put
        self._busy = busy
        self._call_later = call_later
        self._covered = 0  # messages, by commits so far
        self._handed = 0  # messages, to the log so far
        self._gathered: list[tuple[Acknowledgements, Callable[[], None]]] = []
        self._due = False  # whether what is gathered has waited for long enough
        self._times = 0  # handed over
        self._tick: float | None = None
        self._move: Callable[[], tuple[float, float] | None] | None = None

    patience_seconds = math.inf

    @property
    def busy(self) -> bool:
        """Whether the log can't follow. Raises what has ended it."""
        return self._busy()

    @property
    def bulk(self) -> BulkWay | None:
        """How messages may be handed on in bulk."""
        return self._collector.intake.bulk if COMPILED else None

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Decode messages; their samples wait for `commit`."""
        self._collector.consume(messages, arrival)

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        """Let what waits be handed to the log soon; done is called once it is kept."""
        if pending.session_lost:  # before anything of the new session
            self._hand_over()
        if not self._gathered:
            self._call_later(GATHER_SECONDS, partial(self._moment_over, self._times, 1, self._handed))
        self._gathered.append((pending, done))
        self._covered = self._collector.intake.received
        if self._due or self._covered - self._handed >= ENOUGH_MESSAGES or pending.session_lost:
            self._hand_over()

    def _moment_over(self, times: int, moments: int, before: int) -> None:
        """Hand over, or let more gather. times: handed over, as it began; before: messages, of the moment."""
        if times != self._times:
            return
        received = self._collector.intake.received
        if received - before >= MANY_MESSAGES and moments < MOST_MOMENTS:
            self._call_later(GATHER_SECONDS, partial(self._moment_over, times, moments + 1, received))
            return
        self._due = True
        if self._covered == self._collector.intake.received:  # else what came since has no commit yet
            self._hand_over()

    def _hand_over(self) -> None:
        """Hand what is gathered to the log, in one."""
        gathered, self._gathered = self._gathered, []
        self._due, self._handed = False, self._collector.intake.received
        self._times += 1
        if gathered:
            pending, done = (list(each) for each in zip(*gathered, strict=True))
            records = self._collector.take()
            arrival = self._collector.intake.arrival
            self._put(Job(records, joined(pending), arrival, lambda: [each() for each in done]))
        self._pass_time()

    def tick(self, now: float) -> None:
        """Let each shard forget what is silent for too long, once no sample waits."""
        self._tick = now
        self._pass_time()

    def move(self, due: Callable[[], tuple[float, float] | None]) -> None:
        """Let times of arrival move by what is due, once no sample waits."""
        self._move = due
        self._pass_time()

    def _pass_time(self) -> None:
        if self._collector.waiting or self._gathered or (self._tick is None and self._move is None):
            return
        moved = None if self._move is None else self._move()
        records = self._collector.of_all(tick=self._tick, moved=moved)
        if self._tick is not None or moved is not None:
            self._put(Job(records, Acknowledgements(), self._collector.intake.arrival, lambda: None))
        self._tick = self._move = None


def joined(pending: Sequence[Acknowledgements]) -> Acknowledgements:
    """Return the pending acknowledgements of several commits as those of one."""
    whole = Acknowledgements(session_lost=any(each.session_lost for each in pending))
    for each in pending:
        whole.pubacks.extend(each.pubacks)
        whole.repeated += each.repeated
        whole.pubrecs += each.pubrecs
        whole.pubcomps += each.pubcomps
    return whole


class Gateway:
    """One broker's messages for one log. Raises ConfigError where the settings can't be used."""

    def __init__(self, settings: Settings, destination: GatewayLog, notifier: Notifier | None = None) -> None:
        self.settings = settings
        self.collector = Collector(settings, settings.shard or ShardSettings())
        deliveries = destination.deliveries
        self.clock = ArrivalClock(destination)
        self.instruments = Instruments(
            version=__version__,
            reasons=REASONS,
            received=lambda: self.collector.intake.received,
            rejected=lambda: self.collector.intake.rejected,
            absent=lambda: self.collector.intake.absent,
            ahead=lambda: self.collector.intake.faults.ahead,
            streams=lambda: self.collector.engine.n_streams,
            refused=lambda: 0,
            forgotten=lambda: 0,
            connected=lambda: self.source.connected,
            reconnects=lambda: self.source.reconnects,
            held_up=lambda: self.source.held_up_seconds,
            reload_successful=lambda: True,
            repeated=lambda: deliveries.repeated,
        )
        self.thread = LogThread(destination, self.instruments.commit_seconds.observe)
        self.consumer = GatewayConsumer(
            self.collector,
            self.thread.put,
            lambda: self.thread.busy,
            lambda seconds, action: asyncio.get_running_loop().call_later(seconds, action),
        )
        self.source = make_source(connection_settings(settings), self.consumer, deliveries, self.clock.now)
        nobody = Engine(settings.group_settings())  # whose page is empty: streams are the shards' to show
        self.server = HttpServer(
            settings.http.listen.host,
            settings.http.listen.port,
            engine=nobody,
            exposition=exposition_of(nobody, settings),
            instruments=self.instruments,
            not_ready=lambda: None if self.source.connected else self.source.status,
            tls=server_tls(settings.http),
            users=settings.secrets.http_users,
            clock=self.clock.now,
        )
        self.notifier = notifier or Notifier()

    async def start(self) -> list[str]:
        """Serve HTTP and return the addresses it listens on."""
        addresses = await served(self.server, self.settings)
        self.thread.start()
        self.notifier.ready(self.source.status)
        return addresses

    async def run(self) -> None:
        """Receive and write until cancelled; then commit, acknowledge and disconnect."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.source.run(), name="mqtt")
                report = self.notifier.report(self.source.first_attempt, lambda: self.source.status)
                tasks.create_task(report, name="report")
                tasks.create_task(self._tick(), name="tick")
                tasks.create_task(self._follow_the_clock(), name="clock")
        finally:
            self.notifier.stopping()
            await asyncio.to_thread(self.thread.close)
            await self.server.stop()
            log.info("stopped messages=%d", self.collector.intake.received)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if not self.thread.busy:
                self.consumer.tick(self.clock.now())

    async def _follow_the_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            if self.clock.due() is not None:
                self.consumer.move(self._moved)

    def _moved(self) -> tuple[float, float] | None:
        """Follow the system clock if that is due still; return how far times move."""
        seconds = self.clock.due()
        if seconds is None:
            return None
        moved = seconds, self.clock.now() + seconds
        self.clock.follow(seconds)
        return moved


async def _start_and_run(gateway: Gateway) -> None:
    """Run until a signal stops it. Until it has started, that ends the process."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 (a coroutine that runs has one)
    await gateway.start()
    SIGNALS.hand_over(
        stop=partial(loop.call_soon_threadsafe, task.cancel),
        reload=lambda: log.warning(
            "reload: a gateway reads its configuration at the start alone: restart it"
        ),
    )
    try:
        await gateway.run()
    except asyncio.CancelledError:
        log.debug("ended by a signal")
    finally:
        SIGNALS.ignore()


def run(gateway: Gateway) -> None:
    """Run the gateway until SIGTERM or SIGINT."""
    asyncio.run(_start_and_run(gateway))
