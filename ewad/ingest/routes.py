"""The quick ways for topics: of one number each, and of payloads that hold several as earlier ones did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ewad.engine import REFUSED
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock, Target
from ewad.ingest.formats.point import TopicWay
from ewad.ingest.formats.records import PayloadRecord


class Route(NamedTuple):
    """The quick way for a topic of one block, one value and no time field."""

    decode: Callable[[bytes], float]
    group: int
    row: int
    add_row: Callable[[int], None]
    add_value: Callable[[float], None]


class LaidOut:
    """The quick way for a topic of one block whose payloads hold several numbers."""

    __slots__ = ("_ahead", "block", "way")

    def __init__(self, block: StreamBlock, way: TopicWay) -> None:
        self.block, self.way = block, way
        self._ahead = block.settings.max_ahead_seconds

    def take(self, payload: bytes, arrival: float) -> int:
        """Add the samples of a payload to the block; return how many, 0 if the quick way is not for it."""
        return self.way.take(payload, arrival, arrival + self._ahead)

    def learn(self, target: Target, payload: bytes, records: Sequence[PayloadRecord]) -> None:
        """Learn from a payload whose records were all taken."""
        samples = [(each.key, each.value) for each in records if not isinstance(each.value, DecodeError)]
        if len(samples) == len(records) and all(
            target.rows.get(key, REFUSED) != REFUSED for key, _ in samples
        ):
            self.way.learn(payload, samples, target.rows)
