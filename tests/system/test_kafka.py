"""MQTT -> gateway -> Kafka -> shards, the gateway and the shards killed at any moment."""

import subprocess
import sys
from itertools import islice
from random import Random

import numpy as np
import pytest

from ewad import config
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.scale import Record, Shard
from ewad.scale.log_thread import Job
from ewad.scale.record import encoded_labels
from tests.system import kafka, mosquitto
from tests.system.crashing_kafka import POINTS
from tests.system.daemon import EWAD, Daemon, environment
from tests.system.numbered import NumberedPublisher
from tests.system.polling import until
from tests.system.test_gateway import (
    SETTINGS,
    assert_nothing_is_lost_or_doubled,
    assert_shards_are_what_one_engine_is,
)

pytestmark = [pytest.mark.system, pytest.mark.slow]
SHARDS = range(3)
GATEWAY_KILLS, SHARD_KILLS = 3, 5


class Shards:
    """tests.system.kafka_shards in a process of its own."""

    def __init__(self, directory, address):
        self._output = directory / "shards.output"
        kept = directory / "kept"
        self._command = [sys.executable, "-m", "tests.system.kafka_shards", directory / "ewad.toml"]
        self._command += [address, kept, *map(str, SHARDS)]
        self._process = None

    def start(self):
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, env=environment())

    def until_running(self):
        said = lambda: self._output.read_text(errors="replace")  # noqa: E731
        until(lambda: "running" in said() or self._process.poll() is not None, said)
        assert self._process.poll() is None, said()

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def test_a_killed_gateway_loses_and_doubles_nothing(tmp_path):
    with (
        kafka.running(tmp_path / "kafka") as servers,
        mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker,
    ):
        command = (*EWAD[:-1], "tests.system.crashing_kafka")
        url = f"mqtt://127.0.0.1:{broker.port}"
        verb = ("gateway", "--log", f"kafka://{servers}/plant")
        gateway = Daemon(tmp_path, url, SETTINGS, client_id="gateway", verb=verb, command=command)
        try:
            gateway.start()
            gateway.until_ready()
            with NumberedPublisher(broker.port) as publisher:
                redelivered = killed(gateway, Random(5))
            until(
                lambda: sum(map(len, kafka.records(servers, "plant", SHARDS))) >= publisher.sent,
                lambda: gateway.stderr,
            )
            redelivered += gateway.value("ewad_messages_redelivered_total")
            assert gateway.end() == 0, gateway.stderr
        finally:
            gateway.kill()
        records = kafka.records(servers, "plant", SHARDS)
    assert redelivered > 0, "no redelivery came to be recognised: nothing was tested"
    assert_nothing_is_lost_or_doubled([each for each in records if len(each)], publisher.sent)
    assert_shards_are_what_one_engine_is(tmp_path, publisher.sent, records)


def killed(gateway, random):
    """Kill the gateway at each point in turn; return what was recognised meanwhile."""
    redelivered = 0.0
    for number in range(GATEWAY_KILLS):
        gateway.kill()
        gateway.environ["CRASH_AT"] = f"{POINTS[number % len(POINTS)]}:{random.randint(1, 8)}"
        gateway.start()
        until(lambda: gateway.process.poll() is not None, lambda: gateway.stderr)
        assert gateway.process.returncode == -9, gateway.stderr
        del gateway.environ["CRASH_AT"]
        gateway.start()
        most = random.randint(1, 1500)
        until(lambda most=most: (gateway.value("ewad_messages_received_total") or 0) >= most)
        redelivered += gateway.value("ewad_messages_redelivered_total") or 0
    gateway.kill()
    gateway.start()
    return redelivered


def commit(turn):
    """Return a commit of 60 samples for each shard."""
    at = np.arange(60 * turn, 60 * turn + 60)
    records = []
    for shard in SHARDS:
        names = [f"plant/{shard}-{number}/value" for number in range(20)]
        labels = encoded_labels([(("sensor", name),) for name in names])
        value = np.sin(at / 7 + shard)
        stream = (at % 20).astype(np.uint32)
        records.append(Record(shard, 3, "plant", None, names, labels, stream, at * 1.0, value))
    return Job(records, Acknowledgements(), 1.0, lambda: None)


def test_killed_shards_are_an_offline_replay_bit_for_bit(tmp_path):
    from ewad.scale.kafka_log import KafkaLog
    from ewad.scale.kafka_topic import kafka_topic

    (tmp_path / "ewad.toml").write_text(f'[mqtt]\nurl = "mqtt://nobody"\n{SETTINGS}')
    settings = config.load(tmp_path / "ewad.toml", {}).engine_settings()
    random, offline = Random(11), {number: Shard(settings) for number in SHARDS}
    with kafka.running(tmp_path / "kafka") as servers:
        topic = kafka_topic(f"kafka://{servers}/plant")
        log = KafkaLog(topic, "gateway", 3, {})
        shards, turns = Shards(tmp_path, str(topic)), iter(range(10_000))
        try:
            for _ in range(SHARD_KILLS):
                shards.start()
                shards.until_running()
                for turn in islice(turns, random.randint(20, 60)):
                    job = commit(turn)
                    log.append(job)
                    log.sync()
                    for record in job.records:
                        offline[record.shard].apply(record)
                shards.kill()  # wherever it is
        finally:
            shards.kill()
        assert_kept_shards_are(tmp_path, topic, settings, offline)


def assert_kept_shards_are(directory, topic, settings, offline):
    """Let what the killed process has kept catch up, and compare it with a replay in one go."""
    from ewad.scale.kafka_shard import KafkaShards

    assert list((directory / "kept").iterdir()), (
        "no snapshot was written between the kills: nothing was tested"
    )
    ends = {n: kafka.messages(topic.servers, topic.name, n)[-1][0] + 1 for n in SHARDS}
    with KafkaShards(topic, settings, directory / "kept", SHARDS) as shards:
        assert any(shards.offsets.values())
        until(lambda: shards.take(0.1) is not None and shards.offsets == ends, lambda: str(shards.offsets))
        for number, shard in shards.shards.items():
            assert shard.dump() == offline[number].dump()
