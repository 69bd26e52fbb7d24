"""The few bytes that ewad writes or reads itself, against the codec."""

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.ingest.mqtt.mqtt5_packets import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    acknowledgements,
    connect,
    packet_size,
    read_varint,
    varint,
    with_receive_maximum,
)
from ewad.ingest.mqtt.settings import MqttSettings, Subscription


def settings(**keys: object) -> MqttSettings:
    return MqttSettings(host="h", subscriptions=(Subscription("a"),), **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize("client_id", ["x", "x" * 100, "x" * 120, "x" * 20_000])
@pytest.mark.parametrize("user", [None, "user"])
def test_receive_maximum_is_written_out_and_all_else_stays(client_id: str, user: str | None) -> None:
    packet = mqtt5.ConnectPacket(
        client_id, username=user, password=b"p", keep_alive=30, session_expiry_interval=60,
        user_properties=[("k", "v" * 110)],
    )  # fmt: skip
    spliced = with_receive_maximum(packet.write())
    assert spliced.count(b"\x21\xff\xff") == 1
    parsed, size = mqtt5.read(memoryview(spliced))
    assert size == len(spliced) == packet_size(memoryview(spliced))
    assert repr(parsed) == repr(packet)


def test_connect_says_receive_maximum_and_keeps_the_session() -> None:
    data = connect(settings(qos=1, session_expiry_seconds=60.5, username="u", password="p"))
    assert b"\x21\xff\xff" in data
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


@given(st.lists(st.integers(1, 65535)))
def test_acknowledgements_equal_the_codecs(ids: list[int]) -> None:
    kinds = ((PUBACK, mqtt5.PubAckPacket), (PUBREC, mqtt5.PubRecPacket), (PUBCOMP, mqtt5.PubCompPacket))
    for first_byte, packet in kinds:
        assert acknowledgements(first_byte, ids) == b"".join(packet(i).write() for i in ids)


@given(st.integers(0, 268_435_455))
def test_varint_round_trips(value: int) -> None:
    data = varint(value)
    assert read_varint(memoryview(b"x" + data + b"x"), 1) == (value, 1 + len(data))


@pytest.mark.parametrize("header", [b"", b"\x30", b"\x30\xff", b"\x30\xff\xff\xff"])
def test_the_size_of_an_incomplete_header_is_unknown(header: bytes) -> None:
    assert packet_size(memoryview(header)) is None


def test_a_length_of_five_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        packet_size(memoryview(b"\x30\xff\xff\xff\xff\x01"))
