"""How log records look on stderr: text for people, or one JSON object a line; how often one may repeat."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

FEW: Final = 5  # warnings of one kind in a minute: enough to see a pattern
MINUTE_SECONDS: Final = 60.0
KINDS: Final = 1_000  # remembered; libraries put changing words into their messages


class Seldom(logging.Filter):
    """Lets through a few warnings of one kind a minute, and says with the next one how many it kept back.

    Of one kind are those of one logger with one text, before the facts are filled in. What is said once
    by itself, as the first rejection under each reason is, is marked: `extra={"bounded": True}`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}  # kind -> start of its minute, how many
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record, which then tells how many of its kind were not logged."""
        if record.levelno < logging.WARNING or getattr(record, "bounded", False):
            return True
        kind = record.name, str(record.msg).partition("\n")[0]
        with self._lock:
            now = self._clock()
            start, count = self._kinds.get(kind, (now, 0))
            kept_back = 0
            if now - start >= MINUTE_SECONDS:
                start, count, kept_back = now, 0, max(0, count - FEW)
            if kind not in self._kinds and len(self._kinds) >= KINDS:
                del self._kinds[next(iter(self._kinds))]
            self._kinds[kind] = start, count + 1
        record.kept_back = f" (and {kept_back:,} more like it were not logged)" if kept_back else ""
        return count < FEW


def _told(record: logging.LogRecord) -> str:
    """Return what `Seldom` has to say beside the message."""
    return getattr(record, "kept_back", "")


class TextFormatter(logging.Formatter):
    """2026-01-31T12:00:00Z WARNING ewad.ingest.mqtt connection lost url=..."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line, with how many of its kind were not logged."""
        return super().formatMessage(record) + _told(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the record's time in UTC, to the second."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


class JsonFormatter(logging.Formatter):
    """{"time": ..., "level": ..., "logger": ..., "message": ...}, with "error" where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line = {
            "time": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage() + _told(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def configure(level: str, form: str) -> None:
    """Send the log to stderr at `level`, as "text" or "json". Libraries speak from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(Seldom())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("ewad").setLevel(level.upper())
