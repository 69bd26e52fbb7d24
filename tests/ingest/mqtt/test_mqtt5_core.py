"""A connection as a table of states: bytes in, bytes and events out, no socket and no clock."""

import itertools

import mqtt5
import pytest

from ewad.errors import SourceError, StateError
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.ingest.mqtt.ledger import Ledger
from ewad.ingest.mqtt.mqtt5_core import TAKEN, Accepted, ConnectionState, Ended, Event, Mqtt5Core
from ewad.ingest.mqtt.session import Subscribed
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription
from tests.ingest.mqtt.peer import Recorder, publish

GRANTED = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
KINDS = {
    mqtt5.ConnAckPacket: mqtt5.ConnAckPacket(),
    mqtt5.SubAckPacket: mqtt5.SubAckPacket(1, [GRANTED]),
    mqtt5.PubRelPacket: mqtt5.PubRelPacket(5),
    mqtt5.PingRespPacket: mqtt5.PingRespPacket(),
    mqtt5.DisconnectPacket: mqtt5.DisconnectPacket(),
    mqtt5.PingReqPacket: mqtt5.PingReqPacket(),
    mqtt5.UnsubAckPacket: mqtt5.UnsubAckPacket(1, [mqtt5.UnsubAckReasonCode.SUCCESS]),
}
WAY = {  # what brings a connection to a state
    ConnectionState.CONNECTING: [],
    ConnectionState.SUBSCRIBING: [mqtt5.ConnAckPacket()],
    ConnectionState.RECEIVING: [mqtt5.ConnAckPacket(), mqtt5.SubAckPacket(1, [GRANTED])],
}


class Driver:
    """A core, and what came out of it."""

    def __init__(self, **settings: object) -> None:
        chosen = {"host": "h", "subscriptions": (Subscription("t/#"),), "commit_interval_seconds": 1.0}
        self.settings = ConnectionSettings(**{**chosen, **settings})  # type: ignore[arg-type]
        self.consumer = Recorder()
        self.ledger = Ledger(self.settings, self.consumer, lambda: 1000.0, Deliveries())
        self.sent = b""
        self.events: list[Event] = []
        self.core = Mqtt5Core(self.settings, self.ledger, self._send, self.events.append)
        self.core.open(0.0)

    def _send(self, data: bytes) -> None:
        self.sent += data

    def receive(self, *packets: mqtt5.Packet, now: float = 0.0) -> "Driver":
        """Let packets arrive."""
        data = b"".join(packet.write() for packet in packets)
        self.core.buffer.free[: len(data)] = data
        self.core.received(len(data), now)
        return self

    def packets(self) -> list[object]:
        """Return what was sent since the last call."""
        data, self.sent, found = self.sent, b"", []
        while data:
            packet, size = mqtt5.read(memoryview(data))
            found.append(packet)
            data = data[size:]
        return found


def in_state(state: ConnectionState, **settings: object) -> Driver:
    driver = Driver(**settings).receive(*WAY[state])
    assert driver.core.state is state
    driver.packets()
    return driver


def test_connack_and_suback_lead_to_receiving() -> None:
    driver = Driver()
    assert isinstance(driver.packets()[0], mqtt5.ConnectPacket)
    driver.receive(mqtt5.ConnAckPacket(session_present=True))
    assert driver.core.state is ConnectionState.SUBSCRIBING
    assert [type(packet) for packet in driver.packets()] == [mqtt5.SubscribePacket]
    driver.receive(mqtt5.SubAckPacket(1, [GRANTED]))
    assert driver.core.state is ConnectionState.RECEIVING
    assert driver.events == [Accepted(), Subscribed(True, (), False)]


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(WAY, KINDS)))
def test_a_packet_is_taken_where_the_table_says_and_is_a_violation_elsewhere(
    state: ConnectionState, kind: type
) -> None:
    driver = in_state(state).receive(KINDS[kind])
    violations = [str(event.error) for event in driver.events if isinstance(event, Ended)]
    violations = [text for text in violations if "protocol violation" in text]
    assert bool(violations) == (kind not in TAKEN[state])
    told = [packet for packet in driver.packets() if isinstance(packet, mqtt5.DisconnectPacket)]
    assert len(told) == (bool(violations) and state is not ConnectionState.CONNECTING)


def test_messages_are_acknowledged_at_the_commit_and_not_before() -> None:
    driver = in_state(ConnectionState.RECEIVING).receive(publish(1), publish(2), now=10.0)
    assert driver.packets() == []
    driver.core.commit(10.1)
    assert [packet.packet_id for packet in driver.packets()] == [2, 3]  # type: ignore[attr-defined]
    driver.receive(publish(3), now=11.0).receive(publish(4), now=12.1)  # the interval is over
    assert [packet.packet_id for packet in driver.packets()] == [4, 5]  # type: ignore[attr-defined]


def test_what_is_stored_after_the_end_is_not_acknowledged() -> None:
    driver = in_state(ConnectionState.RECEIVING).receive(publish(1))
    driver.core.end(SourceError("cut"))
    assert driver.consumer.committed == 1
    assert [type(packet) for packet in driver.packets()] == [mqtt5.PubAckPacket]  # stored at once
    driver.receive(publish(2))
    driver.core.commit(1.0)
    assert len(driver.consumer.messages) == 1
    assert driver.packets() == []


def test_a_fault_of_the_consumer_acknowledges_nothing_and_ends_the_connection() -> None:
    driver = in_state(ConnectionState.RECEIVING).receive(publish(1))
    driver.consumer.fault = StateError("disk full")
    driver.core.commit(1.0)
    (disconnect,) = driver.packets()
    assert isinstance(disconnect, mqtt5.DisconnectPacket)
    assert disconnect.reason_code == mqtt5.DisconnectReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
    assert driver.events[-1] == Ended(driver.consumer.fault)


def test_finishing_commits_acknowledges_and_parts_in_that_order() -> None:
    driver = in_state(ConnectionState.RECEIVING).receive(publish(1))
    driver.core.finish()
    driver.core.part()
    assert [type(packet) for packet in driver.packets()] == [mqtt5.PubAckPacket, mqtt5.DisconnectPacket]


def test_silence_is_answered_by_a_ping_and_then_ends_the_connection() -> None:
    driver = in_state(ConnectionState.RECEIVING, keep_alive_seconds=8)
    assert driver.core.keep_alive(5.0) == 2.0
    assert driver.packets() == []
    assert driver.core.keep_alive(6.0) == 2.0
    assert [type(packet) for packet in driver.packets()] == [mqtt5.PingReqPacket]
    assert driver.core.keep_alive(12.0) is None
    assert "half-open" in str(driver.events[-1])


def test_the_answer_of_an_earlier_version_is_told_as_such() -> None:
    driver = Driver()
    driver.core.buffer.free[:4] = b"\x20\x02\x00\x01"
    driver.core.received(4, 0.0)
    assert 'unsupported protocol version: set mqtt.version = "3.1.1"' in str(driver.events[-1])


@pytest.mark.parametrize(
    ("patience", "at"), [(0.0, 0.0), (0.3, 0.3), (float("inf"), 1.0)]
)  # the interval is 1 s
def test_messages_are_committed_once_the_consumer_s_patience_or_the_interval_is_over(patience, at):
    driver = in_state(ConnectionState.RECEIVING)
    driver.consumer.patience_seconds = patience
    times = [0.0, 0.2, 0.3, 0.9, 1.0]
    for number, now in enumerate(times, start=1):
        driver.receive(publish(number), now=now)
        if driver.consumer.committed:
            break
    assert now == at
