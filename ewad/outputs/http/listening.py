"""Accepting connections: so many at a time, so many of one peer, with patience where descriptors are short.

asyncio's own server accepts a hundred at a go and logs each failure: short of descriptors that is a flood.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

from ewad.outputs.http.readers import SEND_BUFFER

CONNECTIONS: Final = 64  # at a time, and half of the descriptors at most; further ones are closed at once
OF_ONE_PEER: Final = 48  # so that a peer that takes all it may leaves room for others
BACKLOG: Final = 128  # what the kernel keeps until it is accepted
SHORT_SECONDS: Final = 1.0  # until the next try
HANDSHAKE_SECONDS: Final = 5.0  # of TLS
GOODBYE_SECONDS: Final = 1.0  # of TLS
SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = logging.getLogger(__name__)


class Listener:
    """Listens at all addresses of a host, and gives each accepted connection a protocol that speaks on it."""

    def __init__(
        self,
        protocol: Callable[[], asyncio.Protocol],
        peers: Callable[[], Iterable[str]],
        tls: ssl.SSLContext | None,
    ) -> None:
        """Take what makes a protocol, and what yields the peer's address of each connection that speaks."""
        self._protocol, self._peers, self._tls = protocol, peers, tls
        self._greeted: dict[asyncio.Task[None], str] = {}  # connections that don't speak yet, and their peers
        self._accepting: list[asyncio.Task[None]] = []
        self._sockets: list[socket.socket] = []

    async def start(self, host: str, port: int) -> list[tuple[str, int]]:
        """Listen; return the actual addresses. Raises OSError, UnicodeError or OverflowError."""
        self._sockets = await asyncio.to_thread(listening_at, host, port)
        self._accepting = [
            asyncio.create_task(self._accept(each), name="http accept") for each in self._sockets
        ]
        return [each.getsockname()[:2] for each in self._sockets]

    async def stop(self) -> None:
        """Accept nothing more, and leave what doesn't speak yet."""
        tasks = [*self._accepting, *self._greeted]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close()

    def _close(self) -> None:
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, address = await asyncio.get_running_loop().sock_accept(listening)
            except OSError as error:
                if error.errno in SHORTAGES:
                    log.warning(
                        "http connections wait: %s; allow the daemon more (LimitNOFILE=, ulimit -n)",
                        os.strerror(error.errno or 0).lower(),
                    )
                    await asyncio.sleep(SHORT_SECONDS)
                continue  # else it was the peer that had gone before it was accepted
            self._welcome(connection, address[0])

    def _welcome(self, connection: socket.socket, peer: str) -> None:
        """Let the connection speak, or close it where there are too many."""
        peers = [*self._peers(), *self._greeted.values()]
        of_peer = peers.count(peer)
        if len(peers) >= min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2):
            log.warning("http connections refused: %d are open, which is the limit", len(peers))
        elif of_peer >= OF_ONE_PEER:
            log.warning("http connections refused: peer=%s has %d open, which is the limit", peer, of_peer)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            task = asyncio.create_task(self._greet(connection), name="http greeting")
            self._greeted[task] = peer
            task.add_done_callback(self._greeted.pop)
            return
        connection.close()

    async def _greet(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
                ssl_shutdown_timeout=GOODBYE_SECONDS if self._tls else None,
            )
        except (OSError, asyncio.CancelledError):  # OSError: no TLS, or it took too long
            connection.close()


def listening_at(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at each address of a host.

    Raises OSError, UnicodeError or OverflowError.
    """
    if not 0 <= port < 1 << 16:
        raise OverflowError(port)
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            sockets.append(_listening(family, address))
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _listening(family: int, address: tuple[Any, ...]) -> socket.socket:
    """Return a socket that listens there. Raises OSError."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening
