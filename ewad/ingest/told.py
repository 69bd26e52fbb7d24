"""What messages have told that later ones need: the births of devices, the last totals of counters.

It is kept with the state. So a restart is to devices what a reconnection is: metrics are known by their
aliases, lost messages are noticed, and the rate of a counter spans the time without the daemon.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ewad.engine.group import Group
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock
from ewad.ingest.formats.point import Remembering
from ewad.ingest.formats.table import FORMATS

log = logging.getLogger("ewad.ingest")

MOST_BYTES = 16 << 20  # of all entries together
ENTRY_BYTES = 200  # of an entry beside its content, about


class Told(NamedTuple):
    """One entry.

    block: its name.  kind: of what is remembered.  key: whose it is; "": all of that kind.  content: b"":
    forget it.  reading: that of its block; what another reading was told means nothing to it.
    """

    block: str
    kind: str
    key: str
    content: bytes
    reading: int = 0


def take_told(blocks: Sequence[StreamBlock]) -> list[Told]:
    """Return what has changed since the last call. blocks: here and below, those that remember anything."""
    return [
        Told(block.settings.name, kind, *entry, block.reading)
        for block in blocks
        for kind, memory in _memories(block)
        for entry in memory.take_told()
    ]


def recall(blocks: Sequence[StreamBlock], entries: Iterable[Told]) -> None:
    """Know again what was told before."""
    memories = {
        (block.settings.name, kind, block.reading): each
        for block in blocks
        for kind, each in _memories(block)
    }
    for block, kind, key, content, reading in entries:
        memory = memories.get((block, kind, reading))
        try:
            if memory is not None:
                memory.recall(key, content)
        except DecodeError as error:
            log.warning('state dropped: block "%s": %s of "%s": %s', block, kind, key, error)


def told_of_streams(
    blocks: Sequence[StreamBlock], groups: Sequence[Group], entries: Iterable[Told]
) -> list[Told]:
    """Return what was told of the streams of these groups, one for each block: totals, and births of their
    nodes.
    """
    whose: set[tuple[str, str, str]] = set()
    for block, group in zip(blocks, groups, strict=True):
        sender = FORMATS[block.settings.format].sender
        for name in group.streams.names:
            topic = block.topic_of_stream(name) or name
            whose |= {(group.name, "total", name), (group.name, "birth", sender(topic))}
    return [each for each in entries if (each.block, each.kind, _sender(each)) in whose]


def _sender(entry: Told) -> str:
    """Return the stream whose total it is, or the node among whose births it is."""
    return entry.key if entry.kind == "total" else "/".join(entry.key.split("/")[:2])


def move_totals(blocks: Sequence[StreamBlock], seconds: float, now: float) -> None:
    """Move the times of totals as `Engine.move_times` does those of samples."""
    for block in blocks:
        if block.counters is not None and not block.timed:
            block.counters.move_times(seconds, now)


def _memories(block: StreamBlock) -> Iterator[tuple[str, Remembering]]:
    if block.counters is not None:
        yield "total", block.counters
    if (births := block.reader.remembering) is not None:
        yield "birth", births


class Memory:
    """All that has been told and not been forgotten, up to MOST_BYTES."""

    def __init__(self, entries: Iterable[Told] = ()) -> None:
        self._known: dict[tuple[str, str], dict[str, Told]] = {}  # by block and kind
        self._readings: dict[tuple[str, str], int] = {}  # likewise, that of all their entries
        self._bytes = 0
        self._full = False
        self.note(entries)

    def note(self, entries: Iterable[Told]) -> None:
        """Take in what is told; another reading of a block forgets all that was told before."""
        for entry in entries:
            owner = entry.block, entry.kind
            known = self._known.setdefault(owner, {})
            other = self._readings.get(owner, entry.reading) != entry.reading
            self._readings[owner] = entry.reading
            for each in [*known] if other or entry.key == "" else [entry.key]:
                if (before := known.pop(each, None)) is not None:
                    self._bytes -= _size(before)
            if entry.content:
                self._keep(known, entry)

    def _keep(self, known: dict[str, Told], entry: Told) -> None:
        size = _size(entry)
        if self._bytes + size <= MOST_BYTES:
            known[entry.key] = entry
            self._bytes += size
        elif not self._full:
            self._full = True
            log.warning(
                'births and totals not kept reason="expected at most %d bytes of them": '
                "those of more devices are unknown after a restart",
                MOST_BYTES,
            )

    def keep_only(self, blocks: Iterable[str]) -> None:
        """Forget what was told to other blocks."""
        stay = set(blocks)
        self.note([Told(*owner, "", b"") for owner in self._known if owner[0] not in stay])

    def entries(self) -> list[Told]:
        """Return all of it."""
        return [entry for known in self._known.values() for entry in known.values()]


def _size(entry: Told) -> int:
    return len(entry.key) + len(entry.content) + ENTRY_BYTES
