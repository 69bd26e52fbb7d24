"""A publisher at QoS 1 as fast as the broker takes it: ready-made blocks of bytes, a few in flight."""

import socket
from collections.abc import Iterator

BLOCK = 500  # messages; each block has the same packet ids
IN_FLIGHT = 4


def publish_many(port: int, topics: int, messages: int) -> None:
    """Publish so many messages to topics soak/0/v, soak/1/v, ... in turn; return when the broker has them.

    messages: a multiple of BLOCK, topics of it.
    """
    blocks = _blocks(topics)
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01s")
        _receive(connection, 4)
        waiting = 0
        for _ in range(messages // BLOCK):
            if waiting == IN_FLIGHT:
                _receive(connection, 4 * BLOCK)  # a PUBACK each
                waiting -= 1
            connection.sendall(next(blocks))
            waiting += 1
        _receive(connection, waiting * 4 * BLOCK)
        connection.sendall(b"\xe0\x00")


def _blocks(topics: int) -> Iterator[bytes]:
    """Yield blocks for ever, each topic's values a slow wave of ten."""
    ready = []
    for turn in range(10):
        packets = []
        for number in range(BLOCK):
            body = b"\x00\x00soak/%d/v" % (number % topics)
            body = (len(body) - 2).to_bytes(2, "big") + body[2:] + (number + 1).to_bytes(2, "big")
            body += b"%d.5" % (20 + (turn + number) % 10)
            packets.append(bytes([0x32, len(body)]) + body)
        ready.append(b"".join(packets))
    while True:
        yield from ready


def _receive(connection: socket.socket, size: int) -> None:
    while size:
        received = connection.recv(min(size, 1 << 16))
        assert received, "the broker closed the connection"
        size -= len(received)
