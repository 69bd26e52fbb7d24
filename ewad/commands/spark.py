"""`ewad spark`: the log of a gateway through shards on Apache Spark."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ewad.commands.options import CONFIG, settings_of
from ewad.config import Settings
from ewad.config.syntax import parse_listen
from ewad.daemon import logs
from ewad.errors import ConfigError, needs
from ewad.scale.kafka_topic import SCHEME, kafka_topic, read_properties

if TYPE_CHECKING:
    from ewad.scale.spark.sinks import BatchSink

log = logging.getLogger("ewad.spark")
LOOK_SECONDS = 1.0  # between looks at whether a signal has come


@click.command("spark")
@CONFIG
@click.option(
    "--log",
    "source",
    metavar="DIR",
    help="Read the log of a gateway, or of several, in this folder or topic: kafka://host:9092/topic.",
)
@click.option(
    "--kafka-properties",
    type=click.Path(path_type=Path),
    help="Read the properties of Kafka's client, that of Java, from this file: name=value, a line each.",
)
@click.option(
    "--checkpoint", required=True, help="Let Spark keep the shards in this folder, which may be s3a://... ."
)
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    metavar="SINK",
    help="Send results to parquet:DIR, metrics, metrics:HOST:PORT or mqtt; may be repeated.",
)
@click.option(
    "--partitions",
    type=click.IntRange(1),
    help="Make so many partitions of the shards at the first start; by default 200.",
)
@click.option(
    "--trigger",
    default="750 milliseconds",  # sooner than each second, for a sixth of a core more at little load
    show_default=True,
    help="Begin a batch so often.",
)
@click.option(
    "--max-commits",
    type=click.IntRange(1),
    default=1000,  # some 100 MB: a batch has to fit into the memory of Java
    show_default=True,
    help="Take no more than so many commits of each log, or records of a topic, in a batch.",
)
@click.option("--once", is_flag=True, help="Take what is in the log, and end.")
@click.option(
    "--repartition", type=click.IntRange(1), help="Deal the shards out to so many partitions, and end."
)
@click.option(
    "--dump",
    "target",
    type=click.Path(path_type=Path),
    help="Write each shard's state into this folder, and end.",
)
def command(
    config: Path | None,
    source: str | None,
    checkpoint: str,
    repartition: int | None,
    target: Path | None,
    once: bool,
    trigger: str,
    **options: Any,
) -> None:
    """Apply the log of a gateway to shards on Apache Spark."""
    if repartition is not None:
        deal(checkpoint, repartition)
        return
    settings = settings_of(config)
    logs.configure(settings.log.level, settings.log.format)
    if target is not None:
        click.echo(dump(settings, checkpoint, target))
        return
    if source is None:
        raise ConfigError("--log: expected the folder of a gateway's log, or a topic of Kafka, got none")
    run(settings, source, checkpoint, trigger=None if once else trigger, **options)


def run(
    settings: Settings,
    source: str,
    checkpoint: str,
    sinks: Sequence[str],
    *,
    kafka_properties: Path | None,
    partitions: int | None,
    trigger: str | None,
    max_commits: int | None,
) -> None:
    """Run until a signal ends it, or all that is there has been taken in. trigger None: the latter."""
    query = _query()
    found = kafka_topic(source) if source.startswith(SCHEME) else Path(source)
    properties = {} if kafka_properties is None else read_properties(kafka_properties)
    with_sinks = [_sink(settings, text) for text in sinks]
    spark = query.session(partitions)
    running = query.start(
        spark,
        settings,
        found,
        checkpoint,
        with_sinks,
        trigger=trigger,
        max_commits=max_commits,
        properties=properties,
    )
    log.info("running log=%s checkpoint=%s sinks=%s", source, checkpoint, ",".join(sinks) or "none")
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _: ended.append(which))
    try:
        while not ended and not query.has_ended(running, LOOK_SECONDS):
            pass
    finally:
        running.stop()
        for sink in with_sinks:
            sink.close()
        spark.stop()


def deal(checkpoint: str, partitions: int) -> None:
    """Deal the shards of a checkpoint out to so many partitions."""
    query = _query()
    spark = query.session()
    try:
        query.repartition(spark, checkpoint, partitions)
    finally:
        spark.stop()


def dump(settings: Settings, checkpoint: str, target: Path) -> str:
    """Write the engine of each shard of a checkpoint into a folder; return what was done."""
    query = _query()
    spark = query.session()
    try:
        shards = query.shards_of(spark, settings.engine_settings(), checkpoint)
    finally:
        spark.stop()
    target.mkdir(parents=True, exist_ok=True)
    for number, shard in shards.items():
        (target / f"shard-{number}.npz").write_bytes(shard.dump())
    return "\n".join(f"{target / f'shard-{n}.npz'}  {s.engine.n_streams} streams" for n, s in shards.items())


def _query() -> Any:
    needs("pyspark", "spark", "ewad spark")
    from ewad.scale.spark import query

    return query


def _sink(settings: Settings, text: str) -> BatchSink:
    """Return the sink that a text names. Raises ConfigError."""
    from ewad.scale.metrics import LatestMetrics
    from ewad.scale.spark.sinks import BatchFiles, BatchMessages, BatchMetrics

    kind, _, rest = text.partition(":")
    if kind == "parquet" and rest:
        return BatchFiles(rest)
    if kind == "metrics":
        listen = parse_listen(rest) if rest else settings.http.listen
        return BatchMetrics(LatestMetrics(settings.group_settings(), listen.host, listen.port))
    if text == "mqtt":
        if "publish" not in settings.sinks:
            raise ConfigError("--sink mqtt: expected a [publish] table, got none")
        return BatchMessages(settings)
    raise ConfigError(f'--sink: expected parquet:DIR, metrics, metrics:HOST:PORT or mqtt, got "{text}"')
