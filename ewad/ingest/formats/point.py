"""What every format is, and what it makes of a payload."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.fields import Way
from ewad.ingest.topics import Labels

Key = tuple[Labels, str]  # the labels that the payload tells, and the name of the field, "" for the only one
Sample = tuple[Key, float]


class NoMeasurementError(DecodeError):
    """A message that is not meant to hold a measurement: neither a fault nor a wrong path."""

    def __init__(self, message: str) -> None:
        super().__init__("missing_field", message)


class EndedError(NoMeasurementError):
    """The sender says that it, or a device of it, is gone."""


class Point(NamedTuple):
    """A document that fields are read from.

    labels: what the format itself says of whose it is.  time: Unix seconds, if the format itself says when.
    fault: what is wrong beside the other points of the payload, instead of a document.  delay: seconds from
    the arrival to the time, if the format says only that.
    """

    document: Any
    labels: Labels = ()
    time: float | None = None
    fault: DecodeError | None = None
    delay: float = 0.0


# (topic, payload) -> points. Raises DecodeError.
ReadPoints = Callable[[str, bytes], Sequence[Point]]
# The value of a payload that is one number. Raises DecodeError.
Quick = Callable[[bytes], float]


class Asked(NamedTuple):
    """What a block asks of payloads, if that is numbers by their paths, and every one of ordinary size.

    True and false are 1 and 0 to it.

    fields: (path, name).  low, high: what a number lies between.  words: texts that are numbers to the block.
    """

    fields: Sequence[tuple[Way, str]]
    low: float
    high: float
    words: Collection[str]
    max_bytes: int

    def names_of(self, key: str) -> list[str]:
        """Return under which names the block takes the number that a table has under this key."""
        table = {key: 0.0}
        plain = [name for way, name in self.fields if way.plain and way.one(table, table) == 0.0]
        return plain + [
            own or name
            for way, name in self.fields
            if not way.plain
            for _, _, own, _ in way.all(table, table)
        ]


class WaitingSamples(NamedTuple):
    """Samples that wait.  rows: of streams.  times: Unix seconds, of blocks whose payloads tell them."""

    rows: array[int]
    values: array[float]
    times: array[float]


class TopicWay(Protocol):
    """A quick way for the payloads of one topic, which learns from those that were read the general way."""

    def take(self, payload: bytes, arrival: float, latest: float, /) -> int:
        """Let the samples of a payload wait, as the general way would; return how many.

        0: it has to be read that way. latest: a time later than that is none.
        """

    def learn(self, payload: bytes, samples: Sequence[Sample], rows: Mapping[Key, int]) -> None:
        """Take in a payload whose records, these samples, were all taken; rows: of the topic's streams."""


class Remembering(Protocol):
    """What remembers something of the messages of a block."""

    def take_told(self) -> Sequence[tuple[str, bytes]]:
        """Return (key, content) of what has changed since the last call, in the order of `Told`."""

    def recall(self, key: str, content: bytes) -> None:
        """Know that again. Raises DecodeError if it is nothing that `take_told` returned."""


# (topic, where its samples are to wait) -> its quick way; None: it has none.
OpenWay = Callable[[str, WaitingSamples], TopicWay | None]


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
    digits is that number.  ways: None, or (what `open` returned, what the block asks) -> what gives each
    topic its quick way, or None.  remembers: whether earlier messages explain later ones; what
    `open` returned is Remembering then.
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
    ways: Callable[[Any, Asked], OpenWay | None] | None = None
    remembers: bool = False
