"""The quick ways for topics: of one number each, and of documents that come laid out alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ewad.engine import REFUSED
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock, Target
from ewad.ingest.formats.layouts import ReadLayout
from ewad.ingest.formats.records import PayloadRecord

# So often the layout of a topic's documents is learnt: who changes it each time is read whole.
MOST_LAYOUTS = 16


class Route(NamedTuple):
    """The quick way for a topic of one block, one value and no time field."""

    decode: Callable[[bytes], float]
    group: int
    row: int
    add_row: Callable[[int], None]
    add_value: Callable[[float], None]


class LaidOut:
    """The quick way for a topic of one block whose documents hold several numbers (formats/layouts.py).

    read: the numbers of a payload, of the streams in these rows; None: it is laid out otherwise.
    tries: how often a layout was learnt.
    """

    __slots__ = ("block", "read", "rows", "tries")

    def __init__(self, block: StreamBlock) -> None:
        self.block = block
        self.read: ReadLayout = lambda payload: None
        self.rows: list[int] = []
        self.tries = 0

    def take(self, payload: bytes) -> bool:
        """Add the samples of a payload to the block; return whether it is laid out as the one learnt last."""
        values = self.read(payload)
        if values is None:
            return False
        self.block.rows += self.rows
        self.block.values += values
        return True

    def learn(self, target: Target, payload: bytes, records: Sequence[PayloadRecord]) -> None:
        """Take the layout of a payload whose records were all taken."""
        if self.tries >= MOST_LAYOUTS:
            return
        rows = [target.rows.get(record.key, REFUSED) for record in records]
        values = [record.value for record in records if not isinstance(record.value, DecodeError)]
        if REFUSED in rows or len(values) < len(rows):
            return
        self.tries += 1
        read = self.block.reader.layout(payload, values)
        if read is not None:
            self.read, self.rows = read, rows
