"""A topic of Kafka by librdkafka: made where there is none, and what goes wrong there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ewad.errors import ConfigError, StateError
from ewad.scale.kafka_topic import KafkaTopic, Properties

BROKERS_DECIDE = -1  # how many copies of a topic there are
ANSWER_SECONDS = 30.0
NOTES_BYTES = 2 << 20  # what is known of a session has 0.5 MB at most of QoS 1, and as much of QoS 2


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
        admin = AdminClient({**properties, "bootstrap.servers": topic.servers})
        there = admin.list_topics(timeout=ANSWER_SECONDS).topics
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
    if error.fatal() or not (error.retriable() or error.code() in PASSING):
        raise KafkaException(error)
    return True
