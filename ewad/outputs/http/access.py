"""Who may read what the HTTP server has: TLS, and HTTP basic authentication (RFC 7617)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import ssl
from collections.abc import Mapping
from typing import Final

from ewad.config import HttpSettings
from ewad.config.passwords import PasswordHash
from ewad.config.syntax import quoted
from ewad.errors import ConfigError

REFUSAL_SECONDS: Final = 0.25  # until the next password after a wrong one: few guesses a second
GUESSES: Final = 6  # passwords that may wait at a time: 2 s of work; further ones are refused at once
GUESSES_OF_A_PEER: Final = 3  # of them

log = logging.getLogger(__name__)


def server_tls(settings: HttpSettings) -> ssl.SSLContext | None:
    """Return how the server speaks TLS (1.2 or later), None without. Raises ConfigError for unfit files."""
    if settings.cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # An empty password makes an encrypted key an error; without one OpenSSL would ask on the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except (ssl.SSLError, OSError) as error:
        files = f"{settings.cert_file} and {settings.key_file}"
        raise ConfigError(
            f"http.cert_file: {files}: expected a PEM certificate and its unencrypted key: {error}"
        ) from error
    return context


class TooManyGuesses(Exception):  # noqa: N818 (no error of ours)
    """More passwords wait than shall be looked at."""


class Gate:
    """Lets in whoever names a user, of one or more, and the password of that user.

    A password that was right is remembered as a keyed digest for as long as the process lives, because scrypt
    is slow on purpose. Other passwords wait for each other, so they cost a part of one core, whoever sends
    them; beyond a few they are refused unseen.
    """

    def __init__(self, users: Mapping[str, PasswordHash]) -> None:
        self._users = users
        self._key = secrets.token_bytes(32)
        self._known: dict[str, bytes] = {}  # user -> digest of the credentials that were right
        self._waiting: dict[bytes, tuple[str, asyncio.Task[bool]]] = {}  # digest -> peer, verdict to come
        self._one_at_a_time = asyncio.Lock()
        # Unknown users take as long as known ones; where those differ, as the slowest.
        self._nobody = max(users.values(), key=lambda stored: stored.work).of_nobody()

    def go_on_from(self, earlier: Gate) -> None:
        """Know who was known to another gate, where the user's hash is still the same."""
        self._key = earlier._key
        same = {user for user, stored in self._users.items() if stored == earlier._users.get(user)}
        self._known = {user: digest for user, digest in earlier._known.items() if user in same}

    async def admits(self, authorization: str, peer: str) -> bool:
        """Whether an Authorization header ("": none) names a user and the right password.

        Raises TooManyGuesses where that can't be looked at now.
        """
        found = _credentials(authorization)
        if found is None:
            return False
        user, password = found
        digest = hmac.digest(self._key, f"{user}:{password}".encode(), hashlib.sha256)
        if self._known.get(user) == digest:
            return True
        if digest not in self._waiting:
            peers = [waiting for waiting, _ in self._waiting.values()]
            if len(peers) >= GUESSES or peers.count(peer) >= GUESSES_OF_A_PEER:
                raise TooManyGuesses
            task = asyncio.create_task(self._look_at(user, password, digest, peer), name="http password")
            self._waiting[digest] = peer, task
            task.add_done_callback(lambda _: self._waiting.pop(digest))
        return await asyncio.shield(self._waiting[digest][1])  # of one request of several with one password

    async def _look_at(self, user: str, password: str, digest: bytes, peer: str) -> bool:
        async with self._one_at_a_time:
            right = await asyncio.to_thread(self._users.get(user, self._nobody).matches, password)
            if right and user in self._users:
                self._known[user] = digest
                return True
            log.warning("wrong user or password user=%s peer=%s", quoted(user), peer)
            await asyncio.sleep(REFUSAL_SECONDS)
            return False


def _credentials(authorization: str) -> tuple[str, str] | None:
    """Return user and password of an Authorization header, None if it holds none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):  # ValueError: not UTF-8, or not ASCII before
        return None
    return (user, password) if colon else None
