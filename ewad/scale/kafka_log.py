"""The log in a topic of Kafka, as a gateway writes it: exactly once, by transactions.

A transaction holds commits whole: the records, each in the partition of its shard, and what was taken from
the broker's session, which goes to a second, compacted topic. There each commit has one of RING keys, in
turn; the first of them holds all that is known by then. So the last commit of each key, which compaction
keeps, is enough.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.scale.kafka import (
    ANSWER_SECONDS,
    NOTES_BYTES,
    is_passing,
    kafka_faults,
    make_topics,
    patiently,
    sparing_log,
)
from ewad.scale.kafka_topic import KafkaTopic, Properties
from ewad.scale.log_thread import Job
from ewad.scale.record import Record
from ewad.store import records as journal

log = logging.getLogger("ewad.gateway")

RING = 256  # some five seconds' commits: what is known has 0.5 MB at most
RECORD_BYTES = 900_000  # brokers take messages of 1 MB, unless told otherwise
OUTAGE_SECONDS = 60.0  # brokers end a transaction that takes longer
FULL_SECONDS = 0.05  # between looks at whether librdkafka's queue has room again


class KafkaCommit(msgspec.Struct, frozen=True, array_like=True):
    """What the second topic has of one commit: see LogCommit. whole: a Head, else a CommitRecord."""

    arrival: float
    whole: bool
    notes: bytes


class KafkaLog:
    """A log that remembers which messages of the broker's session it holds: none is written twice.

    deliveries: as they stand at the end of the log; the caller's own copy. Raises ConfigError, StateError.
    """

    def __init__(self, topic: KafkaTopic, session: str, shards: int, properties: Properties) -> None:
        """session: which broker's session is written: client id and broker."""
        self._topic, self._session = topic, session
        self._recorded = Deliveries()
        self._arrival = 0.0
        self._turn = 0
        self._open = False
        make_topics(topic, shards, properties)
        common = {**properties, "bootstrap.servers": topic.servers}
        with kafka_faults(topic, "begin"):
            self._producer = Producer(
                {
                    **common,
                    "transactional.id": f"ewad-{topic.name}-{session}",  # ends the gateway that had it before
                    "transaction.timeout.ms": int(OUTAGE_SECONDS * 1000),
                    "message.max.bytes": NOTES_BYTES,
                },
                logger=sparing_log(),
            )
            patiently(self._producer, self._producer.init_transactions)
            for key, commit in _read_notes(topic, common):
                if key[0] == session:
                    self._recover(key[1], commit)
        self.deliveries = self._recorded.copy()

    def _recover(self, turn: int, commit: KafkaCommit) -> None:
        """Take over one commit. Those before the first whole one are of a turn that is over."""
        if commit.whole:
            self._recorded = journal.decode(commit.notes, journal.Head).deliveries()
        else:
            noted = journal.decode(commit.notes, journal.CommitRecord)
            self._recorded.record(noted.acknowledgements())
        self._turn, self._arrival = (turn + 1) % RING, commit.arrival

    def newest_arrival(self, limit: float = math.inf) -> float | None:
        """Return the arrival of the last commit; None if there is none, or it is past the limit."""
        return self._arrival if 0.0 < self._arrival <= limit else None

    def move_times(self, seconds: float, now: float) -> None:
        """Take the newest arrival for the present: what is in the log stays as it is."""
        self._arrival = min(self._arrival + seconds, now)

    def append(self, job: Job) -> None:
        """Send a commit, within a transaction."""
        self._recorded.record(job.pending)
        self._arrival = max(self._arrival, job.arrival)
        with kafka_faults(self._topic, "write"):
            if not self._open:
                self._producer.begin_transaction()
                self._open = True
            for record in job.records:
                for data in parts(record):
                    self._send(self._topic.name, record.shard, data)
            self._send(
                self._topic.notes, 0, self._notes(job), msgspec.json.encode((self._session, self._turn))
            )
        self._turn = (self._turn + 1) % RING

    def _notes(self, job: Job) -> bytes:
        if self._turn == 0:
            known = journal.encode(journal.Head.of(self._session, self._recorded))
            return journal.encode(KafkaCommit(self._arrival, True, known))
        notes = journal.CommitRecord.of(journal.Change((), ()), 0, 0, job.pending)
        return journal.encode(KafkaCommit(self._arrival, False, journal.encode(notes)))

    def _send(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None:
        while True:
            try:
                return self._producer.produce(topic, value, key, partition)
            except BufferError:  # more waits than librdkafka holds
                self._producer.poll(FULL_SECONDS)

    def sync(self) -> None:
        """Commit what was sent: readers see all of it or nothing."""
        end = time.monotonic() + OUTAGE_SECONDS
        while self._open:
            try:
                self._producer.commit_transaction(ANSWER_SECONDS)
                self._open = False
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > end:
                    raise StateError(
                        f"{self._topic}: commit: {error.args[0].str()}: start the gateway again, it goes on"
                    ) from error
                log.warning("commit to Kafka: tried again error=%s", error.args[0].str())
            finally:
                self._producer.poll(0)  # what librdkafka has logged

    def close(self) -> None:
        """Commit what was sent."""
        self.sync()


def parts(record: Record) -> Iterator[bytes]:
    """Yield a record, encoded, in as many as messages of Kafka have to be."""
    data = record.encode()
    if len(data) <= RECORD_BYTES or len(record) < 2:
        yield data
    else:
        half = len(record) // 2
        yield from parts(record.cut(0, half))
        yield from parts(record.cut(half, len(record)))


def _read_notes(topic: KafkaTopic, common: Properties) -> Iterator[tuple[tuple[str, int], KafkaCommit]]:
    """Yield all that the second topic has, with its keys, but what transactions left open."""
    settings = {**common, "group.id": f"ewad-{topic.notes}", "enable.auto.commit": False}
    notes = TopicPartition(topic.notes, 0, 0)
    anyone = Consumer({**settings, "isolation.level": "read_uncommitted"})
    try:
        first, end = anyone.get_watermark_offsets(notes, ANSWER_SECONDS)
    finally:
        anyone.close()
    consumer = Consumer({**settings, "isolation.level": "read_committed", "enable.partition.eof": True})
    try:
        consumer.assign([TopicPartition(topic.notes, 0, first)])
        yield from _until(consumer, end)
    finally:
        consumer.close()


def _until(consumer: Consumer, end: int) -> Iterator[tuple[tuple[str, int], KafkaCommit]]:
    """Yield what comes before this offset; other gateways' transactions may hold it up for a moment."""
    patience = time.monotonic() + OUTAGE_SECONDS + ANSWER_SECONDS
    at = 0
    while at < end:
        message = consumer.poll(1.0)
        if message is not None and not is_passing(message):
            offset = message.offset()
            assert offset is not None  # noqa: S101 (a message has one, and the end of a partition)
            at = offset
            if message.error() is None:
                at += 1
                key = msgspec.json.decode(message.key() or b"", type=tuple[str, int])
                yield key, journal.decode(message.value() or b"", KafkaCommit)
        elif time.monotonic() > patience:
            raise StateError(f"Kafka: expected a topic's messages up to offset {end}, got those up to {at}")
