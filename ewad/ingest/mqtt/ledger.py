"""From a packet to its acknowledgement: what a session has taken and not answered yet, without any I/O."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import mqtt5
import numpy as np
from numpy.typing import NDArray

from ewad.ingest.mqtt.consumer import Consumer, Message, Uncommitted
from ewad.ingest.mqtt.deliveries import BETWEEN, TAG_TYPE, Acknowledgements, Deliveries, Delivery
from ewad.ingest.mqtt.earlier_filters import EarlierFilters, Identified
from ewad.ingest.mqtt.overlaps import Overlaps
from ewad.ingest.mqtt.settings import ConnectionSettings
from ewad.ingest.plain import Plain

AT_MOST_ONCE, AT_LEAST_ONCE = mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE
EXACTLY_ONCE = mqtt5.QoS.EXACTLY_ONCE

M = TypeVar("M", bound="Publish")
Acknowledge = Callable[[Acknowledgements], None]


class Publish(Delivery, Identified, Message, Protocol):
    """A message with all that its packet says."""

    @property
    def qos(self) -> mqtt5.QoS: ...  # noqa: D102


class Ledger:
    """Takes messages, hands those that count to the consumer, commits them, and then acknowledges them.

    One for all connections of a session, whatever the protocol's version. What is committed is acknowledged
    once it is stored, and only to the connection that it came by. Acknowledged and not handed on is what the
    broker sends again although it was taken before, as `deliveries` tells, what only filters of earlier
    configurations brought, and further copies of a message that several filters take.

    unstored: acknowledgements whose commit has begun and is not stored.  stored: set while there are none.
    Messages of QoS 0 have none: they wait for no disk, since a broker would drop what is not read meanwhile.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        consumer: Consumer,
        clock: Callable[[], float],
        deliveries: Deliveries,
    ) -> None:
        self.earlier = EarlierFilters(settings.subscriptions)
        self.overlaps = Overlaps(settings.subscriptions)
        self.unstored = 0
        self.stored = asyncio.Event()
        self.stored.set()
        self._consumer = consumer
        self._clock = clock
        self._deliveries = deliveries
        self._answered = settings.qos > 0
        self._session_present = False
        self._uncommitted = Uncommitted(settings.commit_interval_seconds)
        self._ids = np.array(sorted(self.earlier.ids), dtype=np.int64)
        self._pending = Acknowledgements()  # of what is uncommitted
        self._acknowledge: Acknowledge | None = None  # of the connection, while it may

    @property
    def waiting(self) -> bool:
        """Whether anything waits for a commit."""
        return self._uncommitted.messages > 0

    @property
    def owed(self) -> int:
        """How many acknowledgements the next commit allows."""
        return self._pending.number

    def connected(self, session_present: bool, acknowledge: Acknowledge, now: float) -> None:
        """Begin a connection. acknowledge: sends what may be acknowledged, until `disconnected`."""
        self._session_present = session_present
        self._acknowledge = acknowledge
        self._deliveries.connected(session_present, self._pending)
        if self._pending.session_lost:  # on record before anything of the new session is
            self._uncommitted.add(1, now)
            self.commit()

    def disconnected(self) -> None:
        """Acknowledge nothing more: the broker sends again what was not acknowledged."""
        self._acknowledge = None

    def take(self, messages: Sequence[M], now: float) -> None:
        """Note which acknowledgements messages need, in order; hand those that count to the consumer."""
        self._uncommitted.add(len(messages), now)
        if self._session_present:  # it may hold messages of a higher QoS and for other filters
            # A codec's list per message: 0.1 us, which sessions without a past are spared.
            self.earlier.note(messages)
            messages = self.earlier.wanted(self._noted(messages))
        elif self._answered:
            messages = self._noted(messages)
        if overlaps := self.overlaps:
            messages = [m for m in messages if overlaps.counts(m.topic, m.retain, m.subscription_ids)]
        self._consumer.consume(messages, self._clock())

    def plain(self, data: NDArray[np.uint8], start: int, end: int) -> tuple[Plain, int] | None:
        """Return messages of the bytes that can be taken in bulk, for `take_plain`, and where they end.

        None if no message can be now: each has to be looked at.
        """
        way = self._consumer.bulk
        if way is None or self.overlaps:
            return None
        if self._session_present and not self.earlier.looks_at_identifiers_alone:
            return None
        level = 0 if self._deliveries.may_repeat else 1
        return way.topics.take(data, start, end, self._ids, level, BETWEEN)

    def take_plain(self, messages: Plain, now: float) -> None:
        """Take messages that `plain` has returned, as `take` would."""
        self._uncommitted.add(len(messages.tag), now)
        if messages.answered and (self._session_present or self._answered):
            self._deliveries.take_new(array(TAG_TYPE, messages.tags.tobytes()), self._pending)
        way = self._consumer.bulk
        assert way is not None  # noqa: S101 (it was there just now)
        way.consume(messages, self._clock())

    def release(self, packet_id: int, now: float) -> None:
        """Note that the broker will not send this QoS 2 message again."""
        self._deliveries.release(packet_id, self._pending)
        self._uncommitted.add(1, now)

    def commit(self) -> None:
        """Commit what waits. Raises what the consumer raises."""
        if not self._uncommitted.messages:
            return
        pending, self._pending = self._pending, Acknowledgements()
        self._uncommitted.clear()
        if pending.number:
            self.unstored += pending.number
            self.stored.clear()
        self._consumer.commit(pending, partial(self._keep, pending, self._acknowledge))

    def commit_if_due(self, now: float) -> None:
        """Commit if enough waits, or for long enough."""
        if self._uncommitted.due(now, self._consumer.patience_seconds):
            self.commit()

    def _keep(self, pending: Acknowledgements, acknowledge: Acknowledge | None) -> None:
        """Acknowledge what is stored: the only place from which acknowledgements come."""
        self.unstored -= pending.number
        if acknowledge is not None and acknowledge == self._acknowledge:
            acknowledge(pending)
        if not self.unstored:
            self.stored.set()

    def _noted(self, messages: Sequence[M]) -> Sequence[M]:
        """Note what is to be acknowledged; return the messages without those that were taken before."""
        levels = [message.qos for message in messages]
        if levels.count(AT_LEAST_ONCE) == len(levels):
            known = self._deliveries.take(messages, self._pending)
            return [m for i, m in enumerate(messages) if i not in known] if known else messages
        if levels.count(AT_MOST_ONCE) == len(levels):
            return messages
        return [message for message in messages if self._is_new(message)]

    def _is_new(self, message: Publish) -> bool:
        """Note one message of any QoS; return False if it was taken before."""
        if message.qos == AT_MOST_ONCE:
            return True
        if message.qos == AT_LEAST_ONCE:
            return not self._deliveries.take([message], self._pending)
        return self._deliveries.take_once(message, self._pending)
