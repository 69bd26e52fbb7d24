"""What a source of messages hands them to, and when what it handed over has to be committed."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.plain import BulkWay

# A batch this large is past the point where a larger one is cheaper per sample (flat from ~1,000 on).
COMMIT_MESSAGES = 4096


class Message(Protocol):
    """One message as the broker delivered it."""

    @property
    def topic(self) -> str: ...  # noqa: D102

    @property
    def payload(self) -> bytes: ...  # noqa: D102

    @property
    def retain(self) -> bool: ...  # noqa: D102


class Consumer(Protocol):
    """Takes messages in lists. An exception of either method ends the source without acknowledgements."""

    @property
    def bulk(self) -> BulkWay | None:
        """How messages may be handed to it in bulk at the moment; None: none may be."""

    @property
    def busy(self) -> bool:
        """Whether a commit is still being observed: until it is, the source hands on nothing more."""

    @property
    def patience_seconds(self) -> float:
        """For how long messages may gather before a commit, if that is less than the commit interval."""

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Decode and buffer messages that arrived at `arrival` (Unix seconds). Bad payloads don't raise."""

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        """Observe everything buffered and store it with the pending acknowledgements.

        done is called once the messages may be acknowledged: at once or later, in the order of the commits.
        """


class Uncommitted:
    """How many consumed messages wait for a commit, and since when (seconds of one monotonic clock)."""

    def __init__(self, interval_seconds: float) -> None:
        self.messages = 0
        self._interval_seconds = interval_seconds
        self._since = 0.0

    def add(self, messages: int, now: float) -> None:
        """Count messages; the first of them starts the interval."""
        if not self.messages:
            self._since = now
        self.messages += messages

    def due(self, now: float, patience_seconds: float) -> bool:
        """Whether enough messages wait, or the first has waited long enough: for the interval, or less."""
        if self.messages >= COMMIT_MESSAGES:
            return True
        longest = min(self._interval_seconds, patience_seconds)
        return self.messages > 0 and now - self._since >= longest

    def clear(self) -> None:
        """Count from zero again: what came so far is being committed."""
        self.messages = 0
