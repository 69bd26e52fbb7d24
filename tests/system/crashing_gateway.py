"""`ewad gateway` that kills itself at a named point of its work on the log: $CRASH_AT, such as after_sync:3.

Run: python -m tests.system.crashing_gateway gateway --log DIR -c ewad.toml
"""

import os
import signal
import sys

from ewad import cli
from ewad.scale import log_writer
from ewad.scale.log_writer import LogWriter

# half_written: half of a commit's frame.  during_roll: a new segment is not in its place yet.  before_sync,
# after_sync: of a commit with samples; after it nothing has been acknowledged, so that the next start, which
# follows it, has redeliveries to recognise
POINTS = ("half_written", "before_sync", "during_roll", "after_sync")


def crash_at(point: str, count: int) -> None:
    """Arrange for a SIGKILL when the point is reached for the count-th time."""
    left, samples = [count], [0]

    def reached() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    append, sync, sync_directory = LogWriter.append, LogWriter.sync, log_writer._sync_directory

    def noted(self, records, notes=b"", arrival=0.0):
        samples[0] = 0  # a sync within append is of what came before
        if point == "half_written" and records and self._file is not None:
            self._file.write(b"\xf5EW\n half of a frame")
            self._file.flush()
            reached()
            self._file.seek(self._written)
            self._file.truncate()
        written = append(self, records, notes, arrival)
        samples[0] = len(records)
        return written

    def synced(self):
        if point == "before_sync" and samples[0]:
            self._file.flush()
            reached()
        sync(self)
        if point == "after_sync" and samples[0]:
            reached()

    def before_rename(directory):
        if point == "during_roll":
            reached()
        sync_directory(directory)

    LogWriter.append, LogWriter.sync, log_writer._sync_directory = noted, synced, before_rename
    LogWriter.__init__.__kwdefaults__["segment_bytes"] = 1 << 14


if __name__ == "__main__":
    if wanted := os.environ.get("CRASH_AT"):
        name, number = wanted.split(":")
        crash_at(name, int(number))
    sys.argv[0] = "ewad"
    cli.main()
