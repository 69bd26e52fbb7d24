"""A standalone cluster that grows and loses a machine while messages come: no shard changes a bit."""

from contextlib import ExitStack

from tests.spark.processes import NEEDS_SPARK, Spark, Standalone, assert_dumps_are_an_offline_replay
from tests.system import mosquitto
from tests.system.numbered import NumberedPublisher
from tests.system.test_gateway import (
    assert_nothing_is_lost_or_doubled,
    assert_shards_are_what_one_engine_is,
    gateway,
    records_of,
)

pytestmark = NEEDS_SPARK

MESSAGES = 20_000


def test_a_worker_is_added_while_running_and_the_first_one_dies(tmp_path):
    address = f"spark://127.0.0.1:{(port := mosquitto.free_port())}"
    # without waiting for the worker that has a shard at hand, so that shards move from worker to worker
    master = f"{address} --conf spark.locality.wait=0s --conf spark.executor.memory=1g"
    of_worker = ("worker.Worker", "--cores", "2", "--memory", "1g", address)
    with ExitStack() as at_the_end:
        broker = at_the_end.enter_context(
            mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"])
        )
        ways = gateway(tmp_path, broker.port)
        at_the_end.callback(ways.kill)
        cluster = Standalone(tmp_path / "master", "master.Master", "--port", str(port))
        at_the_end.callback(cluster.kill)
        first = Standalone(tmp_path / "first", *of_worker)
        at_the_end.callback(first.kill)
        spark = Spark(tmp_path, ways.config)
        at_the_end.callback(spark.kill)
        arguments = ("--log", str(tmp_path / "log"), "--partitions", "2", "--trigger", "500 milliseconds")
        ways.start()
        ways.until_ready()
        spark.wait_for(lambda: "registered with master" in first.said)
        spark.start(*arguments, master=master)
        with NumberedPublisher(broker.port, pause_seconds=0.02) as publisher:
            spark.wait_for_batches(2)
            second = Standalone(tmp_path / "second", *of_worker)
            at_the_end.callback(second.kill)
            spark.wait_for(lambda: second.python_workers)
            spark.wait_for_batches(3)
            assert first.python_workers
            first.kill()
            spark.wait_for_batches(3)
            spark.wait_for(lambda: publisher.sent >= MESSAGES)
        spark.wait_for(lambda: sum(map(len, records_of(tmp_path))) >= publisher.sent)
        assert ways.end() == 0, ways.stderr
        spark.kill()
        spark.run(*arguments, "--once")
        spark.run("--dump", str(tmp_path / "dumps"))
    assert_nothing_is_lost_or_doubled(records_of(tmp_path), publisher.sent)
    assert_shards_are_what_one_engine_is(tmp_path, publisher.sent)
    assert_dumps_are_an_offline_replay(tmp_path)
