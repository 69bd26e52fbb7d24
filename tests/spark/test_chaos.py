"""MQTT -> gateway -> log -> Spark, with every process killed at random moments: nothing is lost or doubled.

Run: make scale. It needs Java and the extra `spark`.
"""

import os
import time
from random import Random

from tests.spark.processes import MASTER, NEEDS_SPARK, Spark, assert_dumps_are_an_offline_replay
from tests.system import mosquitto
from tests.system.numbered import NumberedPublisher
from tests.system.test_gateway import (
    assert_nothing_is_lost_or_doubled,
    assert_shards_are_what_one_engine_is,
    gateway,
    records_of,
)

pytestmark = NEEDS_SPARK

MESSAGES = int(os.environ.get("SCALE_MESSAGES", "75000"))
ROUND = ("worker", "gateway", "driver", "worker", "executor", "gateway")


def test_nothing_is_lost_or_doubled_whatever_is_killed(tmp_path):
    random = Random(3)
    with mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker:
        ways = gateway(tmp_path, broker.port)
        spark = Spark(tmp_path, ways.config)
        arguments = ("--log", str(tmp_path / "log"), "--partitions", "2", "--trigger", "500 milliseconds")
        sink = ("--sink", f"parquet:{tmp_path / 'out'}")
        ways.start()
        ways.until_ready()
        try:
            spark.start(*arguments, *sink)
            with NumberedPublisher(broker.port, pause_seconds=0.02) as publisher:
                spark.wait_for_batches(1)
                for what in ROUND if "cluster" in MASTER else (each for each in ROUND if each != "executor"):
                    spark.wait_for_batches(2)
                    time.sleep(random.random())  # any moment of a batch will do
                    if what == "gateway":
                        ways.kill()
                        ways.start()
                    elif what == "driver":
                        spark.kill()
                        spark.start(*arguments, *sink)
                    else:
                        words = {"worker": "pyspark.daemon", "executor": "CoarseGrainedExecutorBackend"}
                        assert spark.kill_one(words[what], random), what
                spark.wait_for(lambda: publisher.sent >= MESSAGES)
            spark.wait_for(lambda: sum(map(len, records_of(tmp_path))) >= publisher.sent)
            assert ways.end() == 0, ways.stderr
            spark.kill()
            spark.run(*arguments, "--once")
            spark.run("--dump", str(tmp_path / "dumps"))
        finally:
            ways.kill()
            spark.kill()
    assert_nothing_is_lost_or_doubled(records_of(tmp_path), publisher.sent)
    assert_shards_are_what_one_engine_is(tmp_path, publisher.sent)
    assert_dumps_are_an_offline_replay(tmp_path)
