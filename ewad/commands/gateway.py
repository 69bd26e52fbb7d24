"""`ewad gateway`: where it writes, by what is said on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from ewad.commands.options import CONFIG, settings_of
from ewad.config import Settings, ShardSettings
from ewad.config.syntax import parse_duration
from ewad.daemon import logs
from ewad.daemon.parts import session_of
from ewad.daemon.signals import SIGNALS
from ewad.errors import ConfigError, needs
from ewad.scale.file_log import FileLog
from ewad.scale.gateway import Gateway, GatewayLog, run
from ewad.scale.kafka_topic import SCHEME, kafka_topic, read_properties


@click.command("gateway")
@CONFIG
@click.option(
    "--log",
    "target",
    required=True,
    metavar="DIR",
    help="Write the log into this folder, or into a topic: kafka://host:9092/topic.",
)
@click.option("--keep", metavar="7d", help="Keep records for this time; by default for ever.")
@click.option(
    "--keep-bytes",
    type=click.IntRange(1),
    help="Let the log become no larger than this; by default there is no limit.",
)
@click.option(
    "--kafka-properties",
    type=click.Path(path_type=Path),
    help="Read the properties of Kafka's client, librdkafka, from this file: name=value, a line each.",
)
def command(
    config: Path | None, target: str, keep: str | None, keep_bytes: int | None, kafka_properties: Path | None
) -> None:
    """Write the samples of MQTT messages to a durable log, from which shards read them."""
    settings = settings_of(config)
    try:
        keep_seconds = None if keep is None else parse_duration(keep)
    except ValueError as error:
        raise ConfigError(f"--keep: {error}") from error
    logs.configure(settings.log.level, settings.log.format)
    SIGNALS.hold()
    gateway(settings, target, keep_seconds, keep_bytes, kafka_properties)


def gateway(
    settings: Settings,
    target: str,
    keep_seconds: float | None = None,
    keep_bytes: int | None = None,
    kafka_properties: Path | None = None,
) -> None:
    """Write what comes to target until a signal ends it. Raises ConfigError, StateError."""
    run(Gateway(settings, opened(settings, target, keep_seconds, keep_bytes, kafka_properties)))


def opened(
    settings: Settings,
    target: str,
    keep_seconds: float | None = None,
    keep_bytes: int | None = None,
    kafka_properties: Path | None = None,
) -> GatewayLog:
    """Return the log that target names: a folder, or a topic of Kafka. Raises ConfigError, StateError."""
    session = session_of(settings)
    if target.startswith(SCHEME):
        if keep_seconds is not None or keep_bytes is not None:
            raise ConfigError(
                "--keep: expected a folder in --log, got a topic, whose retention Kafka sees to"
            )
        return _kafka_log(settings, target, session, kafka_properties)
    if "://" in target:
        raise ConfigError(f'--log: expected a folder or kafka://host:port/topic, got "{target}"')
    if kafka_properties is not None:
        raise ConfigError(f'--kafka-properties: expected a topic in --log, got the folder "{target}"')
    return FileLog(Path(target), session, keep_seconds=keep_seconds, keep_bytes=keep_bytes)


def _kafka_log(settings: Settings, target: str, session: str, properties: Path | None) -> GatewayLog:
    needs("confluent_kafka", "kafka", "ewad gateway --log kafka://...")
    from ewad.scale.kafka_log import KafkaLog

    topic = kafka_topic(target)
    shards = (settings.shard or ShardSettings()).count
    return KafkaLog(topic, session, shards, {} if properties is None else read_properties(properties))
