"""Secrets: known to whoever asks for them by name, shown to nobody, and written nowhere."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from ewad.config.passwords import PasswordHash


class Secret:
    """A text that no message, log or repr shows; reveal() gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return '"***"'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("expected settings without secrets: a secret stays in the process that read it")


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """All secrets of a configuration. A pickled record holds none: they stay in the process that read them.

    mqtt_query: of a websocket's url, which may hold a token.  http_users: the hash of each user's password.
    otlp_headers: names and values of what each push has.
    """

    mqtt_password: Secret | None = None
    mqtt_query: Secret | None = None
    publish_password: Secret | None = None
    http_users: dict[str, PasswordHash] = {}
    otlp_headers: tuple[tuple[str, Secret], ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return Secrets, ()

    def __deepcopy__(self, memo: object) -> Secrets:
        return self
