"""`ewad` that kills itself at a named point of its work on the state file: $CRASH_AT, such as after_commit:3.

Run: python -m tests.system.crashing run -c ewad.toml
"""

import os
import signal
import sys
import threading
import time

from ewad import cli
from ewad.outputs.otlp.backlog import Draft
from ewad.store import file, store
from ewad.store.file import StateFile

# before_commit: half of the journal's record is written.  during_change: a new file is complete, but does not
# stand in the old one's place yet
POINTS = ("before_commit", "after_commit", "during_snapshot", "before_snapshot_ends", "during_change")
# before_draft: a sink on the disk has not written the samples of a commit, for which the journal has had time
# no crash: dead_disk gives no answer from the first commit on, slow_disk none while there is a file `slow`


def crash_at(point: str, count: int) -> None:
    """Arrange for a SIGKILL when the point is reached for the count-th time."""
    left = [count]

    def reached() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    append, add_block, finish, change = (
        StateFile.append, StateFile.add_block, StateFile.finish_snapshot, StateFile._take_over,
    )  # fmt: skip

    def after_commit(self, entries):
        written = append(self, entries)
        if any(entry.samples for entry in entries):  # else nothing is sent again, at QoS 2
            reached()
        return written

    def during_snapshot(self, *arguments):
        add_block(self, *arguments)
        reached()

    def before_snapshot_ends(self, *arguments):
        reached()
        finish(self, *arguments)

    def before_commit(self, entries):
        write_all = file.write_all

        def half(descriptor, data, at):
            write_all(descriptor, data[: len(data) // 2], at)
            reached()
            write_all(descriptor, data, at)

        file.write_all = half
        try:
            return append(self, entries)
        finally:
            file.write_all = write_all

    def during_change(self, new):
        reached()
        change(self, new)

    appended = threading.Event()  # something with samples, since the sink has had some to write

    def with_samples(self, entries):
        written = append(self, entries)
        if any(entry.samples for entry in entries):
            appended.set()
        return written

    def before_draft(self, packed):
        appended.clear()
        if left[0] == 1:
            appended.wait(1.0)  # which is in vain: the journal comes after the sink
        reached()
        add_to_draft(self, packed)

    if point == "before_draft":
        add_to_draft, Draft.add = Draft.add, before_draft

    def dead_disk(self, *arguments):
        while True:
            time.sleep(60)

    def slow_disk(self, *arguments):
        while self.path.with_name("slow").exists():
            time.sleep(0.01)
        return append(self, *arguments)

    patched = {
        "slow_disk": ("append", slow_disk),
        "dead_disk": ("append", dead_disk),
        "before_draft": ("append", with_samples),
        "before_commit": ("append", before_commit),
        "after_commit": ("append", after_commit),
        "during_snapshot": ("add_block", during_snapshot),
        "before_snapshot_ends": ("finish_snapshot", before_snapshot_ends),
        "during_change": ("_take_over", during_change),
    }
    setattr(StateFile, *patched[point])
    store.FILE_BYTES = 0 if point == "during_change" else 1 << 16  # a new file at once, or every few seconds
    if point == "slow_disk":
        store.SLOW_SECONDS = 0.2


if __name__ == "__main__":
    if wanted := os.environ.get("CRASH_AT"):
        name, number = wanted.split(":")
        crash_at(name, int(number))
    sys.argv[0] = "ewad"
    cli.main()
