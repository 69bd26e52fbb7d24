"""Packets out of bytes, however the bytes are cut."""

import mqtt5
import pytest

from ewad.ingest.mqtt.mqtt5_buffer import PacketBuffer, ProtocolError
from tests.ingest.mqtt.peer import publish


def fed(buffer: PacketBuffer, data: bytes) -> list[object]:
    """Return what comes of the bytes, lists of messages as they are."""
    buffer.free[: len(data)] = data
    return list(buffer.packets(len(data)))


@pytest.mark.parametrize("payload_bytes", [0, 1, 200])
def test_packets_split_at_every_byte_boundary_arrive_whole(payload_bytes: int) -> None:
    sent = [
        mqtt5.PublishPacket(f"t/{i}", b"x" * payload_bytes, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=i + 1)
        for i in range(2)
    ]
    data = b"".join(packet.write() for packet in sent)
    for cut in range(len(data) + 1):
        buffer = PacketBuffer()
        got = [message for piece in (data[:cut], data[cut:]) for run in fed(buffer, piece) for message in run]
        assert [repr(message) for message in got] == [repr(message) for message in sent]


def test_messages_come_as_runs_in_their_place_among_other_packets() -> None:
    sent = [publish(1), publish(2), mqtt5.PubRelPacket(5), publish(3)]
    first, second, third = fed(PacketBuffer(), b"".join(packet.write() for packet in sent))
    assert [message.topic for message in first] == ["t/1", "t/2"]
    assert isinstance(second, mqtt5.PubRelPacket)
    assert [message.topic for message in third] == ["t/3"]


def test_what_came_before_a_violation_is_yielded_first() -> None:
    buffer = PacketBuffer()
    data = publish(1).write() + b"\x00" * 10
    buffer.free[: len(data)] = data
    packets = buffer.packets(len(data))
    assert [message.topic for message in next(packets)] == ["t/1"]
    with pytest.raises(ProtocolError, match="malformed packet"):
        next(packets)
