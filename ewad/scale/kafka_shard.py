"""Shards whose records come from a topic of Kafka, without Java: state on a disk that holds at one offset.

The topic is the journal. A shard's snapshot says up to which of its records it goes; after a kill what comes
behind it is applied again, and gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, TopicPartition

from ewad.engine import EngineSettings
from ewad.errors import StateError
from ewad.scale.kafka import ANSWER_SECONDS, is_passing, kafka_faults
from ewad.scale.kafka_topic import KafkaTopic, Properties
from ewad.scale.kept_shard import LEAST_JOURNAL_BYTES
from ewad.scale.record import Record
from ewad.scale.shard import Rows, Shard, all_rows, merged
from ewad.store.file import sync_directory, told

AT_ONCE = 500  # messages


class KafkaSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """A shard as it stands before the record at this offset."""

    topic: str
    shard: int
    offset: int
    dump: bytes


class _Kept:
    """One shard, and where it stands. since: bytes of records since its snapshot of size bytes."""

    def __init__(self, path: Path, topic: str, number: int, settings: EngineSettings) -> None:
        self._path, self._topic, self._number = path, topic, number
        snapshot = _read(path, topic, number)
        self.shard = Shard(settings, None if snapshot is None else snapshot.dump)
        self.offset = None if snapshot is None else snapshot.offset
        self._since, self._size = 0, 0 if snapshot is None else len(snapshot.dump)

    def apply(self, data: bytes, offset: int) -> Rows:
        """Take in the record at an offset; write a snapshot if that has become due."""
        changed = self.shard.apply(Record.decode(data))
        self.offset = offset + 1
        self._since += len(data)
        if self._since > max(LEAST_JOURNAL_BYTES, self._size):
            self.keep()
        return changed

    def keep(self) -> None:
        """Write a snapshot."""
        if self.offset is None or not self._since:
            return
        dump = self.shard.dump()
        data = msgspec.msgpack.encode(KafkaSnapshot(self._topic, self._number, self.offset, dump))
        new = self._path.with_suffix(".new")
        with told(self._path):
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.rename(self._path)
            sync_directory(self._path)
        self._since, self._size = 0, len(dump)


class KafkaShards:
    """Some shards of a topic; each process has others, and a directory of its own. Closes at the block's end.

    Raises StateError where a snapshot is of other settings, or records behind it are no longer kept.
    """

    def __init__(
        self,
        topic: KafkaTopic,
        settings: EngineSettings,
        directory: Path,
        shards: Sequence[int],
        properties: Properties | None = None,
    ) -> None:
        """properties: librdkafka's, such as security.protocol."""
        directory.mkdir(parents=True, exist_ok=True)
        self._topic = topic
        self._kept = {n: _Kept(directory / f"shard-{n}", topic.name, n, settings) for n in shards}
        self.shards = {number: kept.shard for number, kept in self._kept.items()}
        self._untold = {number: all_rows(shard.engine) for number, shard in self.shards.items()}
        with kafka_faults(topic, "begin"):
            self._consumer = Consumer(
                {
                    **(properties or {}),
                    "bootstrap.servers": topic.servers,
                    "isolation.level": "read_committed",
                    "group.id": f"ewad-{topic.name}",  # librdkafka wants one; offsets are in the snapshots
                    "enable.auto.commit": False,
                    "auto.offset.reset": "error",
                }
            )
            self._consumer.assign([TopicPartition(topic.name, n, self._start(n)) for n in shards])

    def _start(self, number: int) -> int:
        """Return the offset of the first record that a shard needs. Raises StateError if it is not there."""
        at = TopicPartition(self._topic.name, number)
        first, end = self._consumer.get_watermark_offsets(at, ANSWER_SECONDS)
        wanted = self._kept[number].offset
        if wanted is not None and not first <= wanted <= end:
            raise StateError(
                f"{self._topic}: shard {number}: expected records from offset {wanted:,} on, where its "
                f"snapshot ends; the topic has {first:,} to {end:,}: to begin anew, move the snapshot away"
            )
        return first if wanted is None else wanted

    def take(self, seconds: float) -> dict[int, Rows]:
        """Apply what comes within so long; return the rows of each shard that have changed, at first all."""
        changed, self._untold = self._untold, {}
        with kafka_faults(self._topic, "read"):
            for message in self._consumer.consume(AT_ONCE, seconds):
                if not is_passing(message):
                    number, offset, data = message.partition(), message.offset(), message.value()
                    assert number is not None and offset is not None and data is not None  # noqa: S101
                    rows = self._kept[number].apply(data, offset)
                    changed[number] = merged(changed.get(number, {}), rows)
        return changed

    @property
    def offsets(self) -> dict[int, int | None]:
        """The offset behind the last record of each shard; None: none has come yet."""
        return {number: kept.offset for number, kept in self._kept.items()}

    def keep(self) -> None:
        """Write a snapshot of each shard that has changed."""
        for kept in self._kept.values():
            kept.keep()

    def __enter__(self) -> KafkaShards:
        return self

    def __exit__(self, kind: object, error: object, _: object) -> None:
        self._consumer.close()
        if error is None:
            self.keep()


def _read(path: Path, topic: str, number: int) -> KafkaSnapshot | None:
    """Return the snapshot in a file, None if there is none. Raises StateError."""
    if not path.exists():
        return None
    try:
        with told(path):
            found = msgspec.msgpack.decode(path.read_bytes(), type=KafkaSnapshot)
    except msgspec.MsgspecError as error:
        raise StateError(f"{path}: expected a shard's snapshot, got {error}") from error
    if (found.topic, found.shard) != (topic, number):
        raise StateError(
            f"{path}: expected shard {number} of topic {topic}, got {found.shard} of {found.topic}"
        )
    return found
