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
from ewad.scale.record import ALL_SAMPLES, NO_FLAGS, RETAINED, RETAINED_WITH_TIME, Record

# Names that are kept, some 300 MB: with more streams than these they are found anew now and then.
MOST_STREAMS = 1_000_000
MOST_ENDED = 1000  # streams that a record ends: it shall not grow too large for the log
NO_LIMIT = 2**62  # of streams: the shards' engines refuse, not the gateway


class _Known:
    """What the records of a group need of its streams: one entry a row."""

    def __init__(self) -> None:
        self.labels: list[msgspec.Raw] = []
        self.shards: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._places = np.empty(0, dtype=np.int64)  # of each row's last sample; of use in `named` alone
        self.n = 0

    def add(self, labels: bytes, shard: int) -> None:
        if self.n == len(self.shards):
            self.shards = np.resize(self.shards, max(64, 2 * self.n))
            self._places = np.empty(len(self.shards), dtype=np.int64)
        self.shards[self.n] = shard
        self.labels.append(msgspec.Raw(labels))
        self.n += 1

    def named(self, stream: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the rows of samples, each once, in the order of their last ones; and of each sample which.

        stream: (n,) the row of each sample. Nothing is sorted: `np.unique` takes ten times as long.
        """
        at = np.arange(len(stream))
        self._places[stream] = at
        last = self._places[stream]
        is_last = last == at
        return stream[is_last], (np.cumsum(is_last) - 1)[last]


def by_shard(shards: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], list[int]]:
    """Return the places of samples in the order of their shards, and where each shard's begin, and end."""
    small = shards.astype(np.uint16) if count <= 1 << 16 else shards  # numpy sorts those by their digits
    order = np.argsort(small, kind="stable")
    return order, np.searchsorted(small[order], np.arange(count + 1)).tolist()


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
        """Yield a record for each shard of a batch's streams: its samples in their order, each name once."""
        group, known = self.engine.groups[batch.group], self._known[batch.group]
        order, samples = by_shard(known.shards[batch.stream], self.count)
        flags = self._flags(batch)[order] if self.intake.blocks[batch.group].taken_retained else NO_FLAGS
        origin = ALL_SAMPLES if batch.origin is None else batch.origin[order]
        time, value = batch.time[order], batch.value[order]
        rows, stream = known.named(batch.stream[order])
        names = list(map(group.streams.names.__getitem__, rows.tolist()))
        labels = list(map(known.labels.__getitem__, rows.tolist()))
        named = np.searchsorted(known.shards[rows], np.arange(self.count + 1)).tolist()
        for shard, (start, end) in enumerate(pairwise(samples)):
            if start == end:
                continue
            first, behind = named[shard], named[shard + 1]
            yield Record(
                shard,
                self.count,
                group.name,
                batch.arrival,
                names[first:behind],
                msgspec.msgpack.encode(labels[first:behind]),
                (stream[start:end] - first).astype(np.uint32),
                time[start:end],
                value[start:end],
                flags[start:end],
                origin=origin[start:end],
            )

    def _flags(self, batch: Batch) -> NDArray[np.uint8]:
        """Return how each sample came."""
        flags = np.zeros(len(batch), dtype=np.uint8)
        for at, has_time in self.intake.blocks[batch.group].taken_retained.items():
            flags[at] = RETAINED_WITH_TIME if has_time else RETAINED
        return flags

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
