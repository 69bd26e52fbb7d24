"""A topic of Kafka by librdkafka: made where there is none, and what goes wrong there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ewad.errors import ConfigError, StateError
from ewad.scale.kafka_topic import KafkaTopic, Properties

BROKERS_DECIDE = -1  # how many copies of a topic there are
ANSWER_SECONDS = 30.0
ASKED_SECONDS = 2.0  # of one call: signals and the log wait for its end
SAME_SECONDS = 60.0  # librdkafka tries, and logs, 20 connections a second
NOTES_BYTES = 2 << 20  # what is known of a session has 0.5 MB at most of QoS 1, and as much of QoS 2


T = TypeVar("T")


class KafkaClient(Protocol):
    """A client of librdkafka, whose log waits until it is polled."""

    def poll(self, timeout: float = ..., /) -> object:
        """Pass on what it has logged."""


class Sparing(logging.Filter):
    """Lets one line of each kind through in SAME_SECONDS: what librdkafka logs is (kind, client, text)."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is told."""
        kind = record.args[0] if isinstance(record.args, tuple) and record.args else record.msg
        if (due := self._told.get(kind)) is not None and record.created < due:
            return False
        self._told[kind] = record.created + SAME_SECONDS
        return True


def sparing_log() -> logging.Logger:
    """Return what a client of librdkafka logs to, instead of to standard error."""
    log = logging.getLogger("ewad.kafka")
    if not log.filters:
        log.addFilter(Sparing())
    return log


def patiently(client: KafkaClient, call: Callable[[float], T]) -> T:
    """Return what call(seconds) does; a trouble that passes has it called again, for ANSWER_SECONDS."""
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return call(ASKED_SECONDS)
        except KafkaException as error:
            if time.monotonic() > end or not _passes(error.args[0]):
                raise
        finally:
            client.poll(0)


@contextmanager
def kafka_faults(topic: KafkaTopic, what: str) -> Iterator[None]:
    """Turn what librdkafka raises into StateError that names the topic."""
    try:
        yield
    except KafkaException as error:
        raise StateError(f"{topic}: {what}: {error.args[0].str()}") from error


def make_topics(topic: KafkaTopic, shards: int, properties: Properties) -> None:
    """Create the topics of a log where there are none. Raises ConfigError if they are of other shards."""
    with kafka_faults(topic, "create topics"):
        admin = AdminClient({**properties, "bootstrap.servers": topic.servers}, logger=sparing_log())
        there = patiently(admin, lambda seconds: admin.list_topics(timeout=seconds)).topics
    compacted = {"cleanup.policy": "compact", "max.message.bytes": str(NOTES_BYTES)}
    wanted = {
        topic.name: NewTopic(topic.name, shards, BROKERS_DECIDE),
        topic.notes: NewTopic(topic.notes, 1, BROKERS_DECIDE, config=compacted),
    }
    if topic.name in there and (found := len(there[topic.name].partitions)) != shards:
        raise ConfigError(
            f"{topic}: expected a topic of {shards} partitions, one for each shard ([shard] count), "
            f"got {found}"
        )
    missing = [new for name, new in wanted.items() if name not in there]
    with kafka_faults(topic, "create topics"):
        for made in admin.create_topics(missing).values() if missing else ():
            made.result(ANSWER_SECONDS)


# Of connections, which librdkafka makes anew by itself.
PASSING = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE)


def is_passing(message: Message) -> bool:
    """Whether what a consumer was given tells of a trouble that passes. Raises KafkaException for others."""
    error = message.error()
    if error is None or error.code() == KafkaError._PARTITION_EOF:
        return False
    if not _passes(error):
        raise KafkaException(error)
    return True


def _passes(error: KafkaError) -> bool:
    return not error.fatal() and (error.retriable() or error.code() in PASSING)
