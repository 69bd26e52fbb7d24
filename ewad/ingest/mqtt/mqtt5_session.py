"""MQTT 5 over TCP or TLS, at the least CPU per message: large paced reads, whole buffers parsed at once."""

import asyncio
import time
from collections.abc import Callable

from ewad.errors import SourceError
from ewad.ingest.mqtt.consumer import Consumer
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.ingest.mqtt.ledger import Ledger
from ewad.ingest.mqtt.mqtt5_core import Accepted, ConnectionState, Ended, Event, Mqtt5Core
from ewad.ingest.mqtt.pacing import BUSY_PACE_SECONDS, HeldUp, Pacing
from ewad.ingest.mqtt.session import (
    CLOSE_SECONDS,
    CONNECT_SECONDS,
    OLDER_BROKER_PERHAPS,
    Subscribed,
    failure,
)
from ewad.ingest.mqtt.settings import ConnectionSettings, tls_context

IDLE_SECONDS = 0.002  # no data for so long: the broker may be waiting for acknowledgements
# Acknowledgements that may wait for the disk: as many messages as a broker has in flight at most, so that
# only one that sends more than was agreed holds up the reading. What needs none does not wait (Store.record).
MAX_UNSTORED = 65535


class Mqtt5Session:
    """An MQTT 5 session that acknowledges messages only after the consumer has committed them."""

    def __init__(
        self,
        settings: ConnectionSettings,
        consumer: Consumer,
        clock: Callable[[], float] = time.time,
        deliveries: Deliveries | None = None,
    ) -> None:
        self.settings = settings
        self.consumer = consumer
        self.bytes_received = 0
        self.held_up = HeldUp(settings.url)
        self.ledger = Ledger(settings, consumer, clock, deliveries or Deliveries())
        self._tls = tls_context(settings)
        self._speaks_mqtt5 = False  # the broker has once accepted a connection

    async def receive(self, on_subscribed: Callable[[Subscribed], None]) -> None:
        """Hand messages on until the connection ends; see MqttSession."""
        connection = Connection(self)
        try:
            on_subscribed(await self._connect(connection))
            await connection.ended
        except SourceError as error:
            if connection.unanswered and not self._speaks_mqtt5:
                raise SourceError(f"{error}{OLDER_BROKER_PERHAPS}") from error
            raise
        finally:
            self._speaks_mqtt5 |= connection.core.accepted
            await connection.close()

    async def _connect(self, connection: "Connection") -> Subscribed:
        loop = asyncio.get_running_loop()
        host, port = self.settings.host, self.settings.port
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: connection, host, port, ssl=self._tls)
                await asyncio.wait([connection.subscribed])
        except (OSError, UnicodeError) as error:
            raise failure(error, self.settings) from error
        return connection.subscribed.result()


class Connection(asyncio.BufferedProtocol):
    """The socket and the timers of one connection; what is said on it is the core's.

    Memory stays bounded because the consumer works inline: meanwhile the socket isn't read, TCP holds back
    the broker, and the broker queues by its own limits.
    """

    def __init__(self, session: Mqtt5Session) -> None:
        self._session = session
        self._ledger = session.ledger
        self.core = Mqtt5Core(session.settings, session.ledger, self._write, self._on_event)
        self.unanswered = False  # something ended the connection before the broker had said anything
        self._loop = asyncio.get_running_loop()
        self.subscribed: asyncio.Future[Subscribed] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._lost = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._pacing = Pacing()
        self._resume_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._keep_alive_timer: asyncio.TimerHandle | None = None

    # ---- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the MQTT connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (tells the type checker)
        self._transport = transport
        self.unanswered = True
        self.core.open(self._loop.time())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self.core.buffer.free

    def buffer_updated(self, nbytes: int) -> None:
        """Take all whole packets that have come, then rest."""
        self._session.bytes_received += nbytes
        self.unanswered = False
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        emptied = nbytes < len(self.core.buffer.free)
        now = self._loop.time()
        self.core.received(nbytes, now)
        if self.core.state is not ConnectionState.OVER:
            self._rest(nbytes, emptied, now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep what has been taken; the broker sends again what wasn't acknowledged."""
        self._lost.set()
        settings = self._session.settings
        closed = SourceError("the broker closed the connection")
        self.core.end(failure(exc, settings) if exc else closed)

    # ---- reading

    def _rest(self, nbytes: int, emptied: bool, now: float) -> None:
        """Let the next bytes gather before they are read; or acknowledge, if the broker waits for that."""
        owed, patience_seconds = self._ledger.owed if emptied else 0, self._session.consumer.patience_seconds
        seconds = self._pacing.seconds(nbytes, owed, now, patience_seconds)
        if not seconds:
            self.core.commit(now)
            if self.core.state is ConnectionState.OVER or not self._held_up():
                return
        self._open_transport.pause_reading()
        self._resume_timer = self._loop.call_later(seconds or BUSY_PACE_SECONDS, self._resume)

    def _held_up(self) -> bool:
        """Whether the consumer or the disk can't follow; a fault of the consumer ends the connection."""
        try:
            return self._session.consumer.busy or self._ledger.unstored > MAX_UNSTORED
        except Exception as error:  # `ended` carries it
            self.core.end(error)
            return False

    def _resume(self) -> None:
        held_up, now = self._held_up(), self._loop.time()
        self._session.held_up.note(held_up, now)
        if held_up:
            self.core.not_reading(now)
            self._resume_timer = self._loop.call_later(BUSY_PACE_SECONDS, self._resume)
        elif self.core.state is not ConnectionState.OVER:
            self._open_transport.resume_reading()
            if self._ledger.waiting:
                self._idle_timer = self._loop.call_later(IDLE_SECONDS, self._on_idle)

    def _on_idle(self) -> None:
        self._pacing.rested_in_vain(self._ledger.owed)
        self.core.commit(self._loop.time())

    def _keep_alive(self) -> None:
        seconds = self.core.keep_alive(self._loop.time())
        if seconds is not None:
            self._keep_alive_timer = self._loop.call_later(seconds, self._keep_alive)

    # ---- writing and the end

    @property
    def _open_transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 (asyncio calls connection_made first)
        return self._transport

    def _write(self, data: bytes) -> None:
        if not self._lost.is_set():
            self._open_transport.write(data)
            self._pacing.acknowledged(self._loop.time())

    def _on_event(self, event: Event) -> None:
        match event:
            case Accepted():
                self._keep_alive()
            case Subscribed():
                self.subscribed.set_result(event)
            case Ended(error):
                self._session.held_up.note(False, self._loop.time())
                self._cancel_timers()
                for future in (self.subscribed, self.ended):
                    if not future.done():
                        future.set_exception(error)
                        future.exception()  # seen: only one of the two is awaited

    async def close(self) -> None:
        """Commit, acknowledge and disconnect if that hasn't happened; free the socket in any case.

        What isn't stored in time stays unacknowledged.
        """
        if self._transport is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._finish()
                if self.core.accepted:
                    # Read on until the broker closes: a close with unread bytes resets the connection, and
                    # the broker might never see the last acknowledgements.
                    self._transport.resume_reading()
                    await self._lost.wait()
        except TimeoutError:
            pass
        finally:
            self._ledger.disconnected()
            self._transport.abort()
            await self._lost.wait()

    async def _finish(self) -> None:
        if self.core.state is ConnectionState.OVER:
            return
        self._cancel_timers()
        self.core.finish()
        await self._ledger.stored.wait()
        self.core.part()

    def _cancel_timers(self) -> None:
        for timer in (self._resume_timer, self._idle_timer, self._keep_alive_timer):
            if timer is not None:
                timer.cancel()
