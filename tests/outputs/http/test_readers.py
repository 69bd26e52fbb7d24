"""Readers that are slow, over real sockets."""

import asyncio
from contextlib import asynccontextmanager

from ewad.outputs.http import readers
from tests.outputs.engines import wide_engine
from tests.outputs.http.test_server import WIDE, half_read_scrape, make_server, read_all_or_reset


@asynccontextmanager
async def half_read():
    """Yield a server's watch over its readers and the socket of one, for whom more waits than it has read."""
    server = make_server(wide_engine(WIDE))
    ((host, port),) = await server.start()
    with await half_read_scrape(f"http://{host}:{port}") as connection:
        while not sum(each.get_write_buffer_size() for each in server._readers._readers):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield server._readers, connection
    await server.stop()


async def read(connection, n):
    """Read so many bytes."""
    while n > 0:
        part = await asyncio.get_running_loop().sock_recv(connection, n)
        assert part
        n -= len(part)


async def test_who_reads_nothing_between_two_looks_is_cut_off():
    async with half_read() as (watch, connection):
        watch.look()
        watch.look()
        async with asyncio.timeout(60):
            assert not (await read_all_or_reset(connection)).endswith(b"\r\n0\r\n\r\n")


async def test_who_reads_slowly_is_served():
    async with half_read() as (watch, connection):
        for _ in range(4):
            watch.look()
            await read(connection, 8 * readers.SEND_BUFFER)
        watch.look()
        async with asyncio.timeout(60):
            await read(connection, 8 * readers.SEND_BUFFER)


async def test_whose_connection_has_ended_is_forgotten():
    async with half_read() as (watch, connection):
        connection.close()
        async with asyncio.timeout(60):
            while watch._readers:
                watch.look()
                await asyncio.sleep(0.01)
