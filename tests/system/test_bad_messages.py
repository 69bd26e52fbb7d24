"""Whatever is published: the daemon counts it under a reason, keeps its memory, and goes on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.mosquitto import Mosquitto
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

BLOCKS = """
[[stream]]
name = "number"
topic = "number/{n}"
[[stream]]
name = "json"
topic = "json/{n}"
format = "json"
field = "a.b"
[[stream]]
name = "document"
topic = "document/{n}"
format = "json"
[[stream]]
name = "several"
topic = "several/{n}"
format = "json"
field = { a = "a", b = "b" }
[limits]
max_streams = 1000
max_payload_bytes = 1_000_000
"""
DEEP = 100_000
# topic, payload -> the reason under which it is counted
REJECTED = [
    ("number/a", b"", "empty"),
    ("number/a", b" \t", "empty"),
    ("number/a", b"on", "not_a_number"),
    ("number/a", b"1,5", "not_a_number"),
    ("number/a", b"1_000", "not_a_number"),
    ("number/a", b"0x10", "not_a_number"),
    ("number/a", b"12 13", "not_a_number"),
    ("number/a", b"\xff\xfe\x00\x01", "not_a_number"),
    ("number/a", b"\xd9\xa3", "not_a_number"),  # an Arabic digit: float() would take it in a text
    ("number/a", b"\xc3\x28", "not_a_number"),  # invalid UTF-8
    ("number/a", b"\x00" * 100, "empty"),
    ("number/a", b"NaN", "not_finite"),
    ("number/a", b"-inf", "not_finite"),
    ("number/a", b"1e400", "out_of_range"),
    ("number/a", b"9" * 60_000, "out_of_range"),
    ("number/a", b"1" * 2**20, "too_large"),
    ("json/a", b"", "empty"),
    ("json/a", b"{", "invalid_json"),
    ("json/a", b'{"a": {"b": 1}} x', "invalid_json"),
    ("json/a", b'{"a": {"b": "\xff"}}', "not_a_number"),
    ("json/a", b'{"a": {"b": NaN}}', "not_finite"),
    ("json/a", b"[" * DEEP, "unsupported"),
    ("json/a", b"[" * DEEP + b"]" * DEEP, "unsupported"),
    ("json/a", b'{"a": ' * DEEP + b"1" + b"}" * DEEP, "unsupported"),
    ("json/a", b'{"a": {"b": [1]}}', "wrong_type"),
    ("json/a", b'{"a": {"b": "warm"}}', "not_a_number"),
    ("json/a", b'{"a": {"b": "NaN"}}', "not_finite"),
    ("json/a", b'{"a": {"b": 1e200}}', "out_of_range"),
    ("json/a", b'{"a": {"b": 1%s}}' % (b"0" * 5000), "out_of_range"),
    ("json/a", b" " * 2**20, "too_large"),
    ("document/a", b"[" * DEEP + b"]" * DEEP, "unsupported"),
    ("document/a", b'"\\ud800"', "not_a_number"),
    ("several/a", b'{"a": "x", "b": 1}', "not_a_number"),
]
# without the field that is read: no fault of anybody's
ABSENT = [
    ("json/a", b'{"a": {"b": null}}'),
    ("json/a", b'{"a": 1}'),
    ("json/a", b"1"),
    ("several/a", b"{}"),
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    directory = tmp_path_factory.mktemp("mosquitto")
    with mosquitto.running(directory, options=["max_queued_messages 0"]) as started:
        yield started


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_each_bad_payload_is_counted_under_its_reason_and_the_next_good_one_is_taken(
    tmp_path: Path, broker: Mosquitto, version: str
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, BLOCKS, mqtt=[f'version = "{version}"']) as daemon:
        good = [("number/a", b" 2.5e1 "), ("json/a", b'{"a": {"b": 7}}'), ("document/a", b"-1")]
        publish(broker.port, good)
        publish(broker.port, [(topic, payload) for topic, payload, _ in REJECTED])
        publish(broker.port, ABSENT)
        publish(broker.port, good)  # the same topics go on
        daemon.until_value("ewad_samples_total", 2.0, stream="document/a")
        found = daemon.samples()
        counted = {dict(labels)["reason"]: n for labels, n in found["ewad_messages_rejected_total"].items()}
        reasons = [reason for _, _, reason in REJECTED]
        assert {reason: n for reason, n in counted.items() if n} == {
            reason: reasons.count(reason) for reason in reasons
        }
        assert found["ewad_messages_received_total"] == {(): len(REJECTED) + len(ABSENT) + 6}
        assert daemon.value("ewad_messages_absent_total") == len(ABSENT)
        samples = {dict(labels)["stream"]: n for labels, n in found["ewad_samples_total"].items()}
        assert samples == {"number/a": 2, "json/a": 2, "document/a": 2, "several/a/b": 1}
        assert daemon.value("ewad_mqtt_reconnects_total") == 0
        # a line for each reason, not for each message; and no payload in it
        assert daemon.stderr.count("message rejected") == len(set(reasons)), daemon.stderr
        assert "warm" not in daemon.stderr
        assert len(daemon.stderr) < 20_000


MANY_TOPICS = int(os.environ.get("EWAD_TEST_TOPICS", "100000"))  # the promise is about 1,000,000
GROWTH_MIB = 40.0  # for 1,000 streams, 10,000 remembered topics, a read buffer, one scrape


@pytest.mark.parametrize("payload", [pytest.param(b"1.5", marks=pytest.mark.slow), b"junk"])
def test_countless_topics_neither_fill_the_memory_nor_the_log(
    tmp_path: Path, broker: Mosquitto, payload: bytes
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, BLOCKS, mqtt=["qos = 0"]) as daemon:
        publish(broker.port, [("number/first", b"1")])
        daemon.until_value("ewad_samples_total", 1.0, stream="number/first")
        before = daemon.rss_mib
        publish(broker.port, ((f"number/{i:012d}", payload) for i in range(MANY_TOPICS)))
        daemon.until_value("ewad_messages_received_total", MANY_TOPICS + 1.0)
        grown = daemon.rss_mib - before
        assert grown < GROWTH_MIB, f"{grown:.0f} MiB more after {MANY_TOPICS} topics"
        if payload == b"junk":
            assert daemon.value("ewad_messages_rejected_total", reason="not_a_number") == MANY_TOPICS
            assert daemon.value("ewad_streams") == 1
            assert daemon.stderr.count("message rejected") == 1
        else:
            refused = MANY_TOPICS - 999
            daemon.until_value("ewad_streams", 1000.0)
            assert daemon.value("ewad_streams_refused_total") == refused
            assert daemon.value("ewad_messages_rejected_total", reason="stream_limit") == refused
            assert daemon.stderr.count("stream refused") == 1
            until(lambda: len(daemon.samples()["ewad_value"]) == 1000)
        # the known stream is as well as ever
        publish(broker.port, [("number/first", b"3")])
        daemon.until_value("ewad_samples_total", 2.0, stream="number/first")
