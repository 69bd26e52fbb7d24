"""A connection that publishes: bytes in, bytes and events out, no socket and no clock."""

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ewad.config import Secret
from ewad.ingest.mqtt.mqtt5_core import Accepted, Ended
from ewad.ingest.mqtt.settings import BrokerSettings
from ewad.outputs.mqtt import packets
from ewad.outputs.mqtt.core import IN_FLIGHT, PublishingCore, PublishingState
from ewad.outputs.mqtt.outbox import SUBSCRIBE_ID, Outbox, Outgoing, Sending

QOS0, QOS1, QOS2 = mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE, mqtt5.QoS.EXACTLY_ONCE
HERE, GONE = Outgoing("there", b"online", 1, True), Outgoing("there", b"offline", 1, True)
SETTINGS = BrokerSettings(host="h")


def message(n: int, qos: int = 1, topic: str = "t/{n}") -> Outgoing:
    return Outgoing(topic.format(n=n), b"%d" % n, qos, True)


class Driver:
    """A core on an outbox, and what came out of it."""

    def __init__(self, outbox: Outbox | None = None, version: str = "5", **parts: object) -> None:
        self.outbox = outbox or Outbox(latest=True)
        self.sent: list[bytes] = []
        self.events: list[object] = []
        both = self.sent.append, self.events.append
        self.core = PublishingCore(SETTINGS, version, self.outbox, *both, **parts)  # type: ignore[arg-type]
        self.core.open(0.0)

    def receive(self, *found: mqtt5.Packet | bytes, now: float = 0.0) -> "Driver":
        data = b"".join(each if isinstance(each, bytes) else each.write() for each in found)
        self.core.buffer.free[: len(data)] = data
        self.core.received(len(data), now)
        return self

    def packets(self) -> list[object]:
        """Return what was sent since the last call."""
        data, found = b"".join(self.sent), []
        self.sent.clear()
        while data:
            packet, size = mqtt5.read(memoryview(data))
            found.append(packet)
            data = data[size:]
        return found

    def open(self, **connack: object) -> "Driver":
        self.receive(mqtt5.ConnAckPacket(**connack))  # type: ignore[arg-type]
        return self

    def published(self) -> list[tuple[str, int | None, bool]]:
        return [
            (each.topic, each.packet_id, each.duplicate)
            for each in self.packets()
            if isinstance(each, mqtt5.PublishPacket)
        ]


@given(
    some.text("aé/{", min_size=1, max_size=200),
    some.binary(max_size=20_000),
    some.sampled_from([0, 1, 2]),
    some.booleans(),
    some.booleans(),
    some.integers(1, 0xFFFF),
)
def test_publish_reads_back_as_it_was_meant(topic, payload, qos, retain, again, number):
    sending = Sending(number, Outgoing(topic, payload, qos, retain), again)
    packet, size = mqtt5.read(memoryview(data := packets.publish(sending, "5")))
    assert size == len(data)
    assert (packet.topic, bytes(packet.payload), packet.qos, packet.retain, packet.duplicate) == (
        topic,
        payload,
        qos,
        retain,
        again,
    )
    assert packet.packet_id == (number if qos else None)
    older, size = packets.reader("3.1.1")(memoryview(packets.publish(sending, "3.1.1") + b"\xd0\0"))
    assert (older.topic, bytes(older.payload), older.qos, size) == (topic, payload, qos, len(data) - 1)


def test_connect_has_the_will_and_the_credentials():
    settings = BrokerSettings(host="h", client_id="me", username="u", password=Secret("p"))
    packet, _ = mqtt5.read(memoryview(packets.connect(settings, "5", GONE)))
    will = packet.will
    assert (packet.client_id, packet.username, packet.password) == ("me", "u", b"p")
    assert packet.clean_start
    assert packet.keep_alive == settings.keep_alive_seconds
    assert (will.topic, will.payload, will.qos, will.retain) == ("there", b"offline", QOS1, True)


def test_connect_of_3_1_1_is_that_of_its_specification():
    expected = bytes.fromhex("1019 00044d515454 04 06 001e 00026d65".replace(" ", ""))
    expected = expected[:9] + b"\x2e" + expected[10:] + b"\0\5there\0\7offline"
    expected = b"\x10" + bytes((len(expected) - 2,)) + expected[2:]
    found = packets.connect(BrokerSettings(host="h", client_id="me"), "3.1.1", GONE)
    assert found == expected


@pytest.mark.parametrize(("data", "code"), [(b"\x20\2\0\0", "SUCCESS"), (b"\x20\2\0\5", "NOT_AUTHORIZED")])
def test_a_connack_of_3_1_1_is_read(data, code):
    packet, size = packets.reader("3.1.1")(memoryview(data + b"more"))
    assert (packet.reason_code.name, size) == (code, 4)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_packet_of_3_1_1_that_is_not_whole_waits(cut):
    data = packets.publish(Sending(0, Outgoing("a/b", b"cd", 0, False), False), "3.1.1")
    assert len(data) == 9
    with pytest.raises(IndexError):
        packets.reader("3.1.1")(memoryview(data[:cut]))


