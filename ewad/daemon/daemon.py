"""The daemon: MQTT in, the engine in the middle, HTTP out; its life from start to SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from ewad import __version__
from ewad.config import Settings
from ewad.config.syntax import counted
from ewad.daemon.actions import Actions
from ewad.daemon.clock import ArrivalClock
from ewad.daemon.committer import Committer
from ewad.daemon.logs import configure
from ewad.daemon.notify import Notifier
from ewad.daemon.parts import (
    exposition_of,
    let_go,
    new_engine,
    new_intake,
    of_engine,
    refuse_foreign,
    served,
    session_of,
    units_of,
    warn_of_share,
)
from ewad.daemon.reloader import Reloader
from ewad.daemon.signals import SIGNALS
from ewad.engine import Engine, Forgotten, Loaded
from ewad.errors import ConfigError
from ewad.ingest.formats.reasons import REASONS
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.source import ConnectionSettings, MqttSource, make_source
from ewad.ingest.told import move_totals, recall, take_told
from ewad.outputs.http.access import server_tls
from ewad.outputs.http.history import PointHistory
from ewad.outputs.http.server import HttpServer, try_to_listen
from ewad.outputs.prometheus.exposition import Exposition
from ewad.outputs.prometheus.instruments import Instruments
from ewad.outputs.running import Sinks
from ewad.outputs.sinks import Sink
from ewad.store.changes import Changes
from ewad.store.loaded import REMEDY, tell
from ewad.store.store import Store

log = logging.getLogger("ewad.daemon")

CLOCK_SECONDS = 1.0  # between looks at whether the system clock has been set
FORGET_SECONDS = 5.0  # between looks for streams that are silent for too long
KEEP_SECONDS = 0.5  # between looks at whether a snapshot is due


class _Successor(NamedTuple):
    """What a changed configuration makes of an engine and its intake."""

    engine: Engine
    intake: Intake
    exposition: Exposition
    loaded: Loaded  # what became of the old state
    forgotten: list[Forgotten]
    changes: Changes | None  # for the store


class Daemon:
    """One engine between one broker and its scrapers.

    Raises ConfigError where the settings name files or an address that can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        notifier: Notifier | None = None,
        make_clock: Callable[[Engine], ArrivalClock] = ArrivalClock,
    ) -> None:
        self.settings = settings
        self.reload_successful = True
        self._source_task: asyncio.Task[None] | None = None
        self.instruments = Instruments(
            version=__version__,
            reasons=(*REASONS, "out_of_order"),
            received=lambda: self.intake.received,
            rejected=self._rejected,
            examples=lambda: self.intake.last_rejected,
            absent=lambda: self.intake.absent,
            ahead=lambda: self.intake.faults.ahead,
            foreign=lambda: self.intake.foreign,
            streams=lambda: self.engine.n_streams,
            refused=lambda: self.engine.refused,
            forgotten=lambda: self.engine.forgotten,
            connected=lambda: self.source.connected,
            reconnects=lambda: self.source.reconnects,
            held_up=lambda: self.source.held_up_seconds,
            reload_successful=lambda: self.reload_successful,
            repeated=lambda: self.deliveries.repeated,
            state=lambda: self.store,
            sinks=lambda: self.sinks.counts,
            units=lambda: [(block.name, block.unit) for block in self.settings.streams],
            constant=lambda: self.settings.metrics.labels,
        )
        self.history = PointHistory()
        self.store = self._open_store()
        self.engine = new_engine(settings) if self.store is None else self.store.engine
        self.deliveries = Deliveries() if self.store is None else self.store.deliveries
        self.clock = make_clock(self.engine)
        self.intake = new_intake(self.engine, settings)
        if self.store is not None:
            self.store.told.keep_only(block.settings.name for block in self.intake.blocks)
            recall(self.intake.remembering, self.store.told.entries())
            if self.clock.moved is not None:
                move_totals(self.intake.remembering, *self.clock.moved)
        refuse_foreign(self.intake, self.engine, settings)
        warn_of_share(settings)
        self._forgotten = self.intake.adopt()
        self._log_homeless(self._forgotten)
        self.sinks = Sinks(settings, settings.group_settings(), self.clock.now)
        self.committer = Committer(
            self.engine,
            self.intake,
            self.store,
            self.instruments.observe_seconds.observe,
            self.history.observed,
            sinks=self.sinks,
        )
        self.source = self._new_source(connection_settings(settings), self.deliveries)
        self.actions = Actions(self)
        self.server = self._new_server(settings)
        self.notifier = notifier or Notifier()

    def _new_source(self, connection: ConnectionSettings, deliveries: Deliveries) -> MqttSource:
        return make_source(connection, self.committer, deliveries, self.clock.now)

    def _new_server(self, settings: Settings) -> HttpServer:
        return HttpServer(
            settings.http.listen.host,
            settings.http.listen.port,
            engine=self.engine,
            exposition=exposition_of(self.engine, settings),
            instruments=self.instruments,
            not_ready=lambda: None if self.source.connected else self.source.status,
            tls=server_tls(settings.http),
            users=settings.secrets.http_users,
            clock=self.clock.now,
            units=units_of(settings),
            history=self.history,
            actor=self.actions,
            actions=settings.http.actions,
        )

    def _open_store(self) -> Store | None:
        if self.settings.state is None:
            return None
        settings, session = self.settings.state, session_of(self.settings)
        engine = partial(new_engine, self.settings)
        return Store(settings, session, engine, self.instruments.commit_seconds.observe)

    async def start(self) -> list[str]:
        """Serve HTTP and return the addresses it listens on, such as 127.0.0.1:9466."""
        addresses = await served(self.server, self.settings)
        # What start-up left behind lives as long as the daemon: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        if self.store is not None:
            told = take_told(self.intake.remembering)  # totals that were moved as the clock was
            self.store.start(self._forgotten, self.clock.moved, told)
        self.sinks.start()
        self.sinks.forgotten(self.engine, self._forgotten)
        self.sinks.stands(self.engine, self.clock.now(), self.settings.sinks)
        self.notifier.ready(self.source.status)
        return addresses

    async def run(self, reloader: Reloader | None = None) -> None:
        """Receive, smooth and learn until cancelled; then commit, acknowledge and disconnect."""
        self.actions.reloader = reloader
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._source_task = tasks.create_task(self.source.run(), name="mqtt")
                if reloader is not None:
                    tasks.create_task(reloader.run(self), name="reload")
                report = self.notifier.report(self.source.first_attempt, self._status)
                tasks.create_task(report, name="report")
                tasks.create_task(self._forget(), name="forget")
                tasks.create_task(self._follow_the_clock(), name="clock")
                tasks.create_task(self._keep(), name="state")
        finally:
            self.notifier.stopping()
            await asyncio.to_thread(self.sinks.close)
            if self.store is not None:
                await self.store.close()
            await self.server.stop()
            log.info("stopped messages=%d streams=%d", self.intake.received, self.engine.n_streams)

    async def apply(self, settings: Settings) -> None:
        """Go on with other settings: with all of the state that fits them, without losing a message.

        Raises ConfigError, with the old ones in force, where the new ones can't be used.
        """
        old = self.settings
        new = msgspec.structs.replace(settings, state=old.state, shard=old.shard)
        for table in ("state", "shard"):
            if getattr(settings, table) != getattr(old, table):
                log.warning("reload: [%s] differs: restart for that", table)
        connection = await asyncio.to_thread(connection_settings, new)
        engine = None if of_engine(new) == of_engine(old) else await asyncio.to_thread(new_engine, new)
        source = None
        if not await asyncio.to_thread(self.source.fits, connection):
            deliveries = self.deliveries if session_of(new) == session_of(old) else Deliveries()
            source = await asyncio.to_thread(self._new_source, connection, deliveries)
        sinks = await asyncio.to_thread(self.sinks.prepared, new)
        await self._serve_as(new)
        if source is not None:
            await self._end_source()
        await self._go_on_with(new, engine, sinks)
        if source is not None:
            self._begin_source(source, deliveries)
        configure(new.log.level, new.log.format)

    async def _serve_as(self, new: Settings) -> None:
        """Let a server of the new settings take the place of the old one, if they or its files may differ."""
        server = self._new_server(new)  # whose certificate may be unfit
        old = self.settings
        same = new.http == old.http and new.secrets.http_users == old.secrets.http_users
        if same and new.http.cert_file is None:
            return
        if new.http.listen == self.settings.http.listen:
            await self.server.stop()
        try:
            await served(server, new)
        except ConfigError:
            if new.http.listen == self.settings.http.listen:
                await self.server.start()
            raise
        server.go_on_from(self.server)
        await self.server.stop()
        self.server = server

    async def _end_source(self) -> None:
        """Let the source commit, acknowledge and disconnect."""
        if self._source_task is not None:
            self._source_task.cancel()
            await asyncio.wait([self._source_task])

    def _begin_source(self, source: MqttSource, deliveries: Deliveries) -> None:
        source.go_on_from(self.source)
        self.source, self.deliveries = source, deliveries
        self._source_task = self._tasks.create_task(source.run(), name="mqtt")

    async def _go_on_with(self, new: Settings, engine: Engine | None, sinks: Mapping[str, Sink]) -> None:
        """Let the new settings be in force. engine: a new one, if they need it.  sinks: those to begin."""
        session = session_of(new) if session_of(new) != session_of(self.settings) else None
        groups = await asyncio.to_thread(new.group_settings)
        async with self.committer.resting():
            freed: list[list[Any]] = [[*self.engine.groups], [*self.intake.blocks]]
            forgotten: list[Forgotten] = []
            changes: Changes | None = None
            if engine is not None:
                successor = await asyncio.to_thread(self._succeeded, new, engine)
                self._take_over(successor, new)
                forgotten, changes = successor.forgotten, successor.changes
                del successor
            self.settings = new
            self.sinks.take_over(new, groups, sinks)
            self.sinks.forgotten(self.engine, forgotten)
            self.sinks.stands(self.engine, self.clock.now(), sinks)
            if self.store is not None and (engine is not None or session is not None):
                freed.append(self.store.take_over(self.engine, forgotten, session, changes))
        await asyncio.to_thread(let_go, *freed)

    def _succeeded(self, new: Settings, engine: Engine) -> _Successor:
        """Return what goes on in place of the engine and the intake, which stay as they are."""
        loaded = engine.take_over(self.engine.snapshot())
        intake = new_intake(engine, new)
        intake.go_on_from(self.intake)
        forgotten = intake.adopt()
        changes = None if self.store is None else Changes(engine)
        return _Successor(engine, intake, exposition_of(engine, new), loaded, forgotten, changes)

    def _take_over(self, successor: _Successor, new: Settings) -> None:
        tell(log, successor.loaded, remedy=REMEDY if self.store is not None else "")
        self.engine, self.intake = successor.engine, successor.intake
        self._log_homeless(successor.forgotten)
        self.committer.take_over(self.engine, self.intake)
        self.server.show(self.engine, successor.exposition, units_of(new))

    def _log_homeless(self, forgotten: Sequence[Forgotten]) -> None:
        for group, streams, _ in forgotten:
            name = self.engine.groups[group].name
            log.warning("streams dropped, no topic of theirs is left group=%s streams=%d", name, len(streams))

    def _status(self) -> str:
        stale = "" if self.reload_successful else "; the changed configuration can't be used"
        return f"{self.source.status}; {counted(self.engine.n_streams, 'stream')}{stale}"

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            self.committer.forget(self.clock)

    async def _follow_the_clock(self) -> None:
        while True:
            self.committer.follow(self.clock)
            await asyncio.sleep(CLOCK_SECONDS)

    async def _keep(self) -> None:
        """Have snapshots made when they are due, and hear of what has ended a sink."""
        while True:
            self.committer.snapshot_if_due()
            self.sinks.check()
            await asyncio.sleep(KEEP_SECONDS)

    def _rejected(self) -> Mapping[str, int]:
        late = sum(group.out_of_order for group in self.engine.groups)
        return self.intake.rejected | {"out_of_order": late}


async def _start_and_run(daemon: Daemon, load: Callable[[], Settings]) -> None:
    """Run the daemon until a signal stops it. Until it has started, that ends the process."""
    loop, task, reloader = asyncio.get_running_loop(), asyncio.current_task(), Reloader(load)
    assert task is not None  # noqa: S101 (a coroutine that runs has one)
    await daemon.start()
    SIGNALS.hand_over(
        stop=partial(loop.call_soon_threadsafe, task.cancel),
        reload=partial(loop.call_soon_threadsafe, reloader.ask),
    )
    try:
        await daemon.run(reloader)
    except asyncio.CancelledError:
        log.debug("ended by a signal")
    finally:
        SIGNALS.ignore()


def run(settings: Settings, load: Callable[[], Settings]) -> None:
    """Run the daemon until SIGTERM or SIGINT; at SIGHUP `load` the settings again."""
    SIGNALS.hold()
    for each in settings.deprecated:
        log.warning("deprecated %s", each)
    listen = settings.http.listen
    try_to_listen(listen.host, listen.port)  # before a state file is made
    asyncio.run(_start_and_run(Daemon(settings), load))
