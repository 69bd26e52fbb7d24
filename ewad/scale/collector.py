"""Messages -> records: the product's own intake, with names where the engine would be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.config import Settings, ShardSettings
from ewad.engine import Batch, Ending, Engine, GroupSettings
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.sharding import sharding
from ewad.scale.record import ALL_SAMPLES, RETAINED, RETAINED_WITH_TIME, Record

# Names that are kept, some 300 MB: with more streams than these they are found anew now and then.
MOST_STREAMS = 1_000_000
MOST_ENDED = 1000  # streams that a record ends: it shall not grow too large for the log
NO_LIMIT = 2**62  # of streams: the shards' engines refuse, not the gateway


class _Known:
    """What the records of a group need of its streams: one entry a row."""

    def __init__(self) -> None:
        self.labels: list[msgspec.Raw] = []
        self.shards: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self.n = 0

    def add(self, labels: bytes, shard: int) -> None:
        if self.n == len(self.shards):
            self.shards = np.resize(self.shards, max(64, 2 * self.n))
        self.shards[self.n] = shard
        self.labels.append(msgspec.Raw(labels))
        self.n += 1


class Collector:
    """Decodes messages, and makes records of their samples: for each commit one of each block and shard.

    The engine here knows names and observes nothing: whether a sample is a copy, late or one too many is for
    the shards to say.
    """

    def __init__(self, settings: Settings, shards: ShardSettings) -> None:
        self._settings = settings
        self.count = shards.count
        self._shard_of: Callable[[str], int] = sharding(shards, settings.streams)
        self._blocks = [msgspec.structs.replace(block, max_streams=None) for block in settings.streams]
        self._begin()

    def _begin(self) -> None:
        groups = [GroupSettings(block.name, topics=block.topics) for block in self._blocks]
        self.engine = Engine(groups, NO_LIMIT)
        self.intake = Intake(self.engine, self._blocks, self._settings.limits.max_payload_bytes)
        self._known = [_Known() for _ in groups]
        for block in self.intake.blocks:
            block.retained = {}

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Decode messages that arrived at the Unix time arrival; their samples wait for `take`."""
        self.intake.consume(messages, arrival)

    @property
    def waiting(self) -> bool:
        """Whether samples wait."""
        return self.intake.waiting

    def take(self) -> list[Record]:
        """Return the records of all that waits."""
        for group, name, labels in self.intake.take_new_streams():
            topic = self.intake.blocks[group].topic_of_stream(name)
            shard = self._shard_of(name if topic is None else topic)
            self._known[group].add(msgspec.msgpack.encode(labels), shard)
        records: list[Record] = []
        while (batch := self.intake.take_batch()) is not None:
            records += self._records(batch)
        for ending in self.intake.take_ended():
            records += self._ended(ending)
        if self.engine.n_streams > MOST_STREAMS:
            before = self.intake
            self._begin()
            self.intake.go_on_from(before)
        return records

    def _records(self, batch: Batch) -> Iterator[Record]:
        """Yield a record for each shard of a batch's streams."""
        known = self._known[batch.group]
        retained = self.intake.blocks[batch.group].taken_retained
        flags = np.zeros(len(batch) if retained else 0, dtype=np.uint8)
        for at, has_time in retained.items():
            flags[at] = RETAINED_WITH_TIME if has_time else RETAINED
        shards = known.shards[batch.stream]
        order = np.argsort(shards, kind="stable")
        edges = [0, *(np.flatnonzero(np.diff(shards[order])) + 1).tolist(), len(order)]
        for start, end in pairwise(edges):
            part = order[start:end]
            yield self._record(batch, part, flags[part] if retained else flags, int(shards[part[0]]))

    def _record(self, batch: Batch, part: NDArray[np.int64], flags: NDArray[np.uint8], shard: int) -> Record:
        group, known = self.engine.groups[batch.group], self._known[batch.group]
        rows, stream = np.unique(batch.stream[part], return_inverse=True)
        at = rows.tolist()
        names, labels = group.streams.names, known.labels
        return Record(
            shard,
            self.count,
            group.name,
            batch.arrival,
            [names[row] for row in at],
            msgspec.msgpack.encode([labels[row] for row in at]),
            stream.astype(np.uint32),
            batch.time[part],
            batch.value[part],
            flags,
            origin=ALL_SAMPLES if batch.origin is None else batch.origin[part],
        )

    def _ended(self, ending: Ending) -> Iterator[Record]:
        """Yield a record for each shard of streams whose sender is gone."""
        group, known = self.engine.groups[ending.group], self._known[ending.group]
        names: dict[int, list[str]] = {}
        for name in ending.streams:
            if (row := group.streams.find(name)) is not None:
                names.setdefault(int(known.shards[row]), []).append(name)
        for shard, its in names.items():
            for start in range(0, len(its), MOST_ENDED):
                ended = its[start : start + MOST_ENDED]
                yield Record(shard, self.count, group.name, ending.time, ended=ended)

    def of_all(self, *, tick: float | None = None, moved: tuple[float, float] | None = None) -> list[Record]:
        """Return a record without samples for each shard."""
        return [Record(shard, self.count, tick=tick, moved=moved) for shard in range(self.count)]
