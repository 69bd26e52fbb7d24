"""The daemon: MQTT in, the engine in the middle, HTTP out; its life from start to SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from ewad import __version__
from ewad.committer import Committer
from ewad.config import Settings
from ewad.engine import Engine
from ewad.errors import ConfigError
from ewad.expose.access import server_tls
from ewad.expose.exposition import Exposition
from ewad.expose.instruments import Instruments
from ewad.expose.server import HttpServer
from ewad.ingest.connection import connection_settings
from ewad.ingest.decoders import REASONS
from ewad.ingest.deliveries import Deliveries
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt import MqttSource, make_source
from ewad.notify import Notifier
from ewad.numeric.schedules import Constant
from ewad.store.model_file import start_models
from ewad.store.store import Store

log = logging.getLogger("ewad.daemon")

FORGET_SECONDS = 5.0  # between looks for streams that are silent for too long
KEEP_SECONDS = 0.5  # between looks at whether a snapshot is due
STATUS_SECONDS = 5.0  # how often `systemctl status` hears how it goes


class Daemon:
    """One engine between one broker and its scrapers.

    Raises ConfigError where the settings name files or an address that can't be used.
    """

    def __init__(self, settings: Settings, notifier: Notifier | None = None) -> None:
        self.settings = settings
        self.reload_successful = True
        self.instruments = Instruments(
            version=__version__,
            reasons=(*REASONS, "out_of_order"),
            received=lambda: self.intake.received,
            rejected=self._rejected,
            streams=lambda: self.engine.n_streams,
            refused=lambda: self.engine.refused,
            forgotten=lambda: self.engine.forgotten,
            connected=lambda: self.source.connected,
            reconnects=lambda: self.source.reconnects,
            reload_successful=lambda: self.reload_successful,
            repeated=lambda: self.deliveries.repeated,
            state=lambda: self.store,
        )
        self.store = self._open_store()
        self.engine = self._new_engine() if self.store is None else self.store.engine
        self.deliveries = Deliveries() if self.store is None else self.store.deliveries
        self.intake = Intake(self.engine, settings.streams, settings.limits.max_payload_bytes)
        self.committer = Committer(
            self.engine, self.intake, self.store, self.instruments.observe_seconds.observe
        )
        self.source: MqttSource = make_source(connection_settings(settings), self.committer, self.deliveries)
        self.server = HttpServer(
            settings.http.listen.host,
            settings.http.listen.port,
            engine=self.engine,
            exposition=Exposition(self.engine, [block.stale_after_seconds for block in settings.streams]),
            instruments=self.instruments,
            not_ready=lambda: None if self.source.connected else self.source.status,
            tls=server_tls(settings.http),
            users=settings.http.users,
        )
        self.notifier = notifier or Notifier()

    def _new_engine(self) -> Engine:
        engine = Engine(self.settings.group_settings(), self.settings.limits.max_streams)
        start_models(engine)
        return engine

    def _open_store(self) -> Store | None:
        if self.settings.state is None:
            return None
        session = f"{self.settings.mqtt.client_id} at {self.settings.mqtt.url}"
        return Store(self.settings.state, session, self._new_engine, self.instruments.commit_seconds.observe)

    def forget(self, now: float) -> None:
        """Forget the streams that are silent for too long, as soon as no sample waits."""
        self.committer.forget(now)

    async def start(self) -> list[str]:
        """Serve HTTP and return the addresses it listens on, such as 127.0.0.1:9466."""
        addresses = [
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host, port in await self.server.start()
        ]
        scheme = "http" if self.settings.http.cert_file is None else "https"
        log.info("serving metrics at %s://%s/metrics version=%s", scheme, addresses[0], __version__)
        # What start-up left behind lives as long as the daemon: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        if self.store is not None:
            self.store.start()
        self.notifier.ready(self.source.status)
        return addresses

    async def run(self) -> None:
        """Receive, smooth and learn until cancelled; then commit, acknowledge and disconnect."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.source.run(), name="mqtt")
                tasks.create_task(self._report(), name="report")
                tasks.create_task(self._forget(), name="forget")
                tasks.create_task(self._keep(), name="state")
        finally:
            self.notifier.stopping()
            if self.store is not None:
                await self.store.close()
            await self.server.stop()
            log.info("stopped messages=%d streams=%d", self.intake.received, self.engine.n_streams)

    def reload(self, load: Callable[[], Settings]) -> None:
        """Take over the learning rates and schedules of a newly read configuration; tell what else differs.

        A configuration that can't be used leaves the old one in force.
        """
        try:
            new = load()
        except ConfigError as error:
            self.reload_successful = False
            log.warning("reload failed, the old configuration stays in force error=%s", error)
            return
        self.reload_successful = True
        for group in self.engine.groups:
            model = None if group.forecaster is None else new.models.get(group.forecaster.settings.name)
            if group.forecaster is not None and model is not None:
                for learner in group.forecaster.gradient_learners.values():
                    learner.set_rates(model.learning_rate, model.schedule)
        log.info("reloaded: learning rates and schedules are in force")
        if _without_rates(new) != _without_rates(self.settings):
            log.warning("reloaded: the configuration differs in more than rates: restart for the rest")

    async def _report(self) -> None:
        """Tell the service manager, again and again, that all is alive, and how it goes."""
        watchdog = self.notifier.watchdog_interval_seconds
        while True:
            self.notifier.watchdog()
            self.notifier.status(f"{self.source.status}; {self.engine.n_streams} streams")
            await asyncio.sleep(min(STATUS_SECONDS, watchdog or STATUS_SECONDS))

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            self.forget(time.time())

    async def _keep(self) -> None:
        """Have snapshots made when they are due."""
        while self.store is not None:
            self.committer.snapshot_if_due()
            await asyncio.sleep(KEEP_SECONDS)

    def _rejected(self) -> Mapping[str, int]:
        late = sum(group.out_of_order for group in self.engine.groups)
        return self.intake.rejected | {"out_of_order": late}


async def _start_and_run(settings: Settings, load: Callable[[], Settings]) -> None:
    daemon = Daemon(settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, daemon.reload, load)
    await daemon.start()
    await daemon.run()


def _without_rates(settings: Settings) -> Settings:
    """Return the settings with every learning rate and schedule the same."""
    models = {
        name: replace(model, learning_rate=1.0, schedule=Constant())
        for name, model in settings.models.items()
    }
    return msgspec.structs.replace(settings, models=models)


async def _run_until_signalled(settings: Settings, load: Callable[[], Settings]) -> None:
    running = asyncio.create_task(_start_and_run(settings, load), name="daemon")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        log.debug("ended by a signal")


def run(settings: Settings, load: Callable[[], Settings]) -> None:
    """Run the daemon until SIGTERM or SIGINT; at SIGHUP `load` the settings again."""
    asyncio.run(_run_until_signalled(settings, load))