@pytest.mark.parametrize("data", [b"\x20\2\0\x09", b"\x20\3\0\0\0", b"\x30\1\0", b"\x30\3\0\x09a"])
def test_what_is_no_packet_of_3_1_1_ends_the_connection(data):
    driver = Driver(version="3.1.1")
    if data[0] == 0x30:
        driver.receive(b"\x20\2\0\0")
    driver.receive(data)
    assert driver.core.state is PublishingState.OVER
    assert "violation" in str(driver.events[-1].error)


def test_nothing_is_published_before_connack_and_the_availability_is_first():
    driver = Driver(here=HERE)
    driver.outbox.put([message(1), message(2)])
    driver.core.pump(0.0)
    assert [type(each) for each in driver.packets()] == [mqtt5.ConnectPacket]
    driver.open()
    assert driver.events == [Accepted()]
    assert [topic for topic, *_ in driver.published()] == ["there", "t/1", "t/2"]


def test_many_messages_go_out_in_one_piece():
    driver = Driver().open()
    driver.sent.clear()
    driver.outbox.put(message(n) for n in range(100))
    driver.core.pump(0.0)
    assert len(driver.sent) == 1
    assert len(driver.published()) == 100


CODES = mqtt5.PubAckReasonCode
ANSWERS = {
    "done": lambda number: b"\x40\2" + number.to_bytes(2, "big"),
    "done, but nobody subscribes": lambda number: b"\x40\3" + number.to_bytes(2, "big") + b"\x10",
    "done, with properties": lambda number: b"\x40\4" + number.to_bytes(2, "big") + b"\0\0",
    "refused": lambda number: mqtt5.PubAckPacket(number, reason_code=CODES.QUOTA_EXCEEDED).write(),
    "none of ours": lambda number: mqtt5.PubAckPacket(number + 1000).write(),
    "another packet": lambda number: mqtt5.PingRespPacket().write(),
}


@given(some.lists(some.sampled_from([*ANSWERS]), min_size=1, max_size=60), some.integers(1, 50))
def test_answers_count_alike_however_they_come_and_are_cut(answers, size):
    driver = Driver().open()
    driver.outbox.put(message(n) for n in range(len(answers)))
    driver.core.pump(0.0)
    numbers = [number for _, number, _ in driver.published()]
    data = b"".join(ANSWERS[answer](number) for answer, number in zip(answers, numbers, strict=True))
    for start in range(0, len(data), size):
        driver.receive(data[start : start + size])
    open_ones = sum(answer in ("none of ours", "another packet") for answer in answers)
    assert (driver.outbox.flying, driver.core.refused) == (open_ones, answers.count("refused"))


def test_an_answer_before_connack_ends_the_connection():
    driver = Driver().receive(mqtt5.PubAckPacket(1))
    assert "PUBACK" in str(driver.events[-1].error) or "PubAckPacket" in str(driver.events[-1].error)


@pytest.mark.parametrize(("connack", "window"), [({"receive_max": 3}, 3), ({}, IN_FLIGHT)])
def test_no_more_is_in_flight_than_the_broker_takes(connack, window):
    driver = Driver().open(**connack)
    driver.outbox.put(message(n) for n in range(IN_FLIGHT + 10))
    driver.core.pump(0.0)
    first = driver.published()
    assert len(first) == window
    driver.receive(mqtt5.PubAckPacket(first[0][1]), mqtt5.PubAckPacket(first[1][1]))
    assert [topic for topic, *_ in driver.published()] == [f"t/{window}", f"t/{window + 1}"]


def test_what_was_not_answered_is_sent_again_marked_and_before_all_else():
    driver = Driver().open(receive_max=3)
    driver.outbox.put(message(n) for n in range(4))
    driver.core.pump(0.0)
    (_, first, _), *_ = driver.published()
    driver.receive(mqtt5.PubAckPacket(first), mqtt5.DisconnectPacket())
    assert driver.core.state is PublishingState.OVER
    again = Driver(driver.outbox).open(receive_max=2)
    assert again.published() == [("t/1", 2, True), ("t/2", 3, True)]
    again.receive(mqtt5.PubAckPacket(2), mqtt5.PubAckPacket(3))
    assert again.published() == [("t/3", 4, False)]
    again.receive(mqtt5.PubAckPacket(4))
    assert again.outbox.empty


def test_a_later_message_of_a_topic_takes_the_place_of_one_that_waits():
    driver = Driver().open(receive_max=1)
    driver.outbox.put(message(n, topic="same") for n in range(4))
    driver.core.pump(0.0)
    assert driver.outbox.superseded == 3
    assert [each.payload for each in driver.packets() if isinstance(each, mqtt5.PublishPacket)] == [b"3"]


