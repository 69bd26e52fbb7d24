"""A publisher of prepared bytes: any topic, any payload, thousands at once, in one connection's order."""

import socket
from collections.abc import Iterable

STEP_BYTES = 1 << 16


def publish(port: int, messages: Iterable[tuple[str, bytes]], *, qos: int = 0, retain: bool = False) -> int:
    """Publish (topic, payload) pairs over MQTT 3.1.1; return their number once the broker has all.

    qos: 0 or 1; at 1 at most some thousands: PUBACKs are read last.

    Mosquitto hands them on in this order, whatever their topics.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01p")  # CONNECT as client "p"
        _expect(connection, b"\x20\x02\x00\x00")  # CONNACK
        waiting, answers = bytearray(), bytearray()
        number = 0
        for topic, payload in messages:
            packet_id = (number % 65535 + 1).to_bytes(2, "big") if qos else b""
            waiting += _packet(topic.encode(), packet_id + payload, qos << 1 | retain)
            answers += b"\x40\x02" + packet_id if qos else b""  # PUBACK
            number += 1
            if len(waiting) > STEP_BYTES:
                connection.sendall(waiting)
                waiting.clear()
        connection.sendall(waiting + b"\xc0\x00")  # PINGREQ: its answer comes after all that went before
        _expect(connection, answers + b"\xd0\x00")
        connection.sendall(b"\xe0\x00")
    return number


def _packet(topic: bytes, rest: bytes, flags: int) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + rest
    return bytes([0x30 | flags]) + _length(len(body)) + body


def _length(number: int) -> bytes:
    """Return the number seven bits a byte, as MQTT 3.1.1, 2.2.3 has it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _expect(connection: socket.socket, answer: bytes | bytearray) -> None:
    got = b""
    while len(got) < len(answer):
        more = connection.recv(len(answer) - len(got))
        assert more, f"the broker closed the connection, expected {answer!r}"
        got += more
    assert got == answer
