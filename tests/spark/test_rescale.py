"""Shards that are dealt out anew, and a checkpoint elsewhere: every shard stays an offline replay."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ewad import config
from ewad.scale import LogReader, LogWriter, Record, Shard
from ewad.scale.record import encoded_labels
from tests.system.test_gateway import SETTINGS

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="pyspark isn't installed: make scale"
    ),
    pytest.mark.skipif(shutil.which("java") is None, reason="java isn't installed"),
    pytest.mark.filterwarnings("ignore"),  # Spark has some of its own: of pandas, of sockets it leaves open
]
SHARDS = range(3)


def commit(number: int) -> list[Record]:
    """Return the records of one commit: 60 samples of 20 streams for each shard."""
    at = np.arange(60 * number, 60 * number + 60)
    records = []
    for shard in SHARDS:
        names = [f"plant/{shard}-{each}/value" for each in range(20)]
        labels = encoded_labels([(("sensor", name),) for name in names])
        stream, value = (at % 20).astype(np.uint32), np.sin(at / 7 + shard)
        records.append(Record(shard, 3, "plant", None, names, labels, stream, at * 1.0, value))
    return records


def to_its_end(start: Callable[[], Any]) -> None:
    """Run a query to its end; once more if Spark gives up a worker that a busy machine is slow to start."""
    for tries_left in reversed(range(5)):
        try:
            start().awaitTermination()
        except Exception as error:
            if "failed to connect back" not in str(error) or not tries_left:
                raise
        else:
            return


def test_partitions_and_the_place_change_and_no_bit_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ewad.scale.spark import query

    (tmp_path / "ewad.toml").write_text(f'[mqtt]\nurl = "mqtt://nobody"\n{SETTINGS}')
    settings = config.load(tmp_path / "ewad.toml", {})
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # Spark's workers have some of their own
    spark = query.session(2)
    log, checkpoint, commits = tmp_path / "log", tmp_path / "checkpoint", iter(range(1000))
    writer = LogWriter(log)
    try:
        for partitions in (2, 4, 2):
            for _ in range(20):
                writer.append(commit(next(commits)))
            writer.sync()
            if checkpoint.exists():
                query.repartition(spark, str(checkpoint), partitions)
            to_its_end(lambda: query.start(spark, settings, log, str(checkpoint), trigger=None))
        elsewhere = f"file://{tmp_path}/elsewhere"  # from the log alone; Spark's checkpoints can't be moved
        to_its_end(lambda: query.start(spark, settings, log, elsewhere, trigger=None, max_commits=7))
        found = [
            query.shards_of(spark, settings.engine_settings(), at) for at in (str(checkpoint), elsewhere)
        ]
    finally:
        writer.close()
        spark.stop()
    offline = [Shard(settings.engine_settings()) for _ in SHARDS]
    for record in LogReader(log):
        offline[record.shard].apply(record)
    for shards in found:
        assert sorted(shards) == [*SHARDS]
        assert all(shards[number].dump() == offline[number].dump() for number in SHARDS)
