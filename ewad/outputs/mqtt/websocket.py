"""MQTT over a websocket, as a transport of asyncio's: its bytes go out and come in as binary messages."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from ewad.errors import SourceError

LARGEST_WAITING: Final = 64 * 1024  # bytes; past them the protocol is asked to write no more
REFUSED: Final = "the broker refused the websocket"


class WebsocketTransport(asyncio.Transport):
    """A websocket that a protocol reads and writes by `run`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, protocol: asyncio.BufferedProtocol) -> None:
        super().__init__()
        self._socket = socket
        self._protocol = protocol
        self._waiting = bytearray()
        self._wake = asyncio.Event()
        self._paused = False

    async def run(self) -> None:
        """Carry bytes until the peer closes, or until cancelled."""
        self._protocol.connection_made(self)
        writing = asyncio.create_task(self._write(), name="websocket writing")
        try:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                self._hand_on(message.data)
        finally:
            writing.cancel()
            self._protocol.connection_lost(None)

    def _hand_on(self, data: bytes) -> None:
        while data:
            free = memoryview(self._protocol.get_buffer(len(data)))
            n = min(len(free), len(data))
            free[:n] = data[:n]
            data = data[n:]
            self._protocol.buffer_updated(n)

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                data, self._waiting = bytes(self._waiting), bytearray()
                await self._socket.send_bytes(data)
                if self._paused:
                    self._paused = False
                    self._protocol.resume_writing()
        except (aiohttp.ClientError, ConnectionError):  # the reading side ends then, and tells it
            await self._socket.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send this after what waits."""
        self._waiting += data
        self._wake.set()
        if len(self._waiting) > LARGEST_WAITING and not self._paused:
            self._paused = True
            self._protocol.pause_writing()


def websocket_failure(error: aiohttp.ClientError) -> SourceError | OSError:
    """Return what failed, as a person or `failure` knows it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return cause if isinstance(cause, OSError) else SourceError(str(cause))
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    status = getattr(error, "status", None)
    return SourceError(f"{REFUSED}: {f'HTTP {status}' if status else error}")
