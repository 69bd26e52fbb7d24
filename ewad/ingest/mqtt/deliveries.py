"""Which messages of the broker's kept session have been taken, so that none counts twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from zlib import crc32

# Messages in flight are fewer than packet ids. With one more, a broker that numbers in turn would come to
# the ids of messages that are on record as the last ones.
MAX_IN_FLIGHT = 65534


class Delivery(Protocol):
    """A message as its packet has it."""

    @property
    def payload(self) -> bytes: ...  # noqa: D102

    @property
    def packet_id(self) -> int | None: ...  # noqa: D102

    @property
    def duplicate(self) -> bool: ...  # noqa: D102


@dataclass(slots=True)
class Acknowledgements:
    """What may be acknowledged once a commit is done.

    pubacks: `tag`s of QoS 1 messages, in order.  repeated: packet ids of QoS 1 messages that had been taken
    before.  pubrecs, pubcomps: packet ids of QoS 2 messages taken, and of those the broker has released.
    session_lost: what was taken before them is of a session that the broker no longer has.
    """

    pubacks: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    pubrecs: list[int] = field(default_factory=list)
    pubcomps: list[int] = field(default_factory=list)
    session_lost: bool = False


def tag(message: Delivery) -> int:
    """Return what a QoS 1 message is known by: its packet id in the lower 16 bits, CRC-32 of its payload."""
    return crc32(message.payload) << 16 | (message.packet_id or 0)


class Deliveries:
    """What has been taken from one session of the broker.

    QoS 1: a broker that missed acknowledgements sends those messages again, marked DUP, in their order and
    before all others (MQTT 5, 4.4 and 4.6). So what it repeats is the end of what was taken: the message that
    the first DUP names, and those after it. A DUP past that end, or one that is out of step, is new to us.
    Sure for brokers that hand out packet ids in turn; for one that gives a freed id to the next message, that
    message's payload has to differ.

    QoS 2: an id is taken until the broker releases it, or uses it without DUP: then for another message, the
    taken one having expired or the record of its release having been lost.
    """

    def __init__(self, taken: Iterable[int] = (), unreleased: Iterable[int] = ()) -> None:
        self.taken: deque[int] = deque(taken, MAX_IN_FLIGHT)  # tags, the newest last
        self.unreleased = set(unreleased)
        self.repeated = 0  # messages recognised
        self._expected: deque[int] | None = None  # what the broker may still repeat; None: not known yet

    def connected(self, session_present: bool, notes: Acknowledgements) -> None:
        """Begin a connection; without the broker's session nothing of it comes again."""
        self._expected = None if session_present else deque()
        if not session_present and (self.taken or self.unreleased):
            notes.session_lost = True
            self._clear()

    def take(self, messages: Sequence[Delivery], notes: Acknowledgements) -> list[int]:
        """Note QoS 1 messages; return the positions of those that were taken before."""
        tags = [tag(message) for message in messages]
        known = self._known(messages, tags) if self._expected is None or self._expected else []
        if known:
            self.repeated += len(known)
            notes.repeated += [tags[i] & 0xFFFF for i in known]
            skipped = set(known)
            tags = [each for i, each in enumerate(tags) if i not in skipped]
        self.taken.extend(tags)
        notes.pubacks += tags
        return known

    def take_once(self, message: Delivery, notes: Acknowledgements) -> bool:
        """Note a QoS 2 message; return whether it is a new one."""
        assert message.packet_id is not None  # noqa: S101 (the codec sees to it)
        notes.pubrecs.append(message.packet_id)
        repeated = message.duplicate and message.packet_id in self.unreleased
        self.unreleased.add(message.packet_id)
        self.repeated += repeated
        return not repeated

    def release(self, packet_id: int, notes: Acknowledgements) -> None:
        """Note that the broker will not send this QoS 2 message again."""
        self.unreleased.discard(packet_id)
        notes.pubcomps.append(packet_id)

    def record(self, notes: Acknowledgements) -> None:
        """Take over what was noted elsewhere."""
        if notes.session_lost:
            self._clear()
        self.taken.extend(notes.pubacks)
        self.unreleased.difference_update(notes.pubcomps)
        self.unreleased.update(notes.pubrecs)

    def copy(self) -> Deliveries:
        """Return an independent copy."""
        return Deliveries(self.taken, self.unreleased)

    def _clear(self) -> None:
        self.taken.clear()
        self.unreleased.clear()

    def _known(self, messages: Sequence[Delivery], tags: list[int]) -> list[int]:
        """Return the positions of the messages that repeat what was taken."""
        known = []
        for i, message in enumerate(messages):
            if not message.duplicate:  # nothing is repeated after a new message
                self._expected = deque()
                break
            if self._expected is None:
                self._expected = self._since(tags[i])
            if self._expected and self._expected[0] == tags[i]:
                self._expected.popleft()
                known.append(i)
            else:
                self._expected.clear()
        return known

    def _since(self, first: int) -> deque[int]:
        """Return what was taken from the last use of this packet id on."""
        packet_id = first & 0xFFFF
        for back, each in enumerate(reversed(self.taken), start=1):
            if each & 0xFFFF == packet_id:
                return deque(list(self.taken)[-back:])
        return deque()
