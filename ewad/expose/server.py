"""The HTTP server: /metrics, /healthz, /readyz and the landing page."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from aiohttp import hdrs, web, web_response
from aiohttp.http_exceptions import HttpProcessingError

from ewad.engine import Engine
from ewad.errors import ConfigError
from ewad.expose import landing
from ewad.expose.exposition import Exposition
from ewad.expose.instruments import Instruments
from ewad.expose.negotiation import accepts_gzip, wants_openmetrics

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

SCRAPES_AT_ONCE: Final = 2  # two Prometheus servers as a pair; more wait, so that ingest keeps its share
SCRAPE_SECONDS: Final = 30.0  # a client that reads slower would keep others waiting
PAUSE_SECONDS: Final = 0.001  # after each 2 ms slice: ingest gets a third of the time at the least
SHUTDOWN_SECONDS: Final = 0.1  # aiohttp waits so long twice for running requests
GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header

# aiohttp would name itself, Python and their versions in each response.
web_response.SERVER_SOFTWARE = "ewad"  # type: ignore[attr-defined]

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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take where to listen (port 0: any free one), what to show, and what says why ewad is not ready.

        not_ready returns None when all is well, else a sentence for people.
        """
        self._listen = (listen_host, listen_port)
        self._engine = engine
        self._exposition = exposition
        self._instruments = instruments
        self._not_ready = not_ready
        self._clock = clock
        self._scrapes = asyncio.Semaphore(SCRAPES_AT_ONCE)
        self._runner: web.AppRunner | None = None

    async def start(self) -> list[tuple[str, int]]:
        """Listen; return the actual addresses (host, port). Raises ConfigError when that can't be."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        app.on_response_prepare.append(_set_common_headers)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_protocol_log,
            shutdown_timeout=SHUTDOWN_SECONDS,
            handle_signals=False,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, *self._listen).start()
        except (OSError, UnicodeError, OverflowError) as error:
            await runner.cleanup()
            raise ConfigError(f"http.listen: {_why_not(error, *self._listen)}") from error
        self._runner = runner
        return [(address[0], address[1]) for address in runner.addresses]

    async def stop(self) -> None:
        """Stop listening and end all connections, at once or nearly so."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._not_ready()
        if reason is None:
            return web.Response(text="ready\n")
        return web.Response(status=503, text=reason + "\n")

    async def _page(self, request: web.Request) -> web.Response:
        html = landing.render(
            self._instruments.version,
            self._instruments.streams(),
            self._instruments.connected(),
            self._not_ready(),
            landing.first_rows(self._engine, lambda group: self._exposition.shown(group, self._clock())),
        )
        body = html.encode(errors="replace")
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=landing.HEADERS)

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
        async with self._scrapes:
            try:
                async with asyncio.timeout(SCRAPE_SECONDS):
                    await response.prepare(request)
                    async for part in _paced(self._document(openmetrics), gzip):
                        await response.write(part)
                    await response.write_eof()
            except (TimeoutError, ConnectionError):  # a document cut short must not look whole
                if request.transport is not None:
                    request.transport.abort()
        return response

    def _document(self, openmetrics: bool) -> Iterator[bytes]:
        """Yield the instruments, then the engine's series, which end the document."""
        yield self._instruments.render(openmetrics)
        yield from self._exposition.render(self._clock(), openmetrics)


async def _paced(slices: Iterator[bytes], gzip: bool) -> AsyncIterator[bytes]:
    """Yield the slices, compressed if asked for, and leave the event loop to others after each."""
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP) if gzip else None
    for part in slices:
        packed = packer.compress(part) if packer else part
        if packed:
            yield packed
        await asyncio.sleep(PAUSE_SECONDS)
    if packer:
        yield packer.flush()


async def _set_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"


def _why_not(error: Exception, host: str, port: int) -> str:
    """Return in one line why the server can't listen there."""
    if isinstance(error, OverflowError):
        return f"expected a port from 0 to 65535, got {port}"
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):
        return f'unknown host "{host}": expected an address of this machine and a port'
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"can't listen on {host}:{port}: {reason[0].lower()}{reason[1:]}"
