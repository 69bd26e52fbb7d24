"""What is worked out once for each topic, kept in a bounded number of bytes."""

import sys
from collections.abc import Callable
from typing import TypeVar

# For all topics of one kind together: 100,000 of usual lengths.
REMEMBERED_BYTES = 16 * 1024 * 1024
ENTRY_BYTES = 120  # of an entry besides its topic: its place in the dictionary, its value

V = TypeVar("V")


class Remembered(dict[str, V]):
    """What `find` returns for each topic that is asked for; all is forgotten when there is no more room."""

    def __init__(self, find: Callable[[str], V]) -> None:
        super().__init__()
        self._find = find
        self._bytes = 0

    def __missing__(self, topic: str) -> V:
        found = self._find(topic)
        size = sys.getsizeof(topic) + ENTRY_BYTES
        if self._bytes + size > REMEMBERED_BYTES:
            self.clear()
            self._bytes = 0
        if size <= REMEMBERED_BYTES:
            self[topic] = found
            self._bytes += size
        return found
