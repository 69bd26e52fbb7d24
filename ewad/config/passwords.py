"""Passwords of HTTP users, kept as scrypt hashes in the PHC string format: $scrypt$ln=14,r=8,p=5$salt$hash.

Source: RFC 7914 (scrypt); the PHC string format specification; OWASP's parameters of 16 MiB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

LOG2_N, R, P = 14, 8, 5
SALT_BYTES = HASH_BYTES = 32
MAX_BYTES = 64 * 2**20  # of memory, for one comparison
MAX_WORK = 2**24  # N r p: some seconds of a core

_PHC = re.compile(
    r"\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)", re.ASCII
)


class PasswordHash:
    """What is known of a password: whether a text is it, and no more."""

    __slots__ = ("_hash", "_log2_n", "_p", "_r", "_salt")

    def __init__(self, log2_n: int, r: int, p: int, salt: bytes, digest: bytes) -> None:
        self._log2_n, self._r, self._p = log2_n, r, p
        self._salt, self._hash = salt, digest

    @classmethod
    def of(cls, password: str) -> PasswordHash:
        """Return a new hash of the password, with a salt of its own."""
        salt = secrets.token_bytes(SALT_BYTES)
        return cls(LOG2_N, R, P, salt, _scrypt(password, salt, LOG2_N, R, P, HASH_BYTES))

    @classmethod
    def parse(cls, text: str) -> PasswordHash:
        """Return the hash that text() gave. Raises ValueError, which doesn't show the text."""
        found = _PHC.fullmatch(text)
        if not found:
            raise ValueError("expected a hash as `ewad hash-password` prints it")
        log2_n, r, p = (int(number) for number in found.groups()[:3])
        if 128 * r << log2_n > MAX_BYTES or r * p << log2_n > MAX_WORK:
            raise ValueError(f"expected scrypt within {MAX_BYTES >> 20} MiB, got ln={log2_n},r={r},p={p}")
        try:
            salt, digest = (base64.b64decode(part + "=" * (-len(part) % 4)) for part in found.groups()[3:])
        except binascii.Error as error:
            raise ValueError("expected salt and hash in base64") from error
        return cls(log2_n, r, p, salt, digest)

    def of_nobody(self) -> PasswordHash:
        """Return a hash that is no password's, and takes as long to compare as this one."""
        salt, digest = secrets.token_bytes(len(self._salt)), secrets.token_bytes(len(self._hash))
        return PasswordHash(self._log2_n, self._r, self._p, salt, digest)

    @property
    def work(self) -> int:
        """How long a comparison takes, in units of the same: N r p."""
        return self._r * self._p << self._log2_n

    def text(self) -> str:
        """Return the hash in the PHC string format."""
        salt, digest = (base64.b64encode(part).decode().rstrip("=") for part in (self._salt, self._hash))
        return f"$scrypt$ln={self._log2_n},r={self._r},p={self._p}${salt}${digest}"

    def matches(self, password: str) -> bool:
        """Whether this is the password; takes a tenth of a second of CPU, without holding Python's lock."""
        digest = _scrypt(password, self._salt, self._log2_n, self._r, self._p, len(self._hash))
        return hmac.compare_digest(digest, self._hash)

    def __repr__(self) -> str:
        return '"***"'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PasswordHash) and other.text() == self.text()

    def __hash__(self) -> int:
        return hash(self._hash)


def _scrypt(password: str, salt: bytes, log2_n: int, r: int, p: int, size: int) -> bytes:
    memory = 2 * MAX_BYTES  # OpenSSL counts somewhat more than 128 N r
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << log2_n, r=r, p=p, maxmem=memory, dklen=size)
