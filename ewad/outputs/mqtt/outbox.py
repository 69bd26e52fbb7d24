"""What is to be published: what waits, what is on its way, and what a lost connection has to send again."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final, NamedTuple

LARGEST_ID: Final = 0xFFFE  # one less than there are: the last one is that of SUBSCRIBE
SUBSCRIBE_ID: Final = 0xFFFF


class Outgoing(NamedTuple):
    """One message for a broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Sending(NamedTuple):
    """A message that is sent now. packet_id: 0 at QoS 0.  again: an earlier connection may have sent it."""

    packet_id: int
    message: Outgoing
    again: bool


class Outbox:
    """Messages of one client over all its connections; any thread may put some in.

    latest: a message takes the place of an earlier one of its topic that waits: what waits is bounded by the
    number of topics. Otherwise all are sent, in order.  superseded: those that gave way.
    """

    def __init__(self, *, latest: bool) -> None:
        self.superseded = 0
        self._latest = latest
        # by topic, or by number; of a plain dict the first is found slowly where many before it are gone
        self._waiting: OrderedDict[str | int, Outgoing] = OrderedDict()
        self._number = 0
        self._lock = threading.Lock()  # of _waiting
        self._flying: dict[int, Outgoing] = {}  # by packet id, in order
        self._again: deque[tuple[int, Outgoing]] = deque()
        self._id = 0

    def put(self, messages: Iterable[Outgoing]) -> bool:
        """Have these sent, unless a later one of their topic comes before they can be.

        Return whether they are the first that wait: whoever sends has to hear of them.
        """
        with self._lock:
            first = not self._waiting
            for message in messages:
                if self._latest:
                    self.superseded += message.topic in self._waiting
                    self._waiting[message.topic] = message
                else:
                    self._number += 1
                    self._waiting[self._number] = message
            return first and bool(self._waiting)

    @property
    def waiting(self) -> int:
        """How many messages are not sent yet."""
        return len(self._waiting) + len(self._again)

    @property
    def flying(self) -> int:
        """How many messages are sent and not answered yet."""
        return len(self._flying)

    @property
    def empty(self) -> bool:
        """Whether the broker has everything; any thread may ask."""
        with self._lock:
            return not (self._waiting or self._again or self._flying)

    def take(self, most: int, most_qos: int = 2) -> list[Sending]:
        """Return the next messages to send, first those that an earlier connection has not got through.

        most_qos: what the broker grants; messages above it are sent by it.
        """
        taken: list[Sending] = []
        while self._again and len(taken) < most:
            packet_id, message = self._again.popleft()
            self._flying[packet_id] = message
            taken.append(Sending(packet_id, message, again=True))
        with self._lock:
            while self._waiting and len(taken) < most:
                _, message = self._waiting.popitem(last=False)
                taken.append(
                    self.sent(message if message.qos <= most_qos else message._replace(qos=most_qos))
                )
        return taken

    def sent(self, message: Outgoing) -> Sending:
        """Note that a message is sent now: at QoS 1 and 2 it is on its way until it is answered."""
        if message.qos == 0:
            return Sending(0, message, again=False)
        packet_id = self._next_id()
        self._flying[packet_id] = message
        return Sending(packet_id, message, again=False)

    def answered(self, packet_id: int) -> Outgoing | None:
        """Return the message that the broker has now; None if none of that number is on its way."""
        return self._flying.pop(packet_id, None)

    def all_answered(self, packet_ids: Iterable[int]) -> None:
        """Note that the broker has these messages now, as far as they are on their way."""
        for packet_id in packet_ids:
            self._flying.pop(packet_id, None)

    def disconnected(self) -> None:
        """Have what is on its way sent again by the next connection."""
        self._again.extendleft(reversed(self._flying.items()))
        self._flying.clear()

    def _next_id(self) -> int:
        """Return a packet id that no message has."""
        used = (
            self._flying.keys() | {packet_id for packet_id, _ in self._again} if self._again else self._flying
        )
        while True:
            self._id = self._id % LARGEST_ID + 1
            if self._id not in used:
                return self._id
