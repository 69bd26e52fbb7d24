"""Spark's source of records: the logs of gateways, by commit, so that a batch has the same ones each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.datasource import (
    ReadAllAvailable,
    ReadLimit,
    ReadMaxRows,
    SupportsTriggerAvailableNow,
)

from ewad.scale.log_reader import LogReader
from ewad.scale.segments import SYNCED, segments

NAME = "ewad_log"
SCHEMA = "shard int, log string, sequence long, place int, record binary"
RECORD_HEAD = 64  # bytes of a record within which its shard stands
TASK_COMMITS = 256  # read by one task

Offsets = dict[str, int]  # log -> its last commit so far


class Row(NamedTuple):
    """One record. log: which gateway's, "" of a log alone."""

    shard: int
    log: str
    sequence: int
    place: int
    record: bytes


class Commits(InputPartition):
    """Commits of one log, those after one up to another."""

    def __init__(self, log: str, after: int, until: int) -> None:
        self.log, self.after, self.until = log, after, until


def logs_of(directory: Path) -> dict[str, Path]:
    """Return the logs: the directory itself, or those below it, one a gateway. Nothing: none is there yet."""
    if (directory / SYNCED).exists() or segments(directory):
        return {"": directory}
    return {path.parent.name: path.parent for path in sorted(directory.glob(f"*/{SYNCED}"))}


class EwadLog(DataSource):
    """spark.readStream.format("ewad_log").option("path", DIR). Option maxCommits: of each log a batch."""

    @classmethod
    def name(cls) -> str:
        """What it is called by."""
        return NAME

    def schema(self) -> str:
        """What its rows have."""
        return SCHEMA

    def streamReader(self, schema: Any) -> LogStreamReader:  # noqa: N802 (Spark's name)
        """Return what reads the log."""
        return LogStreamReader(self.options)


class LogStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Offsets are numbers of commits, one for each log."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._directory = Path(options["path"])
        self._most = int(options.get("maxCommits", 0) or 0)
        self._end: Offsets | None = None  # of a run that ends

    def initialOffset(self) -> Offsets:  # noqa: N802
        """Return where the first batch begins: with the oldest commit that is kept."""
        return {name: LogReader(path).first - 1 for name, path in logs_of(self._directory).items()}

    def getDefaultReadLimit(self) -> ReadLimit:  # noqa: N802
        """Return how much a batch may have."""
        return ReadMaxRows(self._most) if self._most else ReadAllAvailable()

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """End with what is there now."""
        self._end = {name: LogReader(path).last() for name, path in logs_of(self._directory).items()}

    def latestOffset(self, start: Offsets, limit: ReadLimit) -> Offsets:  # noqa: N802
        """Return where a batch from start on ends."""
        found = dict(start)
        for name, path in logs_of(self._directory).items():
            reader = LogReader(path)
            after = found.get(name, reader.first - 1)
            end = reader.last() if self._end is None else self._end.get(name, 0)
            last = max(after, end)
            most = limit.max_rows if isinstance(limit, ReadMaxRows) else last
            found[name] = min(last, after + most)
        return found

    def partitions(self, start: Offsets, end: Offsets) -> list[Commits]:
        """Return what the tasks of a batch read."""
        logs, found = logs_of(self._directory), []
        for name, until in end.items():
            after = start.get(name, LogReader(logs[name]).first - 1)
            found += [
                Commits(name, at, min(at + TASK_COMMITS, until)) for at in range(after, until, TASK_COMMITS)
            ]
        return found

    def read(self, partition: Commits) -> Iterator[Row]:
        """Yield the records of these commits."""
        from ewad.scale.record import shard_of_record
        from ewad.scale.spark.worker import settle

        settle()
        reader = LogReader(logs_of(self._directory)[partition.log])
        for entry in reader.entries(partition.after, partition.until):
            yield Row(shard_of_record(entry.data), partition.log, *entry)