def test_where_order_counts_all_are_sent():
    driver = Driver(Outbox(latest=False)).open()
    driver.outbox.put(message(n, qos=0, topic="same") for n in range(1000))
    driver.core.pump(0.0)
    payloads = [int(each.payload) for each in driver.packets() if isinstance(each, mqtt5.PublishPacket)]
    assert payloads == [*range(1000)]
    assert driver.outbox.empty


def test_a_network_that_takes_no_more_is_waited_for():
    driver = Driver().open()
    driver.core.held = True
    driver.outbox.put([message(1, qos=0)])
    driver.core.pump(0.0)
    assert driver.published() == []
    driver.core.held = False
    driver.core.pump(0.0)
    assert len(driver.published()) == 1


def test_exactly_once_takes_four_packets():
    driver = Driver().open()
    driver.outbox.put([message(1, qos=2)])
    driver.core.pump(0.0)
    ((_, number, _),) = driver.published()
    driver.receive(mqtt5.PubRecPacket(number))
    (pubrel,) = driver.packets()
    assert isinstance(pubrel, mqtt5.PubRelPacket)
    assert (pubrel.packet_id, driver.outbox.empty) == (number, False)
    driver.receive(mqtt5.PubCompPacket(number))
    assert driver.outbox.empty


def test_a_broker_s_limits_are_kept(caplog):
    driver = Driver().open(max_qos=QOS0, retain_available=False, max_packet_size=100)
    driver.outbox.put([message(1), Outgoing("large", bytes(200), 1, False)])
    driver.core.pump(0.0)
    (small,) = [each for each in driver.packets() if isinstance(each, mqtt5.PublishPacket)]
    assert (small.topic, small.qos, small.retain) == ("t/1", QOS0, False)
    assert driver.outbox.empty
    assert driver.core.refused == 1
    assert 'topic="large" reason="211 bytes, more than 100"' in caplog.text


def test_a_topic_that_is_too_long_is_refused_and_costs_no_other_message(caplog):
    driver = Driver().open()
    driver.outbox.put([Outgoing("x" * 70_000, b"1", 1, True), message(2)])
    driver.core.pump(0.0)
    assert [topic for topic, *_ in driver.published()] == ["t/2"]
    assert (driver.core.refused, driver.outbox.flying) == (1, 1)
    assert "a topic of more than 65,535 bytes" in caplog.text


def test_a_refused_message_is_told_once_counted_and_not_sent_again(caplog):
    driver = Driver().open()
    driver.outbox.put([message(1), message(2)])
    driver.core.pump(0.0)
    code = mqtt5.PubAckReasonCode.NOT_AUTHORIZED
    driver.receive(*(mqtt5.PubAckPacket(n, reason_code=code) for n in (1, 2)))
    assert driver.core.refused == 2
    assert driver.outbox.empty
    assert caplog.text.count("not authorized") == 1


def test_what_is_listened_for_is_subscribed_to_first_and_handed_on(caplog):
    heard: list[object] = []
    listen = [("a/+", lambda *each: heard.append(each)), ("b", lambda *each: heard.append(each))]
    driver = Driver(here=HERE, listen=listen).open()
    _, subscribed, online = driver.packets()
    assert [each.pattern for each in subscribed.topic_filters] == ["a/+", "b"]
    assert online.topic == "there"
    codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE, mqtt5.SubAckReasonCode.NOT_AUTHORIZED]
    driver.receive(mqtt5.SubAckPacket(SUBSCRIBE_ID, codes))
    assert 'the broker refused the subscription "b": not authorized' in caplog.text
    driver.receive(mqtt5.PublishPacket("a/x", b"1", retain=True), mqtt5.PublishPacket("c", b"2"))
    assert heard == [("a/x", b"1", True)]


def test_a_silent_connection_pings_and_a_dead_one_ends():
    driver = Driver().open()
    driver.packets()
    assert driver.core.keep_alive(20.0) == 7.5
    assert driver.packets() == []
    driver.core.keep_alive(23.0)
    assert [type(each) for each in driver.packets()] == [mqtt5.PingReqPacket]
    assert driver.core.keep_alive(45.0) is None
    assert "half-open" in str(driver.events[-1].error)


@pytest.mark.parametrize(
    ("answer", "strange"),
    [
        (b"\x20\2\0\1", True),
        (mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION), True),
        (mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED), False),
    ],
)
def test_a_broker_of_another_version_is_recognised(answer, strange):
    driver = Driver().receive(answer)
    assert isinstance(driver.events[-1], Ended)
    assert driver.core.strange is strange


def test_a_farewell_is_the_last_message():
    driver = Driver().open()
    driver.packets()
    driver.core.finish(GONE, 0.0)
    last, end = driver.packets()
    assert (bytes(last.payload), type(end)) == (b"offline", mqtt5.DisconnectPacket)
