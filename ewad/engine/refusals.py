"""Streams that were refused for want of room: a part of the state, so that no restart counts them again."""

from __future__ import annotations

from zlib import crc32

import numpy as np

MOST = 10_000  # remembered: 40 kB; of more, the oldest count again when they come again
KEY = np.dtype("<u4")


class Refusals:
    """Who was refused since streams were last forgotten: then those who still want a place ask again.

    A stream is known by a CRC of its group and name: one in 400,000 takes another one's place in 10,000.
    """

    def __init__(self) -> None:
        self._known: dict[int, None] = {}  # in order
        self._untold = 0  # the last so many, for `take_new`

    def add(self, group: str, name: str) -> bool:
        """Return whether this stream was not known yet; now it is."""
        return self.add_key(crc32(f"{group}\0{name}".encode(errors="surrogatepass")))

    def add_key(self, key: int) -> bool:
        """Do as `add`, of what `take_new` returned."""
        if key in self._known:
            return False
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[key] = None
        self._untold = min(self._untold + 1, MOST)
        return True

    def take_new(self) -> list[int]:
        """Return those added since the last call, as far as they are still known."""
        new = list(self._known)[len(self._known) - self._untold :] if self._untold else []
        self._untold = 0
        return new

    def clear(self) -> None:
        """Forget them all."""
        self._known.clear()
        self._untold = 0

    def dump(self) -> str:
        """Return them as text."""
        return np.array(list(self._known), dtype=KEY).tobytes().hex()

    def load(self, text: str) -> None:
        """Be those of a dump. Raises ValueError for what is none."""
        self._known = dict.fromkeys(np.frombuffer(bytes.fromhex(text), dtype=KEY).tolist())
        self._untold = 0
