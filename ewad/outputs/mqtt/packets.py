"""The packets of a client that publishes. MQTT 3.1.1 is MQTT 5 without properties, as far as they go.

Sources: MQTT 5.0 and MQTT 3.1.1 (OASIS), chapter 3 of each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import mqtt5
import numpy as np
from numpy.typing import NDArray

from ewad.ingest.mqtt.mqtt5_buffer import Read
from ewad.ingest.mqtt.mqtt5_packets import MAX_PACKET_BYTES, read_varint
from ewad.ingest.mqtt.settings import BrokerSettings, Version
from ewad.outputs.mqtt.outbox import SUBSCRIBE_ID, Outgoing, Sending

CONNACK, PUBLISH, SUBACK = 2, 3, 9  # kinds of packets (MQTT 5, table 2-1)
NO_PROPERTIES: Final[dict[Version, bytes]] = {"5": b"\0", "3.1.1": b""}
LEVELS: Final[dict[Version, int]] = {"5": 5, "3.1.1": 4}
CLEAN, USER_NAME, PASSWORD, WILL, WILL_RETAINED = 0x02, 0x80, 0x40, 0x04, 0x20  # flags of CONNECT
# the return codes of MQTT 3.1.1 (table 3.1) -> the reason codes of MQTT 5
RETURN_CODES: Final = bytes([0x00, 0x84, 0x85, 0x88, 0x86, 0x87])
# PUBACK of success (0x00), and of success though nobody subscribes (0x10); the latter only in MQTT 5
PUBACK: Final = re.compile(rb"\x40(?:\x02..|\x03..[\x00\x10])", re.DOTALL)
PUBACKS: Final = re.compile(rb"(?:" + PUBACK.pattern + rb")*", re.DOTALL)
MAXIMUM_PACKET_SIZE: Final = b"\x27" + MAX_PACKET_BYTES.to_bytes(4, "big")


class Acknowledged(NamedTuple):
    """A run of PUBACK packets that say that the broker has messages."""

    packet_ids: list[int]

    @property
    def n_packets(self) -> int:
        """How many they are."""
        return len(self.packet_ids)


def acknowledged(data: NDArray[np.uint8], start: int, end: int) -> tuple[Acknowledged, int]:
    """Return the run of PUBACK packets that begins at the byte start, and where it ends."""
    run = PUBACKS.match(data.data, start, end)
    assert run is not None  # noqa: S101 (an empty one matches, too)
    return Acknowledged([int.from_bytes(each[2:4], "big") for each in PUBACK.findall(run[0])]), run.end()


def varint(number: int) -> bytes:
    """Return a variable byte integer."""
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _packet(first_byte: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first_byte,)) + varint(len(body)) + body


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def connect(settings: BrokerSettings, version: Version, will: Outgoing | None) -> bytes:
    """Return CONNECT: nothing of an earlier session is asked for."""
    none = NO_PROPERTIES[version]
    flags, payload = CLEAN, [_string(settings.client_id.encode())]
    if will is not None:
        flags |= WILL | will.qos << 3 | WILL_RETAINED * will.retain
        payload += [none, _string(will.topic.encode()), _string(will.payload)]
    if settings.username is not None:
        flags |= USER_NAME
        payload.append(_string(settings.username.encode()))
    if settings.password is not None:
        flags |= PASSWORD
        payload.append(_string(settings.password.reveal().encode()))
    properties = varint(len(MAXIMUM_PACKET_SIZE)) + MAXIMUM_PACKET_SIZE if version == "5" else b""
    head = bytes((LEVELS[version], flags)) + settings.keep_alive_seconds.to_bytes(2, "big")
    return _packet(0x10, _string(b"MQTT"), head, properties, *payload)


def publish(sending: Sending, version: Version) -> bytes:
    """Return PUBLISH."""
    packet_id, (topic, payload, qos, retain), again = sending
    name = topic.encode()
    number = packet_id.to_bytes(2, "big") if qos else b""
    properties = NO_PROPERTIES[version]
    first = 0x30 | again << 3 | qos << 1 | retain
    length = varint(2 + len(name) + len(number) + len(properties) + len(payload))
    return b"".join(
        (bytes((first,)), length, len(name).to_bytes(2, "big"), name, number, properties, payload)
    )


def subscribe(filters: Sequence[str], version: Version) -> bytes:
    """Return SUBSCRIBE to all these filters at QoS 0; stored messages are wanted."""
    wanted = [_string(each.encode()) + b"\0" for each in filters]
    return _packet(0x82, SUBSCRIBE_ID.to_bytes(2, "big"), NO_PROPERTIES[version], *wanted)


def disconnect() -> bytes:
    """Return DISCONNECT, after which the broker publishes no will; alike in both versions."""
    return b"\xe0\0"


def released(packet_id: int) -> bytes:
    """Return PUBREL; alike in both versions."""
    return b"\x62\x02" + packet_id.to_bytes(2, "big")


def reader(version: Version) -> Read:
    """Return what takes the first packet of bytes of this version."""
    return mqtt5.read if version == "5" else _read_3_1_1


def _read_3_1_1(view: memoryview) -> tuple[mqtt5.Packet, int]:
    """Return the first packet, as MQTT 5 would have it, and its size.

    Raises IndexError if it is not whole, ValueError if it is none.
    """
    length, start = read_varint(view, 1)
    end = start + length
    if len(view) < end:
        raise IndexError("not enough bytes")
    kind, body = view[0] >> 4, bytes(view[start:end])
    if kind == CONNACK:
        body = _connack(body)
    elif kind == SUBACK:
        body = body[:2] + b"\0" + body[2:]
    elif kind == PUBLISH:
        at = 2 + int.from_bytes(body[:2], "big") + (2 if view[0] & 0x06 else 0)
        body = body[:at] + b"\0" + body[at:]
    try:
        packet, _ = mqtt5.read(memoryview(bytes(view[:1]) + varint(len(body)) + body))
    except IndexError as error:
        raise ValueError("a field is longer than its packet") from error
    return packet, end


def _connack(body: bytes) -> bytes:
    if len(body) != 2 or body[1] >= len(RETURN_CODES):
        raise ValueError(f"CONNACK {body.hex()}")
    return bytes((body[0], RETURN_CODES[body[1]], 0))
