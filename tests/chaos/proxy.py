"""A TCP proxy between a daemon and its broker that breaks connections at seeded random bytes.

MQTT has no checksum: a flipped bit may turn one valid PUBLISH into another, and no receiver could tell. So
that nothing lost and nothing doubled stays provable, either TLS runs through the proxy, where any flipped
byte must be noticed, or only the first byte of a packet is replaced, by one that MQTT 5 forbids there.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

FORBIDDEN = (0x00, 0x10, 0x36, 0x82, 0xC0)  # reserved, CONNECT, PUBLISH at QoS 3, SUBSCRIBE, PINGREQ
CHUNK_BYTES = 4096
LARGEST_REACH = 5.0  # decimal logarithm of the bytes that a connection lives at the most
STALL_SECONDS = 0.3


class Boundaries:
    """Finds where packets begin in a stream of MQTT."""

    def __init__(self) -> None:
        self._left = 0  # bytes of the packet that has begun
        self._header: bytearray | None = None  # its fixed header as far as it has come

    def starts(self, data: bytes) -> list[int]:
        """Return the offsets in data at which packets begin."""
        found, position = [], 0
        while position < len(data):
            if self._left:
                step = min(self._left, len(data) - position)
                self._left -= step
                position += step
                continue
            if self._header is None:
                found.append(position)
                self._header = bytearray()
            self._header.append(data[position])
            position += 1
            if len(self._header) > 1 and self._header[-1] < 0x80:
                self._left = sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(self._header[1:]))
                self._header = None
        return found


class Link:
    """One connection through the proxy, and the fault that waits for it."""

    def __init__(self, proxy: "ChaosProxy", *ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._proxy = proxy
        self._ends = ends
        self._boundaries = Boundaries()
        self._mute = False
        self._pumps: list[asyncio.Task[None]] = []
        self._arm()

    def _arm(self) -> None:
        """Choose the next fault, the direction (0: to the daemon) and how many bytes go that way before."""
        random = self._proxy.random
        self.fault = self._proxy.next_fault()
        self.direction = 0 if self.fault == "corrupt" and not self._proxy.encrypted else random.randrange(2)
        # few bytes flow to the broker: acknowledgements
        self.left = int(10 ** random.uniform(0.0, LARGEST_REACH - 1.0 * self.direction))

    async def run(self) -> None:
        """Carry bytes both ways until one side or a fault ends it."""
        self._pumps = [asyncio.create_task(self._pump(direction)) for direction in (0, 1)]
        await asyncio.wait(self._pumps, return_when=asyncio.FIRST_COMPLETED)
        self.end()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for _, writer in self._ends:
            writer.close()
        self._proxy.give_back(self.fault)

    def end(self) -> None:
        """Carry nothing more."""
        for pump in self._pumps:
            pump.cancel()

    async def _pump(self, direction: int) -> None:
        reader, writer = self._ends[1 - direction][0], self._ends[direction][1]
        while data := await reader.read(CHUNK_BYTES):
            if self._mute:
                await self._proxy.over.wait()
            starts = self._boundaries.starts(data) if direction == 0 and not self._proxy.encrypted else []
            if direction == self.direction and self.fault is not None and self.left < len(data):
                data = await self._strike(data, starts, writer)
            self.left -= len(data) * (direction == self.direction)
            writer.write(data)
            await writer.drain()

    async def _strike(self, data: bytes, starts: Sequence[int], writer: asyncio.StreamWriter) -> bytes:
        """Do the fault at its byte; return what is still to be sent of data."""
        at = max(self.left, 0)
        if self.fault == "corrupt":
            return self._corrupted(data, at, starts)
        writer.write(data[:at])
        await writer.drain()
        fault, self.fault = self.fault, None
        self._proxy.note(fault)
        match fault:
            case "cut":
                raise ConnectionAbortedError("cut")
            case "reset":
                self._reset()
                raise ConnectionAbortedError("reset")
            case "half_open":
                self._mute = True
                await self._proxy.over.wait()
            case "stall":
                await asyncio.sleep(self._proxy.random.uniform(0.0, STALL_SECONDS))
        self._arm()
        return data[at:]

    def _corrupted(self, data: bytes, at: int, starts: Sequence[int]) -> bytes:
        """Return data with one byte changed; unchanged if no packet begins late enough."""
        random, changed = self._proxy.random, bytearray(data)
        if self._proxy.encrypted:
            changed[at] ^= random.randrange(1, 256)
        else:
            late = [start for start in starts if start >= at]
            if not late:
                return data
            changed[late[0]] = random.choice(FORBIDDEN)
        self._proxy.note("corrupt")
        # most end the connection; TLS 1.3 lets a few bytes of its handshake pass that mean nothing any more
        self._arm()
        return bytes(changed)

    def _reset(self) -> None:
        """End both connections by RST."""
        for _, writer in self._ends:
            opened: socket.socket = writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class ChaosProxy:
    """Carries connections to a broker's port and does each of `faults` once, in turn; then none any more."""

    def __init__(self, broker_port: int, faults: Sequence[str], random: Random, *, encrypted: bool) -> None:
        self.random = random
        self.encrypted = encrypted
        self.done: Counter[str] = Counter()
        self.struck = asyncio.Event()  # set by each fault
        self.over = asyncio.Event()
        self.port = 0
        self._broker_port = broker_port
        self._waiting = list(faults)
        self._links: dict[Link, asyncio.Future[None]] = {}
        self._opened: list[asyncio.StreamWriter] = []

    def next_fault(self) -> str | None:
        """Return the next fault, None when all have been given out."""
        return self._waiting.pop() if self._waiting else None

    def note(self, fault: str) -> None:
        """Count a fault that is being done."""
        self.done[fault] += 1
        self.struck.set()

    def give_back(self, fault: str | None) -> None:
        """Take a fault back from a connection that ended before its byte came."""
        if fault is not None:
            self._waiting.append(fault)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self._opened.append(writer)
        try:
            broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except ConnectionError:
            writer.close()
            return
        self._opened.append(broker[1])
        link = Link(self, (reader, writer), broker)
        self._links[link] = asyncio.ensure_future(link.run())
        await self._links[link]
        del self._links[link]

    async def end(self) -> None:
        """End all connections."""
        self.over.set()
        for link in self._links:
            link.end()
        await asyncio.gather(*self._links.values())
        for writer in self._opened:
            writer.transport.abort()  # closed it is, but what nobody reads any more would keep it open
        await asyncio.sleep(0)  # sockets close in the event loop's next turn


@asynccontextmanager
async def chaos(
    broker_port: int, faults: Sequence[str], random: Random, *, encrypted: bool
) -> AsyncIterator[ChaosProxy]:
    """Yield a proxy that listens, and end it."""
    proxy = ChaosProxy(broker_port, faults, random, encrypted=encrypted)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
