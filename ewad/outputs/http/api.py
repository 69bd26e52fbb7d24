"""The HTTP API, /api/v1: streams, their history and forecasts, and the daemon's state, as JSON."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, NoReturn

import msgspec
from aiohttp import hdrs, web

from ewad.outputs.http import documents
from ewad.outputs.http.history import POINTS, PointHistory
from ewad.outputs.http.openapi import document
from ewad.outputs.http.operations import LIMIT, OPERATIONS, ROOT, TEXT_MOST, Operation
from ewad.outputs.http.view import FoundStream, View
from ewad.outputs.prometheus.negotiation import accepts_gzip

COMPRESSED_BYTES: Final = 1024  # smaller documents are not worth it
EVENT_SECONDS: Final = 1.0  # between two looks for new points: as often as one can read a table that changes
WRITE_SECONDS: Final = 5.0  # a reader of events that takes longer is dropped
READERS: Final = 8  # of events at a time, each of them a connection of the server's

ANY: Final = r"{stream:[\s\S]+}"  # as a route has it: line ends too
PAGE: Final = (("limit", LIMIT), ("recent", 0), ("after", 0))  # of numbers, their defaults

Document = msgspec.Struct
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """Answers for one server. view: makes how things stand now; status: how the daemon is."""

    def __init__(
        self,
        view: Callable[[], View],
        status: Callable[[], documents.Status],
        history: PointHistory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view = view
        self._status = status
        self._history = history
        self._clock = clock
        self._readers: set[asyncio.Task[object]] = set()  # of events

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses and what answers there."""
        handlers: dict[str, Handler] = {
            "/status": self._get_status,
            "/groups": self._get_groups,
            "/streams": self._get_streams,
            "/streams/{stream}": partial(self._of_stream, lambda view, found, request: view.detail(found)),
            "/streams/{stream}/history": partial(self._of_stream, _history),
            "/streams/{stream}/learning": partial(
                self._of_stream, lambda view, found, request: view.learning(found)
            ),
            "/streams/{stream}/forecast": partial(
                self._of_stream, lambda view, found, request: view.curve(found)
            ),
            "/events": self._get_events,
            "/openapi.json": self._get_openapi,
        }
        # the longest paths first: a name may have slashes, written as they are or as %2F
        operations = sorted(OPERATIONS, key=lambda each: (each.path.count("{"), -len(each.path)))
        return [
            web.get(ROOT + each.path.replace("{stream}", ANY), _checked(each, handlers[each.path]))
            for each in operations
        ]

    async def _get_status(self, request: web.Request) -> web.StreamResponse:
        return _answer(request, self._status())

    async def _get_groups(self, request: web.Request) -> web.StreamResponse:
        return _answer(request, self._view().groups())

    async def _get_openapi(self, request: web.Request) -> web.StreamResponse:
        return _answer(request, document(self._status().version))

    async def _get_streams(self, request: web.Request) -> web.StreamResponse:
        limit, recent, first = (int(request.query.get(name, default)) for name, default in PAGE)
        sort, text = request.query.get("sort", "name"), request.query.get("search", "")
        view, only = self._view(), request.query.get("group")
        # In a thread: with 100,000 streams it takes some 100 ms, during which the event loop has its turns.
        found = await asyncio.to_thread(lambda: view.ordered(view.search(text, only), sort))
        page = view.again(found[first : first + limit])
        further = str(first + limit) if first + limit < len(found) else None
        return _answer(request, documents.StreamsPage(view.streams(page, recent), len(found), further))

    async def _of_stream(
        self, answer: Callable[[View, FoundStream, web.Request], Document], request: web.Request
    ) -> web.StreamResponse:
        view = self._view()
        name, group = request.match_info["stream"], request.query.get("group")
        found = view.find(name, group)
        if found is None:
            _refuse(f"stream: expected one that has samples, got {name[:200]!r}", web.HTTPNotFound)
        return _answer(request, answer(view, found, request))

    async def end(self) -> None:
        """End the readers of events, who would stay until they are cut off."""
        readers = tuple(self._readers)
        for reader in readers:
            reader.cancel()
        if readers:
            await asyncio.wait(readers)

    async def _get_events(self, request: web.Request) -> web.StreamResponse:
        """Send how the named streams stand now, and again whenever one of them has new points.

        The id of an event is the number of the newest point: a reader that comes back with Last-Event-ID
        hears at once of what has come since, and nothing where nothing has.
        """
        names = request.query.getall("stream", [])
        if len(self._readers) >= READERS:
            _refuse(f"expected at most {READERS} readers of events at a time", web.HTTPServiceUnavailable)
        seen = _last_event(request)
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"}
        )
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        reader = asyncio.current_task()
        assert reader is not None  # noqa: S101 (a coroutine that runs has one)
        self._readers.add(reader)
        try:
            await self._follow(request, response, names, seen)
        except (TimeoutError, ConnectionError):  # gone, or too slow
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._readers.discard(reader)
        return response

    async def _follow(
        self, request: web.Request, response: web.StreamResponse, names: list[str], seen: int
    ) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.prepare(request)
        told: dict[FoundStream, int] = {}
        beat = self._clock()
        while True:
            number, changed = self._history.number, []
            if number != seen:
                view = self._view()
                found = [each for name in names if (each := view.find(name)) is not None]
                samples = {each: view.samples(each) for each in found}
                changed = view.streams([each for each in found if told.get(each) != samples[each]])
                told, seen = samples, number
            if changed:
                data = msgspec.json.encode(changed)
                await _send(response, b"id: %d\nevent: streams\ndata: %b\n\n" % (number, data))
                beat = self._clock()
            elif self._clock() - beat > WRITE_SECONDS:
                await _send(response, b": still here\n\n")
                beat = self._clock()
            await asyncio.sleep(EVENT_SECONDS)


