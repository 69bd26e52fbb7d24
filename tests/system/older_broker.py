"""What stands before a real broker and lets MQTT 3.1.1 through: to a CONNECT of MQTT 5 it hangs up."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MQTT_5 = 5  # its protocol level, in CONNECT
PIECE_BYTES = 1 << 16


class OlderBroker:
    """Relays connections to the broker at a port."""

    def __init__(self, broker_port: int) -> None:
        self.port = 0
        self._broker_port = broker_port

    async def serve(self, listening: threading.Event, ending: asyncio.Event) -> None:
        """Serve until told to end."""
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        async with server:
            await ending.wait()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(9)  # type, length, "MQTT", level
        if head[8] != MQTT_5:
            to_client, to_broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
            to_broker.write(head)
            async with asyncio.TaskGroup() as group:
                group.create_task(_relay(reader, to_broker))
                group.create_task(_relay(to_client, writer))
        writer.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE_BYTES):
        writer.write(data)
    writer.close()


@contextmanager
def before(broker_port: int) -> Iterator[OlderBroker]:
    """Yield what relays to the broker at a port, served by a thread of its own."""
    older, listening = OlderBroker(broker_port), threading.Event()
    loop, ending = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[older.serve(listening, ending)])
    thread.start()
    try:
        listening.wait()
        yield older
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()
