"""The model broker of the simulation behind a real socket: conforming, numbering as it is told.

Subscribers speak MQTT 5; publishers MQTT 3.1.1 at QoS 1, with packets of less than 128 bytes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.simulation.broker import Broker, Link, Message
from tests.system.serving import in_a_thread

MQTT_3_1_1 = 4  # its protocol level, in CONNECT
PUBLISH, PUBACK, DISCONNECT = 3, 0x40, 14


class Server:
    """One broker for one subscriber and any number of publishers."""

    def __init__(self, numbering: str, window: int, *, marks: bool) -> None:
        self.port = 0
        self._broker = Broker(Random(1), numbering, window, marks=marks)
        self._writers: dict[Link, asyncio.StreamWriter] = {}
        self._number = 0

    def close(self) -> None:
        """End what is still open."""
        for writer in self._writers.values():
            writer.close()

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            head = await reader.readexactly(9)  # type, length, "MQTT", level
            if head[8] == MQTT_3_1_1:
                await reader.readexactly(head[1] - 7)
                await self._publisher(reader, writer)
            else:
                await self._subscriber(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _publisher(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x20\x02\x00\x00")
        while True:
            kind, length = await reader.readexactly(2)
            body = await reader.readexactly(length)
            if kind >> 4 == DISCONNECT:
                return
            assert kind >> 4 == PUBLISH, f"expected PUBLISH, got {kind:#x}"
            end = 2 + int.from_bytes(body[:2], "big")
            self._number += 1
            self._broker.publish(Message(self._number, body[2:end].decode(), body[end + 2 :], 1))
            self._flush()
            writer.write(bytes([PUBACK, 2]) + body[end : end + 2])

    async def _subscriber(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        link, data = self._broker.connect(), head
        self._writers[link] = writer
        try:
            while data and link.open:
                link.receive(data)
                self._flush()
                data = await reader.read(65536)
        finally:
            del self._writers[link]

    def _flush(self) -> None:
        """Send what the links hold; close those that the broker has closed."""
        for link, writer in self._writers.items():
            if not writer.is_closing():
                writer.write(bytes(link.outgoing))
            link.outgoing.clear()
            if not link.open:
                writer.close()


@contextmanager
def serving(numbering: str, window: int, *, marks: bool) -> Iterator[Server]:
    """Yield a server that runs in a thread, and end it."""
    server = Server(numbering, window, marks=marks)
    with in_a_thread(server):
        yield server
