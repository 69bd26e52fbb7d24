"""What every format is, and what it makes of a payload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.topics import Labels


class EndedError(DecodeError):
    """The sender says that it, or a device of it, is gone: no measurement, and no fault."""

    def __init__(self, message: str) -> None:
        super().__init__("missing_field", message)


class Point(NamedTuple):
    """A document that fields are read from.

    labels: what the format itself says of whose it is.  time: Unix seconds, if the format itself says when.
    fault: what is wrong beside the other points of the payload, instead of a document.
    """

    document: Any
    labels: Labels = ()
    time: float | None = None
    fault: DecodeError | None = None


# (topic, payload) -> points. Raises DecodeError.
ReadPoints = Callable[[str, bytes], Sequence[Point]]
# The value of a payload that is one number. Raises DecodeError.
Quick = Callable[[bytes], float]


def one_topic(topic: str) -> Sequence[str]:
    """Return the topic: no other one carries its streams."""
    return (topic,)


def itself(topic: str) -> str:
    """Return the topic: no other one has the same sender."""
    return topic


class Format(NamedTuple):
    """How a format is read: the FORMAT of its file.

    open: the reader of a block's payloads, of so many bytes at most.  fields, labels: (path, name) and (name,
    path) where the block names none.  dynamic: whether each point tells labels of its own.  topics: topic ->
    all topics that carry the same streams; the first one gives them their names.  sender: topic -> whose it
    is; messages of one sender explain each other, and are read in one place.  owner: topic -> the sender, or
    the device of it, whose streams an EndedError ends.  request: (topic, Unix seconds) -> topic and payload
    that ask its sender to tell all anew.  quick: None, or (steps of a path, limit, most bytes, reader of all
    payloads) -> the quick reader of one plain number.  spells_numbers: whether a payload of
    digits is that number.  laid_out: whether payloads are documents of JSON, whose layout can be learnt
    (layouts.py).  remembers: whether earlier messages explain later ones.
    """

    open: Callable[[StreamSettings, int], ReadPoints]
    fields: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    dynamic: bool = False
    topics: Callable[[str], Sequence[str]] = one_topic
    sender: Callable[[str], str] = itself
    owner: Callable[[str], str] = itself
    request: Callable[[str, float], tuple[str, bytes]] | None = None
    quick: Callable[[tuple[str, ...], float, int, Quick], Quick] | None = None
    spells_numbers: bool = False
    laid_out: bool = False
    remembers: bool = False
