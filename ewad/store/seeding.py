"""History into the state file of a daemon that does not run: what stands at its end, as one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ewad.engine import Engine
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.store.changes import Changes
from ewad.store.file import StateFile
from ewad.store.records import Head, Manifest, encode
from ewad.store.recovery import Recovered, recover


class Seeding:
    """A state file that is held against the daemon; engine, told: as it has them, to be brought forward.

    Raises StateError if the file can't be used, as `recover` does: among others, while a daemon runs on it.
    """

    def __init__(self, path: Path, session: str, new_engine: Callable[[], Engine], now: float) -> None:
        self._session = session
        self._file: StateFile
        self._recovered: Recovered
        self._file, self._recovered = recover(path, "power", session, new_engine, now)
        self.engine = self._recovered.engine
        self.told = self._recovered.told

    def keep(self, now: float, deliveries: Deliveries | None = None) -> None:
        """Write the engine as it is now; all of it, or nothing changes.

        now: Unix seconds.  deliveries: what has been taken from the broker's session; None: as in the file.
        """
        file, recovered, changes = self._file, self._recovered, Changes(self.engine)
        file.begin_snapshot(whole=True)
        changes.begin(file.add_block, whole=True)
        while changes.copy_next():
            pass
        header, blocks = changes.copied()
        head = encode(Head.of(self._session, deliveries or recovered.deliveries, self.told.entries()))
        file.finish_snapshot(recovered.sequence + 1, Manifest(now, head, header, []), blocks)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
