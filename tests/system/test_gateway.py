"""The gateway between a real mosquitto and a log on a disk, killed at its worst moments."""

import os
from random import Random

import numpy as np
import pytest

from ewad import config
from ewad.scale import LogReader, Shard
from tests.system import mosquitto
from tests.system.crashing_gateway import POINTS
from tests.system.daemon import EWAD, Daemon
from tests.system.kills import OF_ARRIVAL
from tests.system.numbered import NumberedPublisher, sample, topic, undisturbed
from tests.system.polling import until

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{sensor}/value"
format = "json"
field = "v"
time_field = "ts"
beta = [0.9, 0.98]
model = "m"
[model.m]
share = "stream"
experts = ["persistence", "linear", "rls"]
lags = 8
batch_size = 16
[shard]
count = 3
"""
KILLS = int(os.environ.get("GATEWAY_KILLS", "5"))


def gateway(directory, port, settings=SETTINGS, command=EWAD):
    verb = ("gateway", "--log", str(directory / "log"))
    url = f"mqtt://127.0.0.1:{port}"
    return Daemon(directory, url, settings, client_id="gateway", verb=verb, command=command)


def records_of(directory):
    return [record for record in LogReader(directory / "log") if len(record)]


def assert_nothing_is_lost_or_doubled(records, sent):
    """Compare what the log holds with what was published, topic by topic, in order."""
    found = {}
    for record in records:
        for stream, time, value in zip(record.stream, record.time, record.value, strict=True):
            found.setdefault(record.names[stream], []).append((time, value))
    wanted = {}
    for number in range(sent):
        wanted.setdefault(topic(number), []).append(sample(number))
    assert found == wanted


@pytest.mark.slow
def test_a_killed_gateway_loses_and_doubles_nothing(tmp_path):
    with mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker:
        command = (*EWAD[:-1], "tests.system.crashing_gateway")
        daemon = gateway(tmp_path, broker.port, command=command)
        try:
            daemon.start()
            daemon.until_ready()
            with NumberedPublisher(broker.port) as publisher:
                redelivered = killed(daemon, Random(7))
            daemon.start()
            until(
                lambda: sum(map(len, records_of(tmp_path))) >= publisher.sent,
                lambda: f"{sum(map(len, records_of(tmp_path)))} of {publisher.sent}\n{daemon.stderr}",
            )
            redelivered += daemon.value("ewad_messages_redelivered_total") or 0
            assert daemon.end() == 0, daemon.stderr
        finally:
            daemon.kill()
    assert "Traceback" not in daemon.stderr
    assert redelivered > 0, "no redelivery came to be recognised: nothing was tested"
    assert_nothing_is_lost_or_doubled(records_of(tmp_path), publisher.sent)
    assert_shards_are_what_one_engine_is(tmp_path, publisher.sent)


def killed(daemon, random):
    """Kill the gateway at each point in turn; return how many messages it recognised meanwhile."""
    redelivered = 0.0
    for number in range(KILLS):
        daemon.kill()
        point = (*POINTS, None)[number % (len(POINTS) + 1)]
        if point is None:
            daemon.start()
            most = random.randint(1, 1500)
            until(lambda most=most: (daemon.value("ewad_messages_received_total") or 0) >= most)
            # the point before was after_sync: what the broker sends first is in the log already
            until(lambda: daemon.value("ewad_messages_redelivered_total"), lambda: daemon.stderr)
            redelivered += daemon.value("ewad_messages_redelivered_total")
            continue
        daemon.environ["CRASH_AT"] = f"{point}:{random.randint(1, 4)}"
        daemon.start()
        until(lambda: daemon.process.poll() is not None, lambda point=point: f"{point}\n{daemon.stderr}")
        assert daemon.process.returncode == -9, daemon.stderr
        del daemon.environ["CRASH_AT"]
    daemon.kill()
    return redelivered


def assert_shards_are_what_one_engine_is(directory, sent, records=None):
    """Compare the rows of all shards, bit for bit, with those of one engine that saw every sample.

    records: by default those of the log of files.
    """
    settings = config.load(directory / "ewad.toml", {}).engine_settings()
    shards = [Shard(settings) for _ in range(3)]
    for record in LogReader(directory / "log") if records is None else records:
        shards[record.shard].apply(record)
    whole = undisturbed(Shard(settings).engine, sent)
    rows = {name: row for row, name in enumerate(whole.groups[0].streams.names)}
    wanted, seen = whole.snapshot().arrays, []
    for shard in shards:
        names = shard.engine.groups[0].streams.names
        seen += names
        at = [rows[name] for name in names]
        for key, array in shard.engine.snapshot().arrays.items():
            if not key.endswith(f"/{OF_ARRIVAL}"):
                np.testing.assert_array_equal(array, wanted[key][at], err_msg=key)
    assert sorted(seen) == sorted(rows)
    assert all(len(shard.engine.groups[0].streams) > 5 for shard in shards)


def test_a_gateway_says_how_it_is_and_ends_cleanly(tmp_path):
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        daemon = gateway(tmp_path, broker.port)
        daemon.start()
        try:
            daemon.until_ready()
            with NumberedPublisher(broker.port) as publisher:
                until(lambda: publisher.sent >= 200, lambda: daemon.stderr)
            daemon.until_total("ewad_messages_received_total", publisher.sent)
            assert daemon.value("ewad_mqtt_connected") == 1
            assert daemon.value("ewad_streams") == 50
            assert daemon.end() == 0, daemon.stderr
        finally:
            daemon.kill()
    assert sum(map(len, records_of(tmp_path))) == publisher.sent


def test_two_gateways_do_not_share_a_log(tmp_path):
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        daemon = gateway(tmp_path, broker.port)
        daemon.start()
        try:
            second = gateway(tmp_path, broker.port)
            second._stderr = tmp_path / "stderr2"
            with pytest.raises(AssertionError, match="another process writes this log"):
                second.start()
        finally:
            daemon.kill()
