"""The socket and the timers of one connection that publishes; what is said on it is the core's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext
from typing import Final

from ewad.errors import SourceError
from ewad.ingest.mqtt.mqtt5_core import Accepted, Ended
from ewad.ingest.mqtt.session import failure
from ewad.ingest.mqtt.settings import BrokerSettings
from ewad.outputs.mqtt.core import PublishingCore
from ewad.outputs.mqtt.outbox import Outgoing

CLOSE_SECONDS: Final = 0.5  # for the broker to close after DISCONNECT

MakeCore = Callable[[Callable[[bytes], None], Callable[[Accepted | Ended], None]], PublishingCore]


class PublishingConnection(asyncio.BufferedProtocol):
    """accepted, ended: raise SourceError when it is over.  progress: set whenever there may be some."""

    def __init__(self, settings: BrokerSettings, make: MakeCore) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self.core = make(self._write, self._on_event)
        self.accepted: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.progress = asyncio.Event()
        self.opened = False
        self._lost = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the MQTT connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (tells the type checker)
        self._transport = transport
        self.opened = True
        self.core.open(self._loop.time())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self.core.buffer.free

    def buffer_updated(self, nbytes: int) -> None:
        """Take all whole packets that have come, and send what they allow."""
        self.core.received(nbytes, self._loop.time())
        self.progress.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep what the broker has not answered for."""
        self._lost.set()
        closed = SourceError(f"the broker closed the connection ({self._settings.peer})")
        self.core.end(failure(exc, self._settings) if exc else closed)

    def pause_writing(self) -> None:
        """Send nothing more for now."""
        self.core.held = True

    def resume_writing(self) -> None:
        """Send again."""
        self.core.held = False
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as it may be sent."""
        self.core.pump(self._loop.time())
        self.progress.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this holds. Raises SourceError if the connection ends before."""
        while True:
            if self.ended.done():
                self.ended.result()
            if condition():
                return
            self.progress.clear()
            await self.progress.wait()

    async def finish(self, last: Outgoing | None) -> None:
        """Send a last message and disconnect; wait, within a bound, until the broker has read it."""
        if self._timer is not None:
            self._timer.cancel()
        self.core.finish(last, self._loop.time())
        if self._transport is not None and not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._lost.wait()

    @property
    def _open_transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 (asyncio calls connection_made first)
        return self._transport

    def _write(self, data: bytes) -> None:
        if not self._lost.is_set():
            self._open_transport.write(data)

    def _on_event(self, event: Accepted | Ended) -> None:
        if isinstance(event, Accepted):
            self.accepted.set_result(None)
            self._keep_alive()
            return
        if self._timer is not None:
            self._timer.cancel()
        for future in (self.accepted, self.ended):
            if not future.done():
                future.set_exception(event.error)
                future.exception()  # seen: only one of the two is awaited
        self.progress.set()

    def _keep_alive(self) -> None:
        seconds = self.core.keep_alive(self._loop.time())
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self._keep_alive)


@asynccontextmanager
async def linked(
    settings: BrokerSettings, tls: SSLContext | None, protocol: PublishingConnection
) -> AsyncIterator[None]:
    """Have the protocol connected in the block. Raises OSError, UnicodeError or SourceError."""
    if settings.transport in ("ws", "wss"):
        async with _websocket(settings, tls, protocol):
            yield
        return
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: protocol, settings.host, settings.port, ssl=tls)
    try:
        yield
    finally:
        transport.abort()


@asynccontextmanager
async def _websocket(
    settings: BrokerSettings, tls: SSLContext | None, protocol: PublishingConnection
) -> AsyncIterator[None]:
    import aiohttp  # 0.1 s: only where a websocket is wanted

    from ewad.outputs.mqtt.websocket import WebsocketTransport, websocket_failure

    url = f"{'https' if tls else 'http'}://{settings.peer}{settings.path or '/mqtt'}"
    async with aiohttp.ClientSession() as http:
        try:
            # aiohttp's own pings and limits are off: MQTT has its keep-alive, and its sizes are looked at
            socket = await http.ws_connect(url, protocols=("mqtt",), ssl=tls or True, max_msg_size=0)
        except aiohttp.ClientError as error:
            raise websocket_failure(error) from error
        carrying = asyncio.create_task(WebsocketTransport(socket, protocol).run(), name="websocket")
        try:
            yield
        finally:
            carrying.cancel()
            await socket.close()
            await asyncio.wait([carrying])
