"""`ewad` that kills itself at a named point of its work on the state file: $CRASH_AT, such as after_commit:3.

Run: python -m tests.system.crashing run -c ewad.toml
"""

import os
import signal
import sys
import time

from ewad import cli
from ewad.store import store
from ewad.store.file import StateFile

# before_commit: the journal's record is written, its transaction not yet over
POINTS = ("before_commit", "after_commit", "during_snapshot", "before_snapshot_ends", "during_cut")
# no crash: dead_disk gives no answer from the first commit on, slow_disk none while there is a file `slow`


def crash_at(point: str, count: int) -> None:
    """Arrange for a SIGKILL when the point is reached for the count-th time."""
    left = [count]

    def reached() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    append, add_piece, finish, commit = (
        StateFile.append, StateFile.add_piece, StateFile.finish_snapshot, StateFile._commit,
    )  # fmt: skip

    def after_commit(self, entries):
        append(self, entries)
        if any(entry.samples for entry in entries):  # else nothing is sent again, at QoS 2
            reached()

    def during_snapshot(self, *arguments):
        add_piece(self, *arguments)
        reached()

    def before_snapshot_ends(self, *arguments):
        reached()
        finish(self, *arguments)

    def in_transaction(*, of: str):
        def traced(self, *statements):
            mine = any(statement.startswith(of) for statement, _ in statements)
            self._database.set_trace_callback(
                lambda statement: reached() if mine and statement == "COMMIT" else None
            )
            commit(self, *statements)

        return traced

    def dead_disk(self, *arguments):
        while True:
            time.sleep(60)

    def slow_disk(self, *arguments):
        while self.path.with_name("slow").exists():
            time.sleep(0.01)
        append(self, *arguments)

    patched = {
        "slow_disk": ("append", slow_disk),
        "dead_disk": ("append", dead_disk),
        "before_commit": ("_commit", in_transaction(of="INSERT INTO journal")),
        "after_commit": ("append", after_commit),
        "during_snapshot": ("add_piece", during_snapshot),
        "before_snapshot_ends": ("finish_snapshot", before_snapshot_ends),
        "during_cut": ("_commit", in_transaction(of="DELETE FROM piece WHERE snapshot <")),
    }
    setattr(StateFile, *patched[point])
    if point == "slow_disk":
        store.SLOW_SECONDS = 0.2


if __name__ == "__main__":
    if wanted := os.environ.get("CRASH_AT"):
        name, number = wanted.split(":")
        crash_at(name, int(number))
    sys.argv[0] = "ewad"
    cli.main()
