"""Which messages of the broker's kept session have been taken, so that none counts twice."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol
from zlib import crc32

from ewad.ingest.mqtt.remembered import Remembered

log = logging.getLogger("ewad.ingest.mqtt")

# Messages in flight are fewer than packet ids. With one more, a broker that numbers in turn would come to
# the ids of messages that are on record as the last ones.
MAX_IN_FLIGHT = 65534
# Of an array of tags: each is a number of 64 bits there, where a list has an object for each.
TAG_TYPE = "Q"
WITH_TOPIC = 1 << 48  # in every tag but those of ewad 0.1.0, which are of identifier and payload alone
NOTHING: set[int] = set()
BETWEEN = 0x5BD1E995  # any number but 0: topic "a/1" with payload "23" is not topic "a/12" with payload "3"


class Delivery(Protocol):
    """A message as its packet has it."""

    @property
    def topic(self) -> str: ...  # noqa: D102

    @property
    def payload(self) -> bytes: ...  # noqa: D102

    @property
    def packet_id(self) -> int | None: ...  # noqa: D102

    @property
    def duplicate(self) -> bool: ...  # noqa: D102


@dataclass(slots=True)
class Acknowledgements:
    """What may be acknowledged once a commit is done.

    pubacks: `tags` of QoS 1 messages, in order, an array of TAG_TYPE.  repeated: packet ids of QoS 1 messages
    that had been taken before.  pubrecs: `tags` of QoS 2 messages.  pubcomps: packet ids of those that the
    broker has released.
    session_lost: what was taken before them is of a session that the broker no longer has.
    """

    pubacks: array[int] = field(default_factory=partial(array, TAG_TYPE))
    repeated: list[int] = field(default_factory=list)
    pubrecs: list[int] = field(default_factory=list)
    pubcomps: list[int] = field(default_factory=list)
    session_lost: bool = False

    @property
    def number(self) -> int:
        """How many acknowledgements they are."""
        return len(self.pubacks) + len(self.repeated) + len(self.pubrecs) + len(self.pubcomps)


# The checksums of topics; to look one up takes a third of the time.
_STARTS = Remembered(lambda topic: crc32(topic.encode()) ^ BETWEEN)


def tags(messages: Sequence[Delivery]) -> list[int]:
    """Return what messages are known by: packet id (16 bits), CRC-32 of topic and payload, WITH_TOPIC."""
    starts = _STARTS
    return [crc32(m.payload, starts[m.topic]) << 16 | (m.packet_id or 0) | WITH_TOPIC for m in messages]


def tag_without_topic(message: Delivery) -> int:
    """Return what ewad 0.1.0 knew a QoS 1 message by: packet id and CRC-32 of the payload."""
    return crc32(message.payload) << 16 | (message.packet_id or 0)


class Deliveries:
    """What has been taken from one session of the broker.

    QoS 1: a broker that missed acknowledgements sends those messages again, in their order and before all
    others (MQTT 5, 4.4 and 4.6). Acknowledgements leave in order, so these messages are the end of what was
    taken; and as the broker holds all of them at once, their packet ids differ. So in a session that goes on,
    the first message is a repetition if identifier, topic and payload are those of one that was taken, and
    neither its identifier nor a later one's was given again since. If it is, all that was taken after it is
    still in flight, so a message with the identifier, topic and payload of any of these is a repetition too.
    If it is not, nothing is. Whether the broker marks repetitions DUP, as it must, is not asked: not every
    broker does.

    What remains: the first message of a session that goes on, though new, counts as a repetition if its
    identifier, topic and payload are all those of such a message; so do those that follow it likewise. And
    what a broker sends again under other identifiers can't be told from new messages: it counts.

    QoS 2: an id is taken until the broker releases it, or uses it for a message with another topic or
    payload: the taken one has expired, or the record of its release has been lost.
    """

    def __init__(self, taken: Iterable[int] = (), unreleased: Iterable[int] = ()) -> None:
        # tags, the newest last; of QoS 2 the packet ids: an id that is used again bounds what may be repeated
        self._taken = array(TAG_TYPE, taken)
        self._unreleased = {each & 0xFFFF: each for each in unreleased}  # tags by their packet id
        self.repeated = 0  # messages recognised
        self._expected: set[int] | None = set()  # tags that come again; None: unknown until the first message

    @property
    def taken(self) -> array[int]:
        """The tags of what was taken last, the newest last; of QoS 2 the packet ids."""
        return self._taken[-MAX_IN_FLIGHT:]

    @property
    def unreleased(self) -> set[int]:
        """The tags of QoS 2 messages that the broker has not released."""
        return set(self._unreleased.values())

    def connected(self, session_present: bool, pending: Acknowledgements) -> None:
        """Begin a connection; without the broker's session nothing of it comes again."""
        self._expected = None if session_present else set()
        if not session_present and (self._taken or self._unreleased):
            pending.session_lost = True
            self._clear()

    @property
    def may_repeat(self) -> bool:
        """Whether a QoS 1 message that comes next may be one that was taken before."""
        return self._expected is None or bool(self._expected)

    def take_new(self, new: Sequence[int], pending: Acknowledgements) -> None:
        """Note QoS 1 messages, by their tags, while none may repeat."""
        self._note(new)
        pending.pubacks.extend(new)

    def take(self, messages: Sequence[Delivery], pending: Acknowledgements) -> set[int]:
        """Note QoS 1 messages; return the positions of those that were taken before."""
        new = tags(messages)
        known = set() if self._expected == NOTHING else self._known(messages, new)
        if known:
            self.repeated += len(known)
            pending.repeated += [new[i] & 0xFFFF for i in sorted(known)]
            new = [each for i, each in enumerate(new) if i not in known]
        self.take_new(new, pending)
        return known

    def take_once(self, message: Delivery, pending: Acknowledgements) -> bool:
        """Note a QoS 2 message; return whether it is a new one."""
        assert message.packet_id is not None  # noqa: S101 (the codec sees to it)
        (new,) = tags([message])
        known = self._unreleased.get(message.packet_id)
        # ewad 0.1.0 kept the identifier alone
        repeated = known == new or (known == message.packet_id and message.duplicate)
        pending.pubrecs.append(new)
        self._hold(new)
        self.repeated += repeated
        return not repeated

    def release(self, packet_id: int, pending: Acknowledgements) -> None:
        """Note that the broker will not send this QoS 2 message again."""
        self._unreleased.pop(packet_id, None)
        pending.pubcomps.append(packet_id)

    def record(self, pending: Acknowledgements) -> None:
        """Take over what was noted elsewhere."""
        if pending.session_lost:
            self._clear()
        self._note(pending.pubacks)
        for packet_id in pending.pubcomps:
            self._unreleased.pop(packet_id, None)
        for each in pending.pubrecs:
            self._hold(each)

    def copy(self) -> Deliveries:
        """Return an independent copy."""
        return Deliveries(self.taken, self._unreleased.values())

    def _hold(self, each: int) -> None:
        """Note the tag of a QoS 2 message, which may be noted already."""
        if self._unreleased.get(each & 0xFFFF) != each:
            self._note([each & 0xFFFF])
        self._unreleased[each & 0xFFFF] = each

    def _note(self, new: Sequence[int]) -> None:
        """Put tags at the end of what was taken, and let the oldest go now and then."""
        self._taken.extend(new)
        if len(self._taken) > 2 * MAX_IN_FLIGHT:
            del self._taken[:-MAX_IN_FLIGHT]

    def _clear(self) -> None:
        del self._taken[:]
        self._unreleased.clear()

    def _known(self, messages: Sequence[Delivery], new: list[int]) -> set[int]:
        """Return the positions of messages that repeat what was taken."""
        if self._expected is None:
            self._expected = self._from(messages[0], new[0])
            if not self._expected:
                self._tell_of_other_ids(new)
        known = set()
        for i, message in enumerate(messages):
            for each in (new[i], tag_without_topic(message)):
                if each in self._expected:
                    self._expected.remove(each)
                    known.add(i)
                    break
        return known

    def _tell_of_other_ids(self, new: list[int]) -> None:
        """Tell if messages numbered from 1 on are the end of what was taken under other identifiers."""
        last = self.taken[-len(new) :]
        for start in range(len(last) if new[0] & 0xFFFF == 1 else 0):
            end = [each >> 16 for each in last[start:]]
            if end == [each >> 16 for each in new[: len(end)]]:
                log.warning(
                    "messages=%d come again under other identifiers, it seems, and count twice: the broker "
                    "numbers anew with each connection",
                    len(end),
                )
                return

    def _from(self, first: Delivery, new: int) -> set[int]:
        """Return what the broker repeats if it begins with this message: what was taken from it on."""
        ids: set[int] = set()
        found: set[int] = set()
        for each in reversed(self.taken):
            packet_id = each & 0xFFFF
            if each != packet_id:  # QoS 1
                if packet_id in ids:  # acknowledged, as are all before
                    break
                found.add(each)
            ids.add(packet_id)
            if each in (new, tag_without_topic(first)):
                return found
        return set()
