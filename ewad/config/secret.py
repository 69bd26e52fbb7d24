"""Secrets: known to whoever asks for them by name, shown to nobody."""

from __future__ import annotations


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
