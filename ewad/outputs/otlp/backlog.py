"""What waits to be sent: bounded by size and age, the oldest gives way; how long to wait for a next try."""

from __future__ import annotations

import gzip
import random
from collections import deque
from typing import Final, NamedTuple

from ewad.outputs.otlp.points import Packed

FIRST_DELAY_SECONDS: Final = 1.0
LONGEST_DELAY_SECONDS: Final = 60.0


class Waiting(NamedTuple):
    """A compressed request. since: when it was put there, in seconds of a monotonic clock."""

    body: bytes
    samples: int
    since: float


class Backlog:
    """Requests in their order. samples, n_bytes: of all that waits."""

    def __init__(self, most_bytes: int, most_seconds: float) -> None:
        self.samples = 0
        self.n_bytes = 0
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._waiting: deque[Waiting] = deque()

    def add(self, packed: Packed, now: float) -> None:
        """Let a request wait."""
        body = gzip.compress(packed.body, compresslevel=3, mtime=0)
        self._waiting.append(Waiting(body, packed.samples, now))
        self.samples += packed.samples
        self.n_bytes += len(body)

    def take(self) -> Waiting | None:
        """Take the oldest one out, if there is any."""
        if not self._waiting:
            return None
        found = self._waiting.popleft()
        self.samples -= found.samples
        self.n_bytes -= len(found.body)
        return found

    def put_back(self, request: Waiting) -> None:
        """Let the one that was taken out wait again, before all others."""
        self._waiting.appendleft(request)
        self.samples += request.samples
        self.n_bytes += len(request.body)

    def shrink(self, now: float) -> int:
        """Let go of what is too old or too much, and return how many samples that were."""
        before = self.samples
        while self.n_bytes > self._most_bytes or self._is_old(now):
            self.take()
        return before - self.samples

    def _is_old(self, now: float) -> bool:
        return bool(self._waiting) and now - self._waiting[0].since > self._most_seconds


def delay_seconds(failures: int, after_seconds: float, generator: random.Random) -> float:
    """Return how long to wait after so many failures in a row: twice as long each time, by chance up to half
    shorter, so that daemons that failed together do not come back together; never less than was asked for.
    """
    longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 16))
    return max(after_seconds, longest * generator.uniform(0.5, 1.0))
