"""Counters -> rates: how fast a total grows between two samples of a stream.

A total that falls was reset: what it shows then has come since, as Prometheus' rate() has it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ewad.errors import DecodeError

MOST = (
    100_000  # totals that are remembered; a flood of streams that never come twice must not fill the memory
)
_TOTAL = struct.Struct("<dd")  # and its time


class Counters:
    """The last totals of the streams of a block."""

    def __init__(self, per_seconds: float) -> None:
        self._per_seconds = per_seconds
        self._last: dict[str, tuple[float, float]] = {}
        self._new: dict[str, None] = {}  # whose totals have changed since they were told; "": all are gone

    def rate(self, stream: str, total: float, time: float) -> float | None:
        """Return the growth per `per_seconds` since the stream's total before; None if there is none.

        A total of the same time as the one before, or of an earlier one, tells no rate.
        """
        last = self._last.get(stream)
        if last is None:
            if len(self._last) >= MOST:
                self._last.clear()
                self._new = {"": None}
        elif time <= last[1]:
            return None
        self._last[stream] = total, time
        self._new[stream] = None
        if last is None:
            return None
        grown = total - last[0] if total >= last[0] else total
        return grown / (time - last[1]) * self._per_seconds

    def move_times(self, seconds: float, now: float) -> None:
        """Move the times of all totals by so many seconds, none of them past now."""
        self._last = {name: (total, min(time + seconds, now)) for name, (total, time) in self._last.items()}
        self._new |= dict.fromkeys(self._last)

    def take_told(self) -> Sequence[tuple[str, bytes]]:
        """Return the totals that have changed since the last call: see Remembering."""
        new, self._new = self._new, {}
        return [(name, _TOTAL.pack(*self._last[name]) if name else b"") for name in new]

    def recall(self, key: str, content: bytes) -> None:
        """Know a total again. Raises DecodeError."""
        if len(content) != _TOTAL.size:
            raise DecodeError("invalid_payload", f"expected a total and its time, got {len(content)} bytes")
        self._last[key] = _TOTAL.unpack(content)

    def go_on_from(self, other: Counters) -> None:
        """Take over the totals of another block."""
        self._last, self._new = other._last, other._new
