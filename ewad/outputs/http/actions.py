"""What may be done over HTTP: POST /api/v1/actions/..., from this machine, or by a user who is let in.

A browser must not be led to act by a page of somebody else's: requests need a JSON body, for which browsers
ask first, and what a page has sent says so in Origin.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
from aiohttp import hdrs, web

from ewad.config.syntax import quoted
from ewad.errors import ConfigError
from ewad.outputs.http import documents

ROOT: Final = "/api/v1/actions"
BODY_BYTES: Final = 4096
READ_SECONDS: Final = 5.0
PROXIED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")  # whose peer is not who asks

Allowed = Literal["local", "users", "off"]

log = logging.getLogger(__name__)


class Reload(msgspec.Struct, forbid_unknown_fields=True):
    """Read the configuration again."""


class Forget(msgspec.Struct, forbid_unknown_fields=True):
    """Forget a stream. group: whose, where several blocks have one of that name."""

    stream: str
    group: str | None = None


class MarkNormal(msgspec.Struct, forbid_unknown_fields=True):
    """Take back a stream's anomaly: its score is 0 until the next sample. group: as of forget."""

    stream: str
    group: str | None = None


class SetLearningRate(msgspec.Struct, forbid_unknown_fields=True):
    """Give a model this constant learning rate, until the configuration is read again."""

    model: str
    learning_rate: float


Request = Reload | Forget | MarkNormal | SetLearningRate


class Actor(Protocol):
    """Who does it. Each returns what was done; LookupError: there is no such stream or model."""

    async def do(self, request: Any) -> str:
        """Do what is asked. Raises ConfigError or LookupError where that can't be."""


class Action(NamedTuple):
    """One address, and the body that it takes."""

    path: str
    body: type[Any]

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.body.__doc__ or "").partition(".")[0] + "."


ACTIONS: Final = (
    Action("/reload", Reload),
    Action("/forget", Forget),
    Action("/normal", MarkNormal),
    Action("/learning-rate", SetLearningRate),
)


class Desk:
    """Takes requests for one server, and counts them. counts: by action and outcome, done or refused."""

    def __init__(self, actor: Actor | None, allowed: Allowed, counts: Counter[tuple[str, str]]) -> None:
        self._actor = actor
        self._allowed = allowed
        self.counts = counts
        self._tasks: set[asyncio.Future[str]] = set()
        self._ending = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses and what answers there."""
        return [web.post(ROOT + each.path, partial(self._take, each)) for each in ACTIONS]

    async def _take(self, action: Action, request: web.Request) -> web.Response:
        name, peer = action.path[1:], quoted(request.remote or "")
        reason = self._why_not(request.remote, request.headers)
        if reason is not None:
            return self._refuse(name, peer, reason, 403)
        try:
            async with asyncio.timeout(READ_SECONDS):
                text = await request.read()
            body = msgspec.json.decode(text or b"{}", type=action.body)
        except TimeoutError:
            return self._refuse(name, peer, f"expected the whole request within {READ_SECONDS:g} s", 408)
        except (ValueError, RecursionError) as error:  # also of msgspec
            return self._refuse(name, peer, str(error), 400)
        try:
            done = await self._done(body)
        except LookupError as error:
            return self._refuse(name, peer, str(error.args[0]), 404)
        except ConfigError as error:
            return self._refuse(name, peer, str(error), 409)
        self.counts[name, "done"] += 1
        log.info("action done action=%s peer=%s: %s", name, peer, done)
        return _answer(documents.Done(done), 200)

    async def _done(self, body: Any) -> str:
        """Return what was done, or that it goes on where this server ends meanwhile, as by a reload."""
        assert self._actor is not None  # noqa: S101 (nothing is allowed without)
        task = asyncio.ensure_future(self._actor.do(body))  # which a client that leaves does not end
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        ending = asyncio.create_task(self._ending.wait(), name="http ending")
        await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if task.done():
            return task.result()
        return (
            "it goes on: the log says what comes of it, since the server makes room for one of other settings"
        )

    def end(self) -> None:
        """Let requests that wait be answered now."""
        self._ending.set()

    def _why_not(self, peer: str | None, headers: Mapping[str, str]) -> str | None:
        """Return why a request is not let through, None if it is. Whoever is no user is not let in before."""
        if self._actor is None or self._allowed == "off":
            return 'actions are off: [http] actions = "local" lets them be done from this machine'
        if (
            hdrs.ORIGIN in headers
            or headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0] != "application/json"
        ):
            return "expected Content-Type: application/json and no Origin: pages may not act"
        if self._allowed == "users":
            return None
        if not _is_local(peer) or any(name in headers for name in PROXIED):
            return (
                'expected a request from this machine: [http] actions = "users" lets users act from elsewhere'
            )
        return None

    def _refuse(self, name: str, peer: str, reason: str, status: int) -> web.Response:
        self.counts[name, "refused"] += 1
        log.warning("action refused action=%s peer=%s: %s", name, peer, reason)
        return _answer(documents.Problem(reason), status)


def _is_local(peer: str | None) -> bool:
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _answer(document: msgspec.Struct, status: int) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(document), content_type="application/json")
