"""What senders are to be asked for: to tell all anew, where messages are missing that explain what comes."""

from __future__ import annotations

from ewad.ingest.block import StreamBlock
from ewad.ingest.formats.reasons import MISSED
from ewad.ingest.formats.table import FORMATS

EVERY_SECONDS = 60.0  # a sender is asked again, where its answer does not come or does not help
_MOST = 10_000  # senders that are remembered


class Requests:
    """Requests that wait to be published, each sender's once a minute at most."""

    def __init__(self) -> None:
        self._wanted: dict[str, tuple[StreamBlock, str]] = {}  # sender -> block, topic of the message
        self._asked: dict[str, float] = {}  # sender -> when, Unix seconds

    def note(self, topic: str, block: StreamBlock, reason: str) -> None:
        """Note that a message was rejected, or that others before it are missing."""
        form = FORMATS[block.settings.format]
        if reason in MISSED and form.request is not None and len(self._wanted) < _MOST:
            self._wanted.setdefault(form.sender(topic), (block, topic))

    def take(self, now: float) -> list[tuple[str, bytes]]:
        """Return what is to be published now: topics and payloads. now: Unix seconds."""
        wanted, self._wanted = self._wanted, {}
        found = []
        for sender, (block, topic) in wanted.items():
            request = FORMATS[block.settings.format].request
            if request is not None and not 0.0 <= now - self._asked.get(sender, -1e9) < EVERY_SECONDS:
                if len(self._asked) >= _MOST:
                    self._asked.clear()
                self._asked[sender] = now
                found.append(request(topic, now))
        return found
