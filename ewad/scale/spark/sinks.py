"""Where a batch's results go. A batch may come twice, after a kill: writing it again changes nothing."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import msgspec
from pyspark.sql import DataFrame

from ewad.config import Settings
from ewad.config.publish import PublishSettings
from ewad.outputs.mqtt.client import PublishingThread
from ewad.outputs.mqtt.publisher import publishing_settings
from ewad.outputs.mqtt.states import topic_of
from ewad.scale.metrics import LatestMetrics, document_of

log = logging.getLogger("ewad.scale")

# For the broker to take a batch; and where it has not taken the one before, as it is away.
FLUSH_SECONDS, AWAY_SECONDS = 10.0, 0.5


class BatchSink(Protocol):
    """Takes what stands for the streams that a batch has changed."""

    def write(self, batch: DataFrame, number: int) -> None:
        """Take a batch. number: its own, the same one if it comes again."""

    def close(self) -> None:
        """End."""


class BatchFiles:
    """A folder of Parquet files for each batch: replaced whole if the batch comes again."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip("/")

    def write(self, batch: DataFrame, number: int) -> None:
        """Write the batch."""
        batch.write.mode("overwrite").parquet(f"{self._folder}/batch={number}")

    def close(self) -> None:
        """Nothing is open."""


class BatchMetrics:
    """Keeps the latest rows of every shard, for scrapes."""

    def __init__(self, metrics: LatestMetrics) -> None:
        self.metrics = metrics

    def write(self, batch: DataFrame, number: int) -> None:
        """Take the latest rows."""
        self.metrics.update(row.asDict() for row in batch.toLocalIterator())

    def close(self) -> None:
        """Serve no more."""
        self.metrics.close()


class BatchMessages:
    """Publishes each changed stream's row as a JSON document, by [publish]."""

    def __init__(self, settings: Settings) -> None:
        """Take settings that have [publish]. Raises ConfigError where they can't work."""
        self._settings: PublishSettings = settings.sinks["publish"]
        self._groups = {group.name: group for group in settings.group_settings()}
        self._client = PublishingThread(publishing_settings(settings), self._settings.availability_topic)
        self._client.start()
        self._taken = True  # the last batch, by the broker

    def write(self, batch: DataFrame, number: int) -> None:
        """Publish what has changed, and wait for the broker: a kill right after the batch loses nothing.

        Where the broker is away, batches go on, and what it lacks waits in memory.
        """
        for row in batch.toLocalIterator():
            self._publish(row.asDict())
        before = self._taken
        self._taken = self._client.flush(FLUSH_SECONDS if before else AWAY_SECONDS)
        if before and not self._taken:
            log.warning(
                "the broker has not taken batch %d within %g s: what it lacks waits in memory until it does",
                number,
                FLUSH_SECONDS,
            )

    def _publish(self, row: dict[str, Any]) -> None:
        labels = tuple(msgspec.json.decode(row["labels"], type=dict[str, str]).items())
        topic = topic_of(self._settings.topic, row["group"], row["stream"], labels)
        document = document_of(self._groups[row["group"]], row)
        self._client.publish(topic, msgspec.json.encode(document), self._settings.retain)

    def close(self) -> None:
        """Send what waits, and disconnect."""
        self._client.close()
