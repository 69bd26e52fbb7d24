"""The log of files as a gateway writes it: records, and what has been taken from the broker's session."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.scale.log_thread import Job
from ewad.scale.log_writer import LogWriter
from ewad.store import records as journal


class FileLog:
    """A log that remembers which messages of the broker's session it holds: none is written twice.

    deliveries: as they stand at the end of the log; the caller's own copy.  options: see LogWriter.
    """

    def __init__(self, directory: Path, session: str, **options: Any) -> None:
        """session: which broker's session is written: client id and broker."""
        self._session = session
        self._recorded = Deliveries()
        self._writer = LogWriter(directory, head=self._head, **options)
        head, notes = self._writer.recovered()
        known = journal.decode(head, journal.Head) if head else None
        if known is not None:
            if known.session == session:
                self._recorded = known.deliveries()
            for each in notes:
                self._recorded.record(journal.decode(each, journal.CommitRecord).acknowledgements())
            if known.session != session:
                self._recorded = Deliveries()
                self._writer.roll()
        self.deliveries = self._recorded.copy()

    def _head(self) -> bytes:
        return journal.encode(journal.Head.of(self._session, self._recorded))

    def newest_arrival(self, limit: float = math.inf) -> float | None:
        """Return the arrival of the last commit; None if there is none, or it is past the limit."""
        newest = self._writer.arrival
        return newest if 0.0 < newest <= limit else None

    def move_times(self, seconds: float, now: float) -> None:
        """Take the newest arrival for the present: what is in the log stays as it is."""
        self._writer.arrival = min(self._writer.arrival + seconds, now)

    def append(self, job: Job) -> None:
        """Write a commit."""
        notes = journal.CommitRecord.of(journal.Change((), ()), 0, 0, job.pending)
        self._writer.append([each.encode() for each in job.records], journal.encode(notes), job.arrival)
        self._recorded.record(job.pending)

    def sync(self) -> None:
        """Put what was appended on the disk."""
        self._writer.sync()

    def close(self) -> None:
        """Put what was appended on the disk and close the log."""
        self._writer.close()
