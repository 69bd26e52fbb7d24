"""What every kind of MQTT session shares: its shape, its outcome and how failures read."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ewad.errors import SourceError
from ewad.ingest.mqtt.pacing import HeldUp
from ewad.ingest.mqtt.settings import BrokerSettings

CONNECT_SECONDS = 10.0  # name look-up, TCP, TLS, CONNACK and SUBACK together; a healthy broker needs < 1
CLOSE_SECONDS = 1.0  # for a clean end of the connection; a stop has to be over within 2
# Only MQTT 5 has subscription identifiers, and not with every broker.
OVERLAPS_UNTOLD = "topic filters overlap: a message that several take may be counted once for each url=%s"

OLDER_BROKER = 'set mqtt.version = "3.1.1"'
OLDER_BROKER_PERHAPS = (
    f"; if the broker speaks MQTT 3.1.1 only, {OLDER_BROKER}"  # it may hang up, or say nothing
)

VIOLATION = "protocol violation by the broker: %s"
ALIAS_FORBIDDEN = "topic alias %d, where none is allowed"  # no CONNECT of ours announces a maximum


@dataclass(frozen=True)
class Subscribed:
    """What the broker answered: whether it kept a session (None: unknown), a text per refused filter."""

    session_present: bool | None
    refused: tuple[str, ...]
    all_refused: bool


class MqttSession(Protocol):
    """One client at one broker over many connections."""

    bytes_received: int
    held_up: HeldUp

    async def receive(self, on_subscribed: Callable[[Subscribed], None]) -> None:
        """Connect, subscribe, hand messages on until the connection ends.

        Raises SourceError with a sentence when it ended or couldn't begin, and whatever the consumer raises.
        Cancelled, it commits, acknowledges and disconnects.
        """


def refusal(topic_filter: str, reason: str) -> str:
    """Return how the refusal of a topic filter reads."""
    return f'the broker refused the subscription "{topic_filter}": {reason}'


def as_words(name: str) -> str:
    """Return "not authorized" for NOT_AUTHORIZED."""
    return name.replace("_", " ").lower()


def failure(error: BaseException, settings: BrokerSettings) -> SourceError:
    """Return the error as one sentence for a person: what failed and at which address."""
    if isinstance(error, SourceError):
        return error
    return SourceError(f"{_cause(error)} ({settings.peer})")


def _cause(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate verify failed: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {as_words(error.reason or str(error))}"
        case socket.gaierror():
            return f"host name not found: {error.strerror}"
        case UnicodeError():  # its encoding for DNS (IDNA) failed
            return f"not a host name: {error}"
        case TimeoutError() if error.errno is None:
            return f"no answer within {CONNECT_SECONDS:g} s"
        case OSError():
            return _strerror(error)
    return str(error) or type(error).__name__


def _strerror(error: OSError) -> str:
    """Return "connection refused" and the like; asyncio joins several addresses' errors without an errno."""
    found = re.search(r"\[Errno (\d+)\]", str(error))
    code = error.errno or (int(found[1]) if found else None)
    if code is None and isinstance(error, ConnectionResetError):  # asyncio's own, of a TLS peer that hangs up
        code = errno.ECONNRESET
    return os.strerror(code).lower() if code else str(error) or type(error).__name__
