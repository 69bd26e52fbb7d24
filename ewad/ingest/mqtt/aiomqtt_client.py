"""aiomqtt's client as a session needs it: messages gather, with packet ids, and wait for acknowledgement."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import aiomqtt
import mqtt5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ewad.errors import SourceError
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.mqtt.session import ALIAS_FORBIDDEN, VIOLATION

T = TypeVar("T")
LEVELS = mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE, mqtt5.QoS.EXACTLY_ONCE


@dataclass(slots=True)
class ReceivedMessage:
    """One message as the ledger wants it."""

    topic: str
    payload: bytes
    retain: bool
    qos: mqtt5.QoS
    packet_id: int
    duplicate: bool
    subscription_ids: list[int]


if TYPE_CHECKING:
    _Queue = asyncio.Queue[Any]
else:
    _Queue = asyncio.Queue


class GatheringQueue(_Queue):
    """A queue whose get waits until there are items, and whose take returns them all.

    Nothing but take removes items: a get that is cancelled while it returns can't lose any.

    It has no limit because a full queue would make aiomqtt drop messages. It stays short by itself: it is
    filled in the event loop, packet by packet, and emptied every PACE_SECONDS; while the consumer works,
    nothing is read and TCP holds back the broker.
    """

    _queue: Any

    def _get(self) -> None:  # asyncio.Queue's hook for subclasses
        pass

    def take(self) -> list[ReceivedMessage]:
        """Return all items, which leave the queue."""
        items = list(self._queue)
        self._queue.clear()
        return items


class Client(aiomqtt.Client):
    """aiomqtt's client, that looks at the CONNACK, keeps packet ids and leaves acknowledgements to others.

    violation: by the broker, for which the client has disconnected.
    """

    offers_subscription_ids = True
    session_present = False
    violation: SourceError | None = None

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._client.manual_ack_set(True)

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Properties | None = None
    ) -> None:
        self.offers_subscription_ids = getattr(properties, "SubscriptionIdentifierAvailable", 1) != 0
        self.session_present = bool(flags.session_present)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *arguments: Any) -> None:
        super()._on_disconnect(*arguments)
        if self._disconnected.done():  # aiomqtt may put a new future in its place without a look at it
            see(self._disconnected)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        if self.violation is not None:
            return
        alias = getattr(message.properties, "TopicAlias", None)
        if alias is not None:
            self.violation = SourceError(VIOLATION % (ALIAS_FORBIDDEN % alias))
            self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Topic alias invalid"))
            return
        ids = getattr(message.properties, "SubscriptionIdentifier", None) or []
        facts = LEVELS[message.qos], message.mid, message.dup, ids
        received: Any = ReceivedMessage(message.topic, message.payload, message.retain, *facts)
        self._queue.put_nowait(received)

    def acknowledge(self, pending: Acknowledgements) -> None:
        """Send the acknowledgements."""
        for packet_id in (*pending.repeated, *[each & 0xFFFF for each in pending.pubacks]):
            self._client.ack(packet_id, 1)
        for packet_id in pending.pubcomps:
            self._client.ack(packet_id, 2)


async def insisting(call: Coroutine[Any, Any, T]) -> T:
    """Return what a call of aiomqtt's returns, or be cancelled for sure.

    It waits by asyncio.wait_for, which in Python 3.11 loses a cancellation that comes with the answer.
    """
    task = asyncio.ensure_future(call)
    task.add_done_callback(see)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    return task.result()


def see(done: asyncio.Future[Any]) -> None:
    """Look at the future's exception: asyncio logs those that nobody has seen."""
    if not done.cancelled():
        done.exception()
