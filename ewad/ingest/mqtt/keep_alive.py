"""When a connection has been silent for so long that it has to say something, or is over."""

from __future__ import annotations

from collections.abc import Callable

import mqtt5

from ewad.errors import SourceError


class KeepAlive:
    """The silence of one connection, in both directions. Times are seconds of one monotonic clock.

    seconds: how long the client may be silent; 0: for ever.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.last_sent = self.last_received = 0.0

    def look(self, now: float, peer: str, send: Callable[[bytes], None]) -> float | None:
        """Ping before the keep-alive ends; return after how many seconds to look again, None for never.

        Raises SourceError if nothing came for one and a half of it.
        """
        if self.seconds == 0:  # the broker wants none
            return None
        received, sent = now - self.last_received, now - self.last_sent
        if received >= 1.5 * self.seconds:
            raise SourceError(f"nothing received for {received:.0f} s, half-open ({peer})")
        if max(received, sent) >= 0.75 * self.seconds:
            send(mqtt5.PingReqPacket().write())
        return self.seconds / 4