def _history(view: View, found: FoundStream, request: web.Request) -> Document:
    return view.history(found, int(request.query.get("points", POINTS)))


async def _send(response: web.StreamResponse, data: bytes) -> None:
    """Send an event. Raises TimeoutError where the reader does not keep up."""
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(data)


def _answer(request: web.Request, document: Document | dict[str, Any]) -> web.StreamResponse:
    """Return a document as JSON, or 304 where the client has it already."""
    body = msgspec.json.encode(document)
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    headers = {hdrs.CACHE_CONTROL: "no-cache", hdrs.VARY: "Accept-Encoding"}
    if any(each.value == tag for each in request.if_none_match or ()):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)
        if len(body) >= COMPRESSED_BYTES and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            response.enable_compression(web.ContentCoding.gzip)
    response.etag = tag
    return response


def _checked(operation: Operation, handler: Handler) -> Handler:
    """Return a handler that answers 400 unless each parameter is known, and as its schema says."""
    known = {parameter.name: parameter.schema for parameter in operation.parameters}

    async def checked(request: web.Request) -> web.StreamResponse:
        for name in dict.fromkeys(request.query):
            if name not in known:
                _refuse(f"{name[:40]}: unknown parameter; known: {', '.join(known) or 'none'}")
            given = request.query.getall(name)
            most = known[name].get("maxItems", 1)
            if len(given) > most:
                _refuse(f"{name}: expected at most {most}, got {len(given)}")
            for text in given:
                _check(name, text, known[name].get("items", known[name]))
        return await handler(request)

    return checked


def _check(name: str, text: str, schema: dict[str, Any]) -> None:
    """Answer 400 if the text of a parameter is not as its schema says."""
    if schema["type"] == "integer":
        least, most = schema["minimum"], schema["maximum"]
        if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
            _refuse(f"{name}: expected a whole number from {least} to {most}, got {text[:40]!r}")
    elif text not in schema.get("enum", [text]):
        _refuse(f"{name}: expected one of {', '.join(schema['enum'])}, got {text[:40]!r}")
    elif len(text) > TEXT_MOST:
        _refuse(f"{name}: expected at most {TEXT_MOST} characters, got {len(text)}")


def _last_event(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1


def _refuse(reason: str, error: type[web.HTTPError] = web.HTTPBadRequest) -> NoReturn:
    raise error(text=msgspec.json.encode(documents.Problem(reason)).decode(), content_type="application/json")
