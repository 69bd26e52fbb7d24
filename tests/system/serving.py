"""Servers of the tests' own, each in the event loop of a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Serving(Protocol):
    """Listens on `port`."""

    port: int

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""

    def close(self) -> None:
        """End what is still open."""


@contextmanager
def in_a_thread(server: Serving) -> Iterator[None]:
    """Have a server listen in the block, and set its port."""
    listening = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        ending = asyncio.Event()
        loops.append((asyncio.get_running_loop(), ending))
        listener = await asyncio.start_server(server.client, "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        listening.set()
        async with listener:
            await ending.wait()
            server.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="server of a test")
    thread.start()
    assert listening.wait(60)
    try:
        yield
    finally:
        loop, ending = loops[0]
        loop.call_soon_threadsafe(ending.set)
        thread.join()
