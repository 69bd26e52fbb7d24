"""`ewad gateway` that kills itself within its work on a topic of Kafka: $CRASH_AT, such as after_commit:3.

Run: python -m tests.system.crashing_kafka gateway --log kafka://host:port/topic -c ewad.toml
"""

import os
import signal
import sys

from ewad import cli
from ewad.scale.kafka_log import KafkaLog

# before_commit: what the transaction holds is in the topic, and is to be seen by nobody.  after_commit: it is
# seen, and nothing has been acknowledged to MQTT
POINTS = ("before_commit", "after_commit")


def crash_at(point: str, count: int) -> None:
    """Arrange for a SIGKILL when the point is reached for the count-th time with samples."""
    append, sync = KafkaLog.append, KafkaLog.sync
    left, samples = [count], [0]

    def reached() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def noted(self, job):
        samples[0] += sum(map(len, job.records))
        append(self, job)

    def synced(self):
        counts, samples[0] = samples[0] > 0, 0
        if point == "before_commit" and counts:
            self._producer.flush(30.0)
            reached()
        sync(self)
        if point == "after_commit" and counts:
            reached()

    KafkaLog.append, KafkaLog.sync = noted, synced


if __name__ == "__main__":
    if wanted := os.environ.get("CRASH_AT"):
        name, number = wanted.split(":")
        crash_at(name, int(number))
    sys.argv[0] = "ewad"
    cli.main()
