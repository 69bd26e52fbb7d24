"""What stands before a real broker and lets MQTT 3.1.1 through: to a CONNECT of MQTT 5 it hangs up."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tests.system.serving import in_a_thread

MQTT_5 = 5  # its protocol level, in CONNECT
PIECE_BYTES = 1 << 16


class OlderBroker:
    """Relays connections to the broker at a port."""

    def __init__(self, broker_port: int) -> None:
        self.port = 0
        self._broker_port = broker_port

    def close(self) -> None:
        """Relays end with the loop."""

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; it is closed, to both sides, however that ends."""
        writers = [writer]
        try:
            head = await reader.readexactly(9)  # type, length, "MQTT", level
            if head[8] != MQTT_5:
                to_client, to_broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
                writers.append(to_broker)
                to_broker.write(head)
                async with asyncio.TaskGroup() as group:
                    group.create_task(_relay(reader, to_broker))
                    group.create_task(_relay(to_client, writer))
        finally:
            for each in writers:
                each.transport.abort()
            await asyncio.sleep(0)  # sockets close in the event loop's next turn


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE_BYTES):
        writer.write(data)
    writer.close()


@contextmanager
def before(broker_port: int) -> Iterator[OlderBroker]:
    """Yield what relays to the broker at a port, served by a thread of its own."""
    older = OlderBroker(broker_port)
    with in_a_thread(older):
        yield older
