"""What mosquitto_sub prints: a line a message, with its time where -F '%I %t %p' or '%U %t %p' is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ewad.ingest.files.archive import Archive
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.rows import Row, RowReader
from ewad.ingest.files.table import Known

TIMED = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*|\d{9,10}\.\d+|\d{10}|\d{13}) (\S*[^\d\s.,;]\S*) ?(.*)"
)
UNTIMED = re.compile(r"[^\s,;:\"'{=]+/[^\s,;\"'{=]* \S.*")
# a topic without a slash, and one word or a document: more words are the cells of a table
ONE_LEVEL = re.compile(r"(?:\d{4}-\d\d-\d\dT\S*|\d{9,10}\.\d+|\d{10}|\d{13}) [^\W\d][\w.$-]* (?:\S+|\{.*)")
SAMPLED = 20


def is_log(head: bytes) -> bool:
    """Return whether the first lines are messages: time, topic and payload, or a topic of several levels."""
    lines = [line for line in head.decode(errors="replace").splitlines()[:SAMPLED] if line.strip()]
    if len(head) > 1000 and len(lines) > 1:
        del lines[-1]
    first = [line for line in lines if TIMED.fullmatch(line) and "/" in line.split(" ")[1]]
    if not lines or 2 * len(first) > len(lines):
        return bool(lines)
    return all(map(ONE_LEVEL.fullmatch, lines)) or all(map(UNTIMED.fullmatch, lines))


class MosquittoLog(RowReader):
    """Recorded messages. A payload of several lines goes on until the next line that begins with a time."""

    kind = "mosquitto_sub's output"

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        super().__init__(archive, options)
        self.names = ["time", "topic", "payload"]
        self.known = Known(layout="messages", time=0)
        number, first = next(self.lines())
        if TIMED.fullmatch(first) is None:
            self.fail(
                "expected times, got topics and payloads alone: record with mosquitto_sub -F '%I %t %p'",
                number,
            )

    def rows(self) -> Iterator[Row]:
        """Yield time, topic and payload."""
        waiting: tuple[int, list[str]] | None = None
        for number, line in self.lines():
            found = TIMED.fullmatch(line)
            if found is None:
                if waiting is not None:
                    waiting[1][2] += f"\n{line}"
                continue
            if waiting is not None:
                yield waiting
            waiting = number, [found[1], found[2], found[3]]
        if waiting is not None:
            yield waiting
