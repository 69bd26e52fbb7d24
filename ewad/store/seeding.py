"""History into the state file of a daemon that does not run: what stands at its end, as one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ewad.engine import Engine
from ewad.store.file import StateFile
from ewad.store.records import Head, encode
from ewad.store.recovery import Recovered, recover

PIECE_BYTES = 1 << 20


class Seeding:
    """A state file that is held against the daemon; engine: as the file has it, to be brought forward.

    Raises StateError if the file can't be used, as `recover` does: among others, while a daemon runs on it.
    """

    def __init__(self, path: Path, session: str, new_engine: Callable[[], Engine], now: float) -> None:
        self._session = session
        self._file: StateFile
        self._recovered: Recovered
        self._file, self._recovered = recover(path, "power", session, new_engine, now)
        self.engine = self._recovered.engine

    def keep(self, now: float) -> None:
        """Write the engine as it is now; all of it, or nothing changes. now: Unix seconds."""
        file, recovered = self._file, self._recovered
        number = file.begin_snapshot(recovered.sequence + 1, now)
        file.add_piece(number, 0, encode(Head.of(self._session, recovered.deliveries)))
        data = memoryview(self.engine.cut().to_bytes())
        starts = range(0, len(data), PIECE_BYTES)
        for place, start in enumerate(starts, 1):
            file.add_piece(number, place, bytes(data[start : start + PIECE_BYTES]))
        file.finish_snapshot(number, 1 + len(starts))
        while file.cut():
            pass

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
