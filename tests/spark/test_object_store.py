"""A checkpoint on object storage: a driver killed at any moment of a batch changes no bit of a shard."""

import time
from random import Random

import pyarrow.parquet

from ewad.scale import LogWriter
from ewad.scale.shard import all_rows
from tests.spark.object_store import mounted
from tests.spark.processes import NEEDS_SPARK, Spark, assert_dumps_are_an_offline_replay, offline_replay
from tests.spark.test_rescale import commit
from tests.system.test_gateway import SETTINGS

pytestmark = NEEDS_SPARK
COMMITS, OF_A_BATCH, KILLS = 24, 3, 2


def test_a_checkpoint_on_object_storage_survives_kills(tmp_path):
    (tmp_path / "ewad.toml").write_text(f'[mqtt]\nurl = "mqtt://nobody"\n{SETTINGS}')
    writer, random = LogWriter(tmp_path / "log"), Random(5)
    for number in range(COMMITS):
        writer.append(commit(number))
    writer.close()
    with mounted(tmp_path / "store") as store:
        spark = Spark(tmp_path, tmp_path / "ewad.toml", store.folder / "checkpoint")
        arguments = ("--log", str(tmp_path / "log"), "--partitions", "1", "--max-commits", str(OF_A_BATCH))
        arguments += ("--sink", f"parquet:{tmp_path / 'out'}")
        try:
            for _ in range(KILLS):
                spark.start(*arguments, "--trigger", "0 seconds", master="local[2]")
                spark.wait_for_batches(2)
                time.sleep(random.random())  # any moment of a batch will do
                spark.kill()
            assert spark.batches < COMMITS // OF_A_BATCH, "the last kill came too late: nothing was tested"
            spark.run(*arguments, "--once")
            assert spark.batches == COMMITS // OF_A_BATCH
            spark.run("--dump", str(tmp_path / "dumps"))
        finally:
            spark.kill()
    assert any((store.objects / "checkpoint" / "commits").iterdir())
    assert "Copied (server-side copy)" in store.said, "nothing was renamed: it was no object store"
    assert_dumps_are_an_offline_replay(tmp_path)
    assert_the_last_batches_have_what_stands(tmp_path)


def assert_the_last_batches_have_what_stands(directory):
    """Compare each stream's row in the last folder that has one with what stands after an offline replay."""
    found, wanted = {}, {}
    for number in range(COMMITS // OF_A_BATCH):
        for row in pyarrow.parquet.read_table(
            directory / "out" / f"batch={number}", partitioning=None
        ).to_pylist():
            found[row["stream"]] = row
    for number, shard in enumerate(offline_replay(directory)):
        table = shard.latest(all_rows(shard.engine))
        for values in zip(*table.values(), strict=True):
            row = {"shard": number} | dict(zip(table, values, strict=True))
            wanted[row["stream"]] = row
    assert found == wanted
