"""Words to systemd, without libsystemd: a datagram each to the socket that $NOTIFY_SOCKET names.

Outside systemd, where the variable is absent, every word is silently dropped. Source: sd_notify(3).
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"
STATUS_SECONDS = 5.0  # how often `systemctl status` hears how it goes

logger = logging.getLogger(__name__)


class Notifier:
    """Tells the service manager how the daemon is doing; reads `environ` once, when made."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.address = _socket_address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval_seconds = _watchdog_interval_seconds(environ) if self.address else None
        """How often to call watchdog(): half of systemd's limit; None if it does not watch this process."""

    def ready(self, status: str = "") -> None:
        """Tell that start-up is done. A unit of Type=notify counts as started from here."""
        self._send(READY, *_status_lines(status))

    def stopping(self, status: str = "") -> None:
        """Tell that shutdown has begun."""
        self._send(STOPPING, *_status_lines(status))

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(*(_status_lines(text) or ("STATUS=",)))

    def watchdog(self) -> None:
        """Tell that the daemon is alive."""
        self._send(WATCHDOG)

    async def report(self, first_attempt: Callable[[], Awaitable[None]], status: Callable[[], str]) -> None:
        """Tell, again and again, that the daemon is alive, and how it goes.

        first_attempt: waits for the first one to connect, so that whoever asks right after the start hears
        what came of it. The first word waits for it, but no longer than others wait for each other.
        """
        pause = min(STATUS_SECONDS, self.watchdog_interval_seconds or STATUS_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):  # not wait_for, which in Python 3.11 may swallow the end
                await first_attempt()
        while True:
            self.watchdog()
            self.status(status())
            await asyncio.sleep(pause)

    def _send(self, *lines: str) -> None:
        if not self.address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)  # a manager that does not read can't hold up the daemon
                sender.sendto("\n".join(lines).encode(), self.address)
        except OSError as error:
            logger.warning("systemd notification failed message=%s error=%s", lines[0], error)


def _socket_address(name: str) -> str:
    """Return the address to send to: "" for none; a leading "@" stands for an abstract socket's zero byte."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def _watchdog_interval_seconds(environ: Mapping[str, str]) -> float | None:
    """Return half of $WATCHDOG_USEC in seconds, or None if it is unusable or meant for another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    limit = environ.get("WATCHDOG_USEC", "")
    if not limit.isdecimal() or int(limit) == 0:
        return None
    return int(limit) / 2e6


def _status_lines(text: str) -> tuple[str, ...]:
    """Return the STATUS line for text: on one line, because a newline would start another assignment."""
    return (f"STATUS={' '.join(text.split())}",) if text else ()
