"""A publisher at QoS 1 that knows what the broker has taken; its samples are numbered."""

import asyncio
from collections.abc import Sequence

BATCH = 100
PACE_SECONDS = 0.05


async def publish_numbered(port: int, topics: Sequence[str], enough: asyncio.Event) -> int:
    """Publish {"n": number} to the topics in turn until there is enough, and return how many there were.

    MQTT 3.1.1, a batch at a time; the broker has acknowledged each before the next.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01n")
    assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
    number = 0
    while not enough.is_set():
        for packet_id in range(1, BATCH + 1):
            writer.write(_packet(topics[number % len(topics)], packet_id, b'{"n": %d}' % number))
            number += 1
        await reader.readexactly(4 * BATCH)  # a PUBACK each
        await asyncio.sleep(PACE_SECONDS)
    writer.write(b"\xe0\x00")
    writer.close()
    await writer.wait_closed()
    return number


def _packet(topic: str, packet_id: int, payload: bytes) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic.encode() + packet_id.to_bytes(2, "big") + payload
    assert len(body) < 128
    return bytes([0x32, len(body)]) + body
