"""The streaming query: records -> shards -> sinks, and what is done to its checkpoint while it rests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException, StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from ewad.config import Settings
from ewad.engine import EngineSettings
from ewad.errors import ConfigError, StateError
from ewad.scale.kafka_topic import KafkaTopic, Properties
from ewad.scale.kept_shard import replay
from ewad.scale.shard import Shard
from ewad.scale.spark.processor import ShardProcessor, output_schema
from ewad.scale.spark.sinks import BatchSink
from ewad.scale.spark.source import NAME, EwadLog

STORE = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
CONF = {
    "spark.sql.streaming.stateStore.providerClass": STORE,
    # the checkpoint gets what has changed, not whole files of the store
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.transformWithStateInPySpark.maxRecordsPerBatch": "1000",  # 20 MB of records
}
# Java's second compiler takes more CPU than what it compiles saves: half of a start, a quarter of a batch.
OF_OWN_JVM = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1"}


def session(partitions: int | None = None) -> SparkSession:
    """Return the session of spark-submit, or a local one. partitions: of the state, at the first start.

    Raises ConfigError where there is no Java.
    """
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise ConfigError("ewad spark: needs Java 17 or later, got none: install it, or set JAVA_HOME")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # of workers on this machine
    conf = CONF
    if "PYSPARK_SUBMIT_ARGS" not in os.environ and "SPARK_ENV_LOADED" not in os.environ:  # nobody else has
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        conf = CONF | OF_OWN_JVM
    builder = SparkSession.builder.appName("ewad")
    for name, value in conf.items():
        builder = builder.config(name, value)
    if partitions is not None:
        builder = builder.config("spark.sql.shuffle.partitions", str(partitions))
    return builder.getOrCreate()


def start(
    spark: SparkSession,
    settings: Settings,
    log: Path | KafkaTopic,
    checkpoint: str,
    sinks: Sequence[BatchSink] = (),
    *,
    trigger: str | None = "750 milliseconds",
    max_commits: int | None = None,
    properties: Properties | None = None,
) -> Any:
    """Start the query and return it. trigger: how often a batch begins; None: take what is there, and end.

    properties: of Kafka's client in Java. Raises ConfigError where Spark has no connector to Kafka.
    """
    engine = settings.engine_settings()
    if isinstance(log, KafkaTopic):
        source = kafka_records(spark, log, properties or {}, max_commits)
    else:
        source = log_records(spark, log, max_commits)
    changed = source.groupBy("shard").transformWithStateInPandas(
        ShardProcessor(engine.to_json(), checkpoint, bool(sinks)), output_schema(engine), "Update", "None"
    )

    def told(batch: DataFrame, number: int) -> None:
        batch = batch.persist()  # each use would compute it anew, shards and all
        try:
            batch.count()
            for sink in sinks:
                sink.write(batch, number)
        finally:
            batch.unpersist()

    writer = changed.writeStream.queryName("ewad").outputMode("update").foreachBatch(told)
    writer = writer.option("checkpointLocation", checkpoint)
    return (
        writer.trigger(availableNow=True) if trigger is None else writer.trigger(processingTime=trigger)
    ).start()


def log_records(spark: SparkSession, log: Path, max_commits: int | None) -> DataFrame:
    """Return the stream of records in a log of files."""
    spark.dataSource.register(EwadLog)
    source = spark.readStream.format(NAME).option("path", str(log))
    return (source if max_commits is None else source.option("maxCommits", max_commits)).load()


def kafka_records(
    spark: SparkSession, topic: KafkaTopic, properties: Properties, most: int | None
) -> DataFrame:
    """Return the stream of records in a topic, by Spark's own connector. most: records a batch."""
    source = spark.readStream.format("kafka").option("subscribe", topic.name)
    source = source.option("startingOffsets", "earliest")
    client = {**properties, "bootstrap.servers": topic.servers, "isolation.level": "read_committed"}
    for name, value in client.items():
        source = source.option(f"kafka.{name}", value)
    if most is not None:
        source = source.option("maxOffsetsPerTrigger", most)
    try:
        return of_kafka(source.load())
    except AnalysisException as error:
        version = spark.version
        raise ConfigError(
            f"ewad spark: --log {topic} needs Spark's connector to Kafka: start it with --packages "
            f"org.apache.spark:spark-sql-kafka-0-10_2.13:{version} ({str(error).splitlines()[0]})"
        ) from error


def of_kafka(messages: DataFrame) -> DataFrame:
    """Return the columns of SCHEMA from those of Spark's connector: a partition is a shard."""
    return messages.selectExpr(
        "partition AS shard", "'' AS log", "offset AS sequence", "0 AS place", "value AS record"
    )


def has_ended(running: Any, seconds: float) -> bool:
    """Wait for so long, and return whether the query has ended. Raises StateError saying what has failed."""
    try:
        return bool(running.awaitTermination(seconds))
    except StreamingQueryException as error:
        reason = str(error).splitlines()[0]
        raise StateError(f"ewad spark: the query has ended: {reason}; start it again, it goes on") from error


def repartition(spark: SparkSession, checkpoint: str, partitions: int) -> None:
    """Deal the shards of a checkpoint out to another number of partitions. No query may run on it."""
    spark._streamingCheckpointManager.repartition(checkpoint, partitions)


def shards_of(spark: SparkSession, settings: EngineSettings, checkpoint: str) -> dict[int, Shard]:
    """Return the engine of each shard as a checkpoint has it: to look into, or to go on elsewhere.

    Raises StateError if it is of other settings.
    """
    snapshots = _lists(spark, checkpoint, "snapshot")
    journals = _lists(spark, checkpoint, "journal")
    found = {}
    for shard in sorted(snapshots.keys() | journals.keys()):
        snapshot = b"".join(snapshots.get(shard, ())) or None
        found[shard] = replay(Shard(settings, snapshot), journals.get(shard, ()))
    return found


def _lists(spark: SparkSession, checkpoint: str, name: str) -> dict[int, list[bytes]]:
    """Return a list of the state store for each shard."""
    rows = (
        spark.read.format("statestore")
        .option("path", checkpoint)
        .option("stateVarName", name)
        .option("flattenCollectionTypes", False)
        .load()
        .collect()
    )
    return {int(row["key"][0]): [bytes(each[0]) for each in row["list_value"]] for row in rows}
