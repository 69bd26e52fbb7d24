"""Slow readers: whoever reads nothing for a while of what waits for it is cut off, whatever it reads.

What the kernel takes counts as read. It takes up to SEND_BUFFER at once: less than some 10 KiB/s is too slow.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

LOOK_SECONDS: Final = 10.0  # between two looks at what was read meanwhile
SEND_BUFFER: Final = 128 * 1024  # bytes of the kernel's, which would grow to megabytes


@dataclass(slots=True)
class _Reader:
    """A connection, what writes the newest response on it, and how much of that had left at the last look."""

    transport: asyncio.Transport
    writer: AbstractStreamWriter
    left: int = 0

    def reads(self) -> bool:
        """Whether it has read something since the last look, or all there was."""
        waiting = self.transport.get_write_buffer_size()
        before, self.left = self.left, self.writer.output_size - waiting
        return not waiting or self.left > before


class Readers:
    """Looks at all readers again and again."""

    def __init__(self) -> None:
        self._readers: dict[asyncio.Transport, _Reader] = {}

    async def watch(self, request: web.Request, _response: web.StreamResponse) -> None:
        """Watch how the response is read: a signal handler of aiohttp's on_response_prepare."""
        if isinstance(request.transport, asyncio.Transport):
            self._readers[request.transport] = _Reader(request.transport, request.writer)

    async def run(self) -> None:
        """Cut off those that do not read, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Cut off those that read nothing since the last look, and forget those that have gone."""
        for transport, reader in list(self._readers.items()):
            if transport.is_closing():
                del self._readers[transport]
            elif not reader.reads():
                del self._readers[transport]
                transport.abort()
