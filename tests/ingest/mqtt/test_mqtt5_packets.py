"""The few bytes that ewad writes or reads itself, against the codec."""

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.config import Secret
from ewad.ingest.mqtt.mqtt5_packets import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    acknowledgements,
    connect,
    packet_size,
    read_varint,
)
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription


def settings(**keys: object) -> ConnectionSettings:
    return ConnectionSettings(host="h", subscriptions=(Subscription("a"),), **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(("qos", "receive_maximum"), [(0, 16_384), (1, 16_384), (2, 1024)])
def test_connect_leaves_room_among_the_packet_ids(qos: int, receive_maximum: int) -> None:
    packet = mqtt5.read(memoryview(connect(settings(qos=qos))))[0]
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert packet.receive_max == receive_maximum


def test_connect_keeps_the_session() -> None:
    data = connect(settings(qos=1, session_expiry_seconds=60.5, username="u", password=Secret("p")))
    packet = mqtt5.read(memoryview(data))[0]
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.clean_start, packet.session_expiry_interval) == (False, 61)
    assert (packet.username, packet.password, packet.keep_alive) == ("u", b"p", 30)
    assert (packet.max_packet_size, packet.topic_alias_max) == (16 * 1024 * 1024, 0)


def test_connect_without_session_expiry_starts_clean() -> None:
    packet = mqtt5.read(memoryview(connect(settings(session_expiry_seconds=0))))[0]
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.clean_start, packet.session_expiry_interval) == (True, 0)


def test_a_session_of_a_thousand_years_never_expires() -> None:
    packet = mqtt5.read(memoryview(connect(settings(session_expiry_seconds=3e10))))[0]
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert packet.session_expiry_interval == 0xFFFFFFFF


@given(st.lists(st.integers(1, 65535)), st.integers(0, 2**48 - 1))
def test_acknowledgements_equal_the_codecs(ids: list[int], above: int) -> None:
    kinds = ((PUBACK, mqtt5.PubAckPacket), (PUBREC, mqtt5.PubRecPacket), (PUBCOMP, mqtt5.PubCompPacket))
    for first_byte, packet in kinds:
        assert acknowledgements(first_byte, [above << 16 | each for each in ids]) == b"".join(
            packet(i).write() for i in ids
        )


@pytest.mark.parametrize(
    ("data", "value"),  # MQTT 5, table 1-1
    [
        (b"\x00", 0),
        (b"\x7f", 127),
        (b"\x80\x01", 128),
        (b"\xff\x7f", 16_383),
        (b"\x80\x80\x01", 16_384),
        (b"\xff\xff\xff\x7f", 268_435_455),
    ],
)
def test_a_variable_byte_integer_reads_as_the_standard_says(data: bytes, value: int) -> None:
    assert read_varint(memoryview(b"x" + data + b"x"), 1) == (value, 1 + len(data))


@pytest.mark.parametrize("header", [b"", b"\x30", b"\x30\xff", b"\x30\xff\xff\xff"])
def test_the_size_of_an_incomplete_header_is_unknown(header: bytes) -> None:
    assert packet_size(memoryview(header)) is None


def test_a_length_of_five_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        packet_size(memoryview(b"\x30\xff\xff\xff\xff\x01"))
