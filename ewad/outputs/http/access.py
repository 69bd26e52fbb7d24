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
LOG_SECONDS: Final = 60.0  # wrong passwords are told so often at the most

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


class Gate:
    """Lets in whoever names a user and the password of that user.

    A password that was right is remembered as a keyed digest for as long as the process lives, because scrypt
    is slow on purpose. Guesses wait for each other, so they cost a part of one core, whoever makes them.
    """

    def __init__(self, users: Mapping[str, PasswordHash]) -> None:
        self._users = users
        self._key = secrets.token_bytes(32)
        self._known: set[bytes] = set()  # digests of credentials that were right: one a user
        self._one_at_a_time = asyncio.Lock()
        self._nobody = PasswordHash.of(secrets.token_hex())  # unknown users take as long as known ones
        self._told_at = -LOG_SECONDS

    async def admits(self, authorization: str, peer: str) -> bool:
        """Whether an Authorization header ("": none) names a user and the right password."""
        found = _credentials(authorization)
        if found is None:
            return False
        user, password = found
        digest = hmac.digest(self._key, f"{user}:{password}".encode(), hashlib.sha256)
        if digest in self._known:
            return True
        async with self._one_at_a_time:
            right = await asyncio.to_thread(self._users.get(user, self._nobody).matches, password)
            if not right or user not in self._users:
                self._tell(user, peer)
                await asyncio.sleep(REFUSAL_SECONDS)
                return False
        self._known.add(digest)
        return True

    def _tell(self, user: str, peer: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= LOG_SECONDS:
            self._told_at = now
            log.warning("wrong user or password user=%s peer=%s", quoted(user), peer)


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
