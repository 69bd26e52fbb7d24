"""The HTTP server: /metrics, /healthz, /readyz, the API and the live page."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from aiohttp import hdrs, web, web_response
from aiohttp.http_exceptions import HttpProcessingError

from ewad.config.passwords import PasswordHash
from ewad.engine import Engine
from ewad.errors import ConfigError
from ewad.outputs.http import documents, page
from ewad.outputs.http.access import Gate, TooManyGuesses
from ewad.outputs.http.actions import BODY_BYTES, Actor, Allowed, Desk
from ewad.outputs.http.api import Api
from ewad.outputs.http.history import PointHistory
from ewad.outputs.http.learning import LOOK_SECONDS, LearningHistory
from ewad.outputs.http.listening import Listener, listening_at
from ewad.outputs.http.readers import Readers
from ewad.outputs.http.view import View
from ewad.outputs.prometheus.exposition import Exposition
from ewad.outputs.prometheus.instruments import Instruments
from ewad.outputs.prometheus.negotiation import accepts_gzip, wants_openmetrics

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

SCRAPES_AT_ONCE: Final = 2  # two Prometheus servers as a pair; more take turns: ingest keeps its share
SCRAPE_SECONDS: Final = 30.0  # Prometheus waits 10 s by default
PAUSE_SECONDS: Final = 0.001  # after each 2 ms slice: ingest gets a third of the time at the least
SHUTDOWN_SECONDS: Final = 0.1  # aiohttp waits so long twice for running requests
IDLE_SECONDS: Final = 20.0  # for the whole head of a request, and between two: slow clients are cut off
UNREAD_SECONDS: Final = 1.0  # of a body that nobody wants: it is read past for so long, and never kept
HEADERS: Final = 64  # of a request, 8 KiB each, like its first line
CANNOT_LISTEN: Final = (OSError, UnicodeError, OverflowError)  # why no server can listen at an address
GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header

COMMON_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# aiohttp would name itself, Python and their versions in each response.
web_response.SERVER_SOFTWARE = "ewad"  # type: ignore[attr-defined]

log = logging.getLogger(__name__)
_protocol_log = logging.getLogger(__name__ + ".protocol")
_protocol_log.addFilter(lambda record: not _is_clients_fault(record))


def _is_clients_fault(record: logging.LogRecord) -> bool:
    """Whether aiohttp logs a malformed request, traceback and all: answered by 400, no matter of ours."""
    return record.exc_info is not None and isinstance(record.exc_info[1], HttpProcessingError)


class HttpServer:
    """Serves one engine's results over HTTP."""

    def __init__(
        self,
        listen_host: str,
        listen_port: int,
        *,
        engine: Engine,
        exposition: Exposition,
        instruments: Instruments,
        not_ready: Callable[[], str | None],
        tls: ssl.SSLContext | None = None,
        users: Mapping[str, PasswordHash] | None = None,
        units: Sequence[str | None] = (),
        history: PointHistory | None = None,
        clock: Callable[[], float] = time.time,
        actor: Actor | None = None,
        actions: Allowed = "local",
    ) -> None:
        """Take where to listen (port 0: any free one), what to show, and what says why ewad is not ready.

        not_ready returns None when all is well, else a sentence for people. users: none, or all who may read.
        units: of each group's values, where told.  history: what is fed with the results of batches.
        actor: who does what is asked for by POST; actions: who may ask.
        """
        self._listen = (listen_host, listen_port)
        self._engine = engine
        self._exposition = exposition
        self._instruments = instruments
        self._not_ready = not_ready
        self._units = units
        self._history = history or PointHistory()
        self._clock = clock
        self._api = Api(self._view, self._status, self._history)
        self._desk = Desk(actor, actions, instruments.actions)
        self._turns = Turns()
        self._tls = tls
        self._gate = Gate(users) if users else None
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self._readers = Readers()
        self.learning = LearningHistory()
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> list[tuple[str, int]]:
        """Listen; return the actual addresses (host, port). Raises ConfigError when that can't be."""
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=_protocol_log,
            shutdown_timeout=SHUTDOWN_SECONDS,
            handle_signals=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=UNREAD_SECONDS,
            max_headers=HEADERS,
            auto_decompress=False,
        )
        await runner.setup()
        assert runner.server is not None  # noqa: S101 (set up)
        listener = Listener(runner.server, lambda: _peers(runner), self._tls)
        try:
            addresses = await listener.start(*self._listen)
        except CANNOT_LISTEN as error:
            await runner.cleanup()
            raise _refusal(error, *self._listen) from error
        self._runner, self._listener = runner, listener
        self._watching = [
            asyncio.create_task(self._readers.run(), name="http readers"),
            asyncio.create_task(self._learn(), name="http learning"),
        ]
        return addresses

    def go_on_from(self, earlier: HttpServer) -> None:
        """Know who and what was known to another server."""
        self.learning = earlier.learning
        if self._gate is not None and earlier._gate is not None:
            self._gate.go_on_from(earlier._gate)

    def show(self, engine: Engine, exposition: Exposition, units: Sequence[str | None]) -> None:
        """Show another engine from the next request on."""
        self._engine, self._exposition, self._units = engine, exposition, units

    async def stop(self) -> None:
        """Stop listening and end all connections, at once or nearly so."""
        runner, self._runner = self._runner, None
        if runner is None or self._listener is None:
            return
        for task in self._watching:
            task.cancel()
        self._desk.end()
        await self._listener.stop()
        await self._api.end()
        await runner.cleanup()

    def _application(self) -> web.Application:
        middlewares = [] if self._gate is None else [self._checked]
        app = web.Application(middlewares=middlewares, client_max_size=BODY_BYTES)
        app.add_routes(
            [
                *page.routes(),
                *self._api.routes(),
                *self._desk.routes(),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        app.on_response_prepare.extend([_set_common_headers, self._readers.watch])
        return app

    @web.middleware
    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 401 unless a user and the right password are named. /healthz only says "ok", to anyone."""
        assert self._gate is not None  # noqa: S101 (no middleware without)
        authorization = request.headers.get(hdrs.AUTHORIZATION, "")
        if request.match_info.handler == self._healthz:
            return await handler(request)
        try:
            if await self._gate.admits(authorization, request.remote or ""):
                return await handler(request)
        except TooManyGuesses:
            text = "too many passwords wait to be looked at: try again\n"
            return web.Response(status=429, text=text, headers={hdrs.RETRY_AFTER: "1"})
        challenge = {hdrs.WWW_AUTHENTICATE: 'Basic realm="ewad", charset="UTF-8"'}
        return web.Response(status=401, text="expected a user and a password\n", headers=challenge)

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._not_ready()
        if reason is None:
            return web.Response(text="ready\n")
        return web.Response(status=503, text=reason + "\n")

    def _view(self) -> View:
        units = self._units or [None] * len(self._engine.groups)
        return View(
            self._engine,
            lambda group: self._exposition.shown(group, self._clock()),
            units,
            self._history,
            self._clock,
            self.learning,
        )

    async def _learn(self) -> None:
        """Look again and again at how the models of watched streams stand."""
        while True:
            self.learning.look(self._engine, self._history.watched)
            await asyncio.sleep(LOOK_SECONDS)

    def _status(self) -> documents.Status:
        return self._instruments.status(self._not_ready())

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        openmetrics = wants_openmetrics(request.headers.get(hdrs.ACCEPT, ""))
        gzip = accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: OPENMETRICS if openmetrics else TEXT,
                hdrs.VARY: "Accept, Accept-Encoding",
                **({hdrs.CONTENT_ENCODING: "gzip"} if gzip else {}),
            }
        )
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        try:
            async with asyncio.timeout(SCRAPE_SECONDS):
                await response.prepare(request)
                turns = self._turns.of(request.remote or "")
                async for part in _paced(self._document(openmetrics), gzip, turns):
                    await response.write(part)
                await response.write_eof()
        except (TimeoutError, ConnectionError):  # a document cut short must not look whole
            if request.transport is not None:
                request.transport.abort()
        return response

    def _document(self, openmetrics: bool) -> Iterator[bytes]:
        """Yield the instruments, then the engine's series, which end the document."""
        yield self._instruments.render(openmetrics)
        yield from self._exposition.render(self._clock, openmetrics)


class Turns:
    """Who may render next: so many peers at a time, and of each peer one scrape.

    A turn lasts for one slice, not for a document: a reader that is slow keeps nobody else waiting.
    """

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(SCRAPES_AT_ONCE)
        self._peers: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, peer: str) -> Callable[[], AbstractAsyncContextManager[None]]:
        """Return what waits for a turn of that peer."""
        of_peer = self._peers.setdefault(peer, asyncio.Lock())

        @asynccontextmanager
        async def turn() -> AsyncIterator[None]:
            async with of_peer, self._all:
                yield

        return turn


async def _paced(
    slices: Iterator[bytes], gzip: bool, turn: Callable[[], AbstractAsyncContextManager[None]]
) -> AsyncIterator[bytes]:
    """Yield the slices, each made in its turn and compressed if asked for; let others run after each."""
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP) if gzip else None
    while True:
        async with turn():
            part = next(slices, None)
            # In a thread: it takes longer than the text does, and lets the event loop run meanwhile.
            packed = await asyncio.to_thread(packer.compress, part) if packer and part else part
            await asyncio.sleep(PAUSE_SECONDS)
        if part is None:
            break
        if packed:
            yield packed
    if packer:
        yield packer.flush()


def _peers(runner: web.AppRunner) -> Iterator[str]:
    """Yield the peer's address of each open connection."""
    assert runner.server is not None  # noqa: S101 (set up)
    for connection in runner.server.connections:
        name = connection.transport and connection.transport.get_extra_info("peername")
        if name:
            yield name[0]


async def _set_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in COMMON_HEADERS.items():
        response.headers.setdefault(name, value)


def try_to_listen(host: str, port: int) -> None:
    """Listen for a moment. Raises ConfigError when that can't be."""
    try:
        for each in listening_at(host, port):
            each.close()
    except CANNOT_LISTEN as error:
        raise _refusal(error, host, port) from error


def _refusal(error: Exception, host: str, port: int) -> ConfigError:
    return ConfigError(f"http.listen: {_why_not(error, host, port)}")


def _why_not(error: Exception, host: str, port: int) -> str:
    """Return in one line why the server can't listen there."""
    if isinstance(error, OverflowError):
        return f"expected a port from 0 to 65535, got {port}"
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):
        return f'unknown host "{host}": expected an address of this machine and a port'
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"can't listen on {host}:{port}: {reason[0].lower()}{reason[1:]}"
