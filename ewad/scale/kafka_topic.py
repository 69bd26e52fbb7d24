"""Where the log of gateways is in Kafka, and how to speak to it.

Partition n has the records of shard n. What gateways know of their brokers' sessions is in a second topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ewad.errors import ConfigError

SCHEME = "kafka://"
Properties = Mapping[str, str]  # of Kafka's client, such as security.protocol


class KafkaTopic(NamedTuple):
    """Where a log is. servers: host:port, several with commas between.  name: of the topic."""

    servers: str
    name: str

    @property
    def notes(self) -> str:
        """The topic of what gateways have taken from their brokers' sessions."""
        return f"{self.name}-gateways"

    def __str__(self) -> str:
        return f"{SCHEME}{self.servers}/{self.name}"


def kafka_topic(address: str) -> KafkaTopic:
    """Return what an address such as kafka://host:9092/topic names. Raises ConfigError."""
    servers, _, name = address.removeprefix(SCHEME).partition("/")
    if not servers or not name or set(name) & set("/?#"):
        raise ConfigError(f'--log: expected kafka://host:port/topic, got "{address}"')
    return KafkaTopic(servers, name)


def read_properties(path: Path) -> dict[str, str]:
    """Return the properties of Kafka's client in a file: a line each, name=value; # begins a comment.

    Raises ConfigError.
    """
    found = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--kafka-properties: {path}: {error}") from error
    for number, line in enumerate(map(str.strip, lines), 1):
        name, equals, value = line.partition("=")
        if line and not line.startswith("#"):
            if not equals:
                raise ConfigError(f'--kafka-properties: {path}:{number}: expected name=value, got "{name}"')
            found[name.strip()] = value.strip()
    return found
