"""A scripted MQTT 5 peer over a real loopback socket, for what brokers don't do; a recording consumer."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import mqtt5

from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.mqtt.source import ConnectionSettings, Message, MqttSource, Subscription

QOS1, QOS2 = mqtt5.QoS.AT_LEAST_ONCE, mqtt5.QoS.EXACTLY_ONCE
STOP_SECONDS = 8.0  # less than any time-out of a connection; it takes 2 s at the most on an idle machine
LIMIT_SECONDS = 60.0  # an upper bound; nothing waits for it unless the test fails


class NoJitter(Random):
    """Randomness that makes every delay the shortest one."""

    def uniform(self, a: float, b: float) -> float:
        return a


class Recorder:
    """A consumer that keeps what it gets. `fault`: raised by commit. pending: of each commit."""

    busy = False
    patience_seconds = math.inf
    bulk = None

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls: list[int] = []
        self.committed = 0
        self.pending: list[Acknowledgements] = []
        self.fault: Exception | None = None
        self.changed = asyncio.Event()

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        self.messages += messages
        self.calls.append(len(messages))
        self.changed.set()

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        if self.fault is not None:
            raise self.fault
        self.committed = len(self.messages)
        self.pending.append(pending)
        self.changed.set()
        done()

    @property
    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.messages]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_received(self, number: int) -> None:
        await self.until(lambda: self.committed >= number)


class Peer:
    """The broker's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._data = b""

    async def receive(self) -> Any:
        """Return the client's next packet, None at the end of the connection."""
        while True:
            with suppress(IndexError):
                packet, size = mqtt5.read(memoryview(self._data))
                self._data = self._data[size:]
                return packet
            async with asyncio.timeout(LIMIT_SECONDS):
                more = await self.reader.read(65536)
            if not more:
                return None
            self._data += more

    async def send(self, *packets: Any) -> None:
        """Send packets, or bytes as they are, in one segment."""
        self.writer.write(b"".join(p if isinstance(p, bytes) else p.write() for p in packets))
        await self.writer.drain()

    async def accept(
        self, *, session_present: bool = False, granted: Sequence[Any] = (), **connack: Any
    ) -> Any:
        """Answer CONNECT and the SUBSCRIBEs, with one granted code each; return the one and the others."""
        opening = await self.receive()
        await self.send(mqtt5.ConnAckPacket(session_present=session_present, **connack))
        subscribes = []
        for code in granted or [mqtt5.SubAckReasonCode.GRANTED_QOS_EXACTLY_ONCE]:
            subscribes.append(await self.receive())
            await self.send(mqtt5.SubAckPacket(subscribes[-1].packet_id, [code]))
        return opening, subscribes


def publish(
    number: int, *, qos: mqtt5.QoS = QOS1, packet_id: int | None = None, **more: object
) -> mqtt5.PublishPacket:
    if qos != mqtt5.QoS.AT_MOST_ONCE and packet_id is None:
        packet_id = number + 1
    return mqtt5.PublishPacket(f"t/{number}", str(number).encode(), qos=qos, packet_id=packet_id, **more)  # type: ignore[arg-type]


def aliased(alias: int, topic: bytes = b"t") -> bytes:
    """Return a message of QoS 1 under a topic alias (MQTT 5, 3.3.2.3.4), whatever the codec thinks of it."""
    body = len(topic).to_bytes(2, "big") + topic + b"\x00\x07\x03\x23" + alias.to_bytes(2, "big") + b"1"
    return bytes([0x32, len(body)]) + body


async def expect_end(peer: Peer) -> list[object]:
    """Return the packets that the client still sends before it closes."""
    packets = []
    while (packet := await peer.receive()) is not None:
        packets.append(packet)
        if isinstance(packet, mqtt5.DisconnectPacket):
            break
    return packets


Script = Callable[[Peer], Awaitable[None]]


class Session:
    """A running source, its consumer, and what went wrong in a script."""

    def __init__(self, source: MqttSource, consumer: Recorder, task: "asyncio.Task[None]") -> None:
        self.source, self.consumer, self.task = source, consumer, task
        self.scripts_done = asyncio.Event()
        self.faults: list[BaseException] = []

    async def done(self) -> None:
        """Wait until all scripts have ended; raise what one of them raised."""
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.scripts_done.wait()
        if self.faults:
            raise self.faults[0]


async def stop(task: "asyncio.Task[None]") -> None:
    """Cancel the source and wait for its end, which has to come soon."""
    task.cancel()
    async with asyncio.timeout(STOP_SECONDS):
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def session(*scripts: Script, **settings: Any) -> AsyncIterator[Session]:
    """Run a source against a peer that plays one script per connection, and nothing after the last."""
    waiting = list(scripts)

    tasks: list[asyncio.Task[Any] | None] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            if waiting:
                await waiting.pop(0)(Peer(reader, writer))
        except BaseException as error:
            running.faults.append(error)
            running.scripts_done.set()
        finally:
            writer.close()
            if not waiting:
                running.scripts_done.set()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    chosen: dict[str, Any] = {"subscriptions": (Subscription("#"),), "qos": 1, **settings}
    options = ConnectionSettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1], **chosen)
    consumer = Recorder()
    source = MqttSource(options, consumer, clock=lambda: 1000.0, random=NoJitter())
    running = Session(source, consumer, asyncio.create_task(source.run()))
    try:
        yield running
    finally:
        server.close()
        if not running.task.done():  # a test that expects the source's end has seen it already
            await stop(running.task)
        await asyncio.gather(*filter(None, tasks))
