"""Counters -> rates: how fast a total grows between two samples of a stream.

A total that falls was reset: what it shows then has come since, as Prometheus' rate() has it.
"""

from __future__ import annotations

from collections.abc import Hashable

MOST = (
    100_000  # totals that are remembered; a flood of streams that never come twice must not fill the memory
)


class Counters:
    """The last totals of the streams of a block."""

    def __init__(self, per_seconds: float) -> None:
        self._per_seconds = per_seconds
        self._last: dict[Hashable, tuple[float, float]] = {}

    def rate(self, stream: Hashable, total: float, time: float) -> float | None:
        """Return the growth per `per_seconds` since the stream's total before; None if there is none.

        A total of the same time as the one before, or of an earlier one, tells no rate.
        """
        last = self._last.get(stream)
        if last is None:
            if len(self._last) >= MOST:
                self._last.clear()
        elif time <= last[1]:
            return None
        self._last[stream] = total, time
        if last is None:
            return None
        grown = total - last[0] if total >= last[0] else total
        return grown / (time - last[1]) * self._per_seconds

    def go_on_from(self, other: Counters) -> None:
        """Take over the totals of another block."""
        self._last = other._last

    def forget(self) -> None:
        """Forget all totals."""
        self._last.clear()
