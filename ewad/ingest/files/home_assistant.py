"""Home Assistant's recorder database (SQLite), read-only: the states of its entities, or its statistics."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ewad.ingest.files.archive import Archive
from ewad.ingest.files.number_times import UNIX
from ewad.ingest.files.numbers import PLAIN, STATES
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.rows import Row, RowReader
from ewad.ingest.files.table import Known

# what the recorder has written since 2023, and before
STATES_NOW = """SELECT s.last_updated_ts, m.entity_id, s.state FROM states s
    JOIN states_meta m ON m.metadata_id = s.metadata_id WHERE s.last_updated_ts IS NOT NULL
    ORDER BY s.last_updated_ts"""
STATES_BEFORE = """SELECT (julianday(last_updated) - 2440587.5) * 86400.0, entity_id, state FROM states
    WHERE last_updated IS NOT NULL ORDER BY last_updated"""
STATISTICS = """SELECT s.start_ts, m.statistic_id, COALESCE(s.mean, s.state) FROM statistics s
    JOIN statistics_meta m ON m.id = s.metadata_id WHERE s.start_ts IS NOT NULL ORDER BY s.start_ts"""


def is_database(head: bytes) -> bool:
    """Return whether a file is an SQLite database."""
    return head.startswith(b"SQLite format 3\0")


class RecorderReader(RowReader):
    """A stream for each entity with numbers, on or off; other states are left out, and counted."""

    kind = "Home Assistant's recorder database"

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        super().__init__(archive, options)
        if archive.compression:
            self.fail("expected a database that is not compressed: unpack it first")
        self.names = ["time", "entity_id", "state"]
        self.known = Known(layout="long", time=0, streams=(1,), values=(2,), times={0: UNIX[1.0]})
        self._others = 0
        self._query = self._found()

    @property
    def facts(self) -> list[str]:
        """How the file is laid out, for people."""
        return ["its statistics" if self._query is STATISTICS else "the states of its entities"]

    def rows(self) -> Iterator[Row]:
        """Yield the states that are numbers, in order of time."""
        with closing(self._connected()) as database:
            for time, entity, state in database.execute(self._query):
                text = "" if state is None else str(state).strip()
                if PLAIN.fullmatch(text):
                    yield None, (time, entity, float(text))
                elif text.lower() in STATES:
                    yield None, (time, entity, STATES[text.lower()])

    def _connected(self) -> sqlite3.Connection:
        path = Path(self.archive.path).resolve()
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)

    def _found(self) -> str:
        with closing(self._connected()) as database:
            for query in (STATES_NOW, STATES_BEFORE, STATISTICS):
                try:
                    if database.execute(f"SELECT * FROM ({query}) LIMIT 1").fetchone():  # noqa: S608 (constants)
                        return query
                except sqlite3.DatabaseError:
                    continue
        return self.fail("expected a recorder's database with states or statistics in it")
