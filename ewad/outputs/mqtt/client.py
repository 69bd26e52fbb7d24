"""The client that publishes: over as many connections as it takes, or over one.

[publish], `ewad spark`, `ewad replay --publish` and the demo send by it. It speaks the version of MQTT that
the settings name, or the other one where the broker knows only that.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import Final

from ewad.errors import SourceError
from ewad.ingest.mqtt.mqtt5_core import Accepted, Ended
from ewad.ingest.mqtt.session import CONNECT_SECONDS, failure
from ewad.ingest.mqtt.settings import BrokerSettings, Version, tls_context
from ewad.ingest.mqtt.source import STEADY_SECONDS, Backoff
from ewad.outputs.mqtt.connection import PublishingConnection, linked
from ewad.outputs.mqtt.core import Listen, PublishingCore
from ewad.outputs.mqtt.outbox import Outbox, Outgoing

log = logging.getLogger("ewad.outputs.mqtt")

CLOSE_SECONDS: Final = 0.8  # for what waits when the daemon ends
JOIN_SECONDS: Final = 2.0  # for the thread, after that
LOOK_SECONDS: Final = 0.005  # between looks whether the broker has all
MOST_WAITING: Final = 1000  # messages of a client that keeps their order
OTHER: Final[dict[Version, Version]] = {"5": "3.1.1", "3.1.1": "5"}


class Publication:
    """Sends what is put into an outbox, in the event loop that runs it.

    here, gone: published first on each connection, and last; gone also by the broker when the client is gone.
    refused: messages that the broker did not take.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        outbox: Outbox,
        here: Outgoing | None = None,
        gone: Outgoing | None = None,
        listen: Sequence[Listen] = (),
    ) -> None:
        """Take the connection's settings. Raises ConfigError if its TLS files are unfit."""
        self._settings, self._outbox = settings, outbox
        self._here, self._gone, self._listen = here, gone, listen
        self._tls = tls_context(settings)
        self._version = settings.version
        self._refused = 0  # by earlier connections
        self._connection: PublishingConnection | None = None
        self._has_connection = asyncio.Event()

    @property
    def refused(self) -> int:
        """Messages that the broker did not take."""
        connection = self._connection
        return self._refused + (0 if connection is None else connection.core.refused)

    def pump(self) -> None:
        """Send what waits, if there is a connection."""
        if self._connection is not None:
            self._connection.pump()

    async def drained(self) -> None:
        """Wait until the broker has all, and until there is a connection to it where something waits.

        Raises SourceError if the connection ends before.
        """
        while not self._outbox.empty:
            await self._has_connection.wait()
            if self._connection is not None:
                await self._connection.until(lambda: self._outbox.empty)

    async def run(self, backoff: Backoff) -> None:
        """Publish until cancelled, whatever the network does."""
        loop, failed = asyncio.get_running_loop(), False
        while True:
            since = None
            try:
                async with self.connected() as connection:
                    since = loop.time()
                    log.info("publishing url=%s", self._settings.url)
                    failed = False
                    await connection.ended
            except SourceError as error:
                if not failed:
                    url = self._settings.url
                    log.warning('publishing failed url=%s reason="%s": trying again', url, error)
                failed = True
            if since is not None and loop.time() - since >= STEADY_SECONDS:
                backoff.reset()
            await asyncio.sleep(backoff.next_seconds())

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[PublishingConnection]:
        """Be connected in the block, and say farewell after it. Raises SourceError."""
        async with AsyncExitStack() as stack:
            connection = await self._open(stack)
            self._connection = connection
            self._has_connection.set()
            connection.pump()
            try:
                yield connection
            finally:
                self._connection = None
                self._has_connection.clear()
                self._refused += connection.core.refused
                await connection.finish(self._gone)

    async def _open(self, stack: AsyncExitStack) -> PublishingConnection:
        """Connect, by the other version of MQTT if the broker may know only that."""
        connection = self._new_connection(self._version)
        try:
            await self._accepted(connection, stack)
        except SourceError as error:
            if not connection.opened or not connection.core.strange:
                raise
            other = self._new_connection(OTHER[self._version])
            try:
                await self._accepted(other, stack)
            except SourceError as error_of_other:
                raise (error_of_other if other.core.answered else error) from error_of_other
            self._version = OTHER[self._version]
            return other
        return connection

    async def _accepted(self, connection: PublishingConnection, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await stack.enter_async_context(linked(self._settings, self._tls, connection))
                await connection.accepted
        except (OSError, UnicodeError) as error:
            raise failure(error, self._settings) from error

    def _new_connection(self, version: Version) -> PublishingConnection:
        def make(send: Callable[[bytes], None], tell: Callable[[Accepted | Ended], None]) -> PublishingCore:
            parts = self._settings, version, self._outbox, send, tell
            return PublishingCore(*parts, here=self._here, will=self._gone, listen=self._listen)

        return PublishingConnection(self._settings, make)


Publish = Callable[[str, bytes], Awaitable[None]]


@asynccontextmanager
async def publishing(settings: BrokerSettings) -> AsyncIterator[Publish]:
    """Yield what publishes a payload on a topic, in order, over one connection; at the end all are answered.

    Raises SourceError where the connection can't be made, or is lost.
    """
    outbox = Outbox(latest=False)
    publication, loop = Publication(settings, outbox), asyncio.get_running_loop()
    async with publication.connected() as connection:

        async def publish(topic: str, payload: bytes) -> None:
            await connection.until(lambda: outbox.waiting < MOST_WAITING)
            if outbox.put([Outgoing(topic, payload, settings.qos, retain=False)]):
                loop.call_soon(publication.pump)  # one piece for all that come before the loop's next turn

        yield publish
        await publication.drained()


class PublishingClient:
    """Publishes the latest payload of each topic, by an event loop of its own, which goes on in `run`.

    It never waits for the broker. One thread calls all but `wake`. `availability` has "online" while
    it is connected, retained.
    """

    def __init__(self, settings: BrokerSettings, availability: str, listen: Sequence[Listen] = ()) -> None:
        """Take the connection's settings. Raises ConfigError if its TLS files are unfit.

        listen: filters to subscribe to before anything is published, and what takes topics and payloads, and
        whether they were retained.
        """
        self._qos = settings.qos
        self._outbox = Outbox(latest=True)
        here, gone = (Outgoing(availability, word, 1, True) for word in (b"online", b"offline"))
        self._publication = Publication(settings, self._outbox, here, gone, listen)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: asyncio.Task[None] | None = None
        self._woken = False

    @property
    def superseded(self) -> int:
        """Payloads that a later one of their topic replaced before they were sent."""
        return self._outbox.superseded

    @property
    def refused(self) -> int:
        """Payloads that the broker did not take."""
        return self._publication.refused

    @property
    def done(self) -> bool:
        """Whether the broker has all that was published; any thread may ask."""
        return self._outbox.empty

    def begin(self) -> asyncio.AbstractEventLoop:
        """Connect once it runs; return the loop. Does nothing at a second time."""
        if self._loop is None:
            self._loop = loop = asyncio.new_event_loop()
            backoff = Backoff(Random())  # noqa: S311 (jitter is no secret)
            self._running = loop.create_task(self._publication.run(backoff), name="publishing")
            self._running.add_done_callback(lambda _: loop.stop())
        return self._loop

    def run(self) -> None:
        """Publish until it is woken. Raises what has ended it: a fault of ours."""
        self.begin().run_forever()
        self._woken = False
        if self._running is not None and self._running.done():
            self._running.result()

    def turn(self) -> None:
        """Take what has come from the broker, and send what that allows."""
        loop = self.begin()
        loop.call_soon(loop.stop)
        self.run()

    def wake(self) -> None:
        """Have `run` end, or the next one as soon as it begins; called by another thread."""
        if self._loop is not None and not self._woken:
            self._woken = True  # one does for all until then
            with suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._loop.stop)

    def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Publish this, unless a later payload of the topic comes before it can be sent."""
        self.publish_all([(topic, payload)], retain)

    def publish_all(self, payloads: Iterable[tuple[str, bytes]], retain: bool) -> None:
        """Publish payloads, each on its topic, at the next `pump`."""
        qos = self._qos
        self._outbox.put([Outgoing(topic, payload, qos, retain) for topic, payload in payloads])

    def pump(self) -> None:
        """Send what waits, as far as it may be sent."""
        self._publication.pump()

    def close(self) -> None:
        """Send what waits, within a bound, then say "offline" and disconnect."""
        if self._loop is not None:
            ending = self._loop.create_task(self._end(self._loop), name="ending")
            ending.add_done_callback(lambda _: self.begin().stop())
            while not ending.done():  # it may be woken still
                self._loop.run_forever()
            self._loop.close()
            ending.result()

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(SourceError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._publication.drained()
        assert self._running is not None  # noqa: S101 (begin makes it)
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        await loop.shutdown_default_executor()


class PublishingThread(threading.Thread):
    """A PublishingClient in a thread of its own: any other one may publish by it."""

    def __init__(self, settings: BrokerSettings, availability: str) -> None:
        """Take what a client takes."""
        super().__init__(name="publish", daemon=True)
        self.client = PublishingClient(settings, availability)
        self._ending = False

    def start(self) -> None:
        """Connect, and publish from now on."""
        self.client.begin()
        super().start()

    def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Publish this, unless a later payload of the topic comes before it can be sent."""
        self.client.publish(topic, payload, retain)
        self.client.wake()

    def flush(self, seconds: float) -> bool:
        """Wait until the broker has all that was published, within a bound; return whether it has."""
        end = time.monotonic() + seconds
        while not self.client.done:
            if time.monotonic() >= end or not self.is_alive():
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def run(self) -> None:
        """Publish until the end."""
        while not self._ending:
            self.client.pump()
            self.client.run()
        self.client.close()

    def close(self) -> None:
        """Send what waits, within a bound, then say "offline" and disconnect."""
        self._ending = True
        self.client.wake()
        self.join(CLOSE_SECONDS + JOIN_SECONDS)
