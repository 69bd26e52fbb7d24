"""A broker that speaks Kafka's protocol, transactions too: its own folder, its own free loopback port.

noida-db is not Apache Kafka. It keeps apart what is committed and what is not, and ends a producer whose
transactional.id another one has taken; tests of the log in a topic begin by asking it for both. What it does
wrong (0.2.3): a fetch that begins behind an aborted transaction is told of it all the same, so that a client
leaves out what its producer has committed since. So where one has been aborted, tests read from the start.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from ewad.scale import Record
from tests import components
from tests.system.mosquitto import accepts, free_port
from tests.system.polling import until

SECONDS = 30.0


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """Yield host:port of a broker."""
    for module in ("noida_db", "confluent_kafka"):
        components.module(module)
    directory.mkdir(parents=True, exist_ok=True)
    binary = Path(str(files("noida_db").joinpath("noida-db")))
    binary.chmod(0o755)
    port = free_port()
    command = [
        binary,
        "start",
        "--only",
        "kafka",
        "--kafka-port",
        str(port),
        "--data-dir",
        directory / "data",
    ]
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory)
    try:
        until(
            lambda: accepts(port) or process.poll() is not None,
            lambda: (directory / "output").read_text(errors="replace"),
        )
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def messages(servers: str, topic: str, partition: int) -> list[tuple[int, bytes]]:
    """Return what is committed in a partition: offset and value of each message, in order."""
    from confluent_kafka import Consumer, KafkaError, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "tests",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "max.partition.fetch.bytes": 100_000_000,  # in one fetch, see above
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    found = []
    try:
        while True:
            message = consumer.poll(SECONDS)
            assert message is not None, f"{topic}[{partition}]: no end within {SECONDS} s"
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                return found
            found.append((message.offset(), message.value()))
    finally:
        consumer.close()


def records(servers: str, topic: str, shards: Sequence[int]) -> list[Record]:
    """Return the committed records of these shards."""
    return [Record.decode(data) for n in shards for _, data in messages(servers, topic, n)]
