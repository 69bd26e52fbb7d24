"""MQTT 3.1.1, and MQTT 5 over websockets, on aiomqtt: slower, for brokers that offer nothing else."""

import asyncio
import base64
import logging
import os
import re
import time
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

import aiomqtt
from paho.mqtt.client import error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ewad.config.syntax import quoted
from ewad.errors import SourceError
from ewad.ingest.mqtt.consumer import Consumer, Uncommitted
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.earlier_filters import EarlierFilters
from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.mqtt.overlaps import Overlaps
from ewad.ingest.mqtt.session import (
    ALIAS_FORBIDDEN,
    CLOSE_SECONDS,
    CONNECT_SECONDS,
    OVERLAPS_UNTOLD,
    VIOLATION,
    Subscribed,
    failure,
    refusal,
)
from ewad.ingest.mqtt.settings import MqttSettings, Subscription, tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")
log = logging.getLogger("ewad.ingest.mqtt")

# Messages gather for so long. None in that time: a broker with a small window waits for acknowledgements.
PACE_SECONDS = 0.001
QOS_LOWERED = "subscribing at qos 1 instead of 2, at which a crash would lose messages here url=%s"


@dataclass(slots=True)
class ReceivedMessage:
    """One message as Consumer, Deliveries and EarlierFilters want it."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
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


class _Client(aiomqtt.Client):
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
            _see(self._disconnected)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        if self.violation is not None:
            return
        alias = getattr(message.properties, "TopicAlias", None)
        if alias is not None:
            self.violation = SourceError(VIOLATION % (ALIAS_FORBIDDEN % alias))
            self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Topic alias invalid"))
            return
        ids = getattr(message.properties, "SubscriptionIdentifier", None) or []
        facts = message.qos, message.mid, message.dup, ids
        received: Any = ReceivedMessage(message.topic, message.payload, message.retain, *facts)
        self._queue.put_nowait(received)

    def acknowledge(self, notes: Acknowledgements) -> None:
        """Send the acknowledgements."""
        for packet_id in (*notes.repeated, *(each & 0xFFFF for each in notes.pubacks)):
            self._client.ack(packet_id, 1)
        for packet_id in notes.pubcomps:
            self._client.ack(packet_id, 2)


class AiomqttSession:
    """A session through aiomqtt.

    Messages are acknowledged once the consumer has committed them, and those of QoS 1 that come again are
    recognised, as in Mqtt5Session. QoS 2 is asked for as QoS 1: paho, below aiomqtt, answers PUBREC before it
    hands a message on, so a crash would lose it. Only what a kept session of another configuration had
    queued still comes at QoS 2.
    MQTT 3.1.1 can't ask the broker to withhold stored messages: they
    come with retain=True, also for subscriptions that ignore them. Nor can it tell what a kept session
    delivers for filters of earlier configurations; with MQTT 5 that is dropped, as Mqtt5Session does it.
    """

    def __init__(
        self,
        settings: MqttSettings,
        consumer: Consumer,
        clock: Callable[[], float] = time.time,
        deliveries: Deliveries | None = None,
    ) -> None:
        if settings.qos == 2:
            log.info(QOS_LOWERED, settings.url)
            settings = replace(settings, qos=1)
        self.settings = settings
        self.consumer = consumer
        self.clock = clock
        self._deliveries = deliveries or Deliveries()
        self._notes = Acknowledgements()  # of what is uncommitted
        self._unstored = 0  # commits that have begun
        self._stored = asyncio.Event()  # there are none
        self._stored.set()
        self._connection: _Client | None = None
        self.bytes_received = 0  # of payloads: aiomqtt doesn't tell more
        self._tls = tls_context(settings)
        self._v5 = settings.version == "5"
        self._waiting = GatheringQueue()
        self._earlier = EarlierFilters(settings.subscriptions)
        self._overlaps = Overlaps(settings.subscriptions)

    async def receive(self, on_subscribed: Callable[[Subscribed], None]) -> None:
        """Hand messages on until the connection ends; see MqttSession."""
        await self._probe()
        try:
            async with self._connected() as client:
                on_subscribed(await self._subscribe(client))
                await self._hand_on(client)
        except (SourceError, asyncio.CancelledError):
            self._take_rest()  # what came during the disconnection
            raise

    async def _probe(self) -> None:
        """Connect, as far as a websocket's handshake, and hang up. Raises SourceError.

        aiomqtt connects in a thread that can't be cancelled and blocks until the peer speaks; the process
        couldn't end before. After a probe that thread meets a broker that answers, and failures read as they
        do for MQTT 5.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(
                    self.settings.host, self.settings.port, ssl=self._tls
                )
                try:
                    if self.settings.transport in ("ws", "wss"):
                        await self._probe_websocket(reader, writer)
                finally:
                    writer.transport.abort()
                    await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
        except (OSError, UnicodeError) as error:
            raise failure(error, self.settings) from error

    async def _probe_websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask for a websocket. Raises SourceError if the peer doesn't agree (RFC 6455, 4.1 and 4.2.2)."""
        request = (
            f"GET {self.settings.path or '/mqtt'} HTTP/1.1",
            f"Host: {self.settings.peer}",
            f"Origin: http{'s' if self.settings.encrypted else ''}://{self.settings.peer}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: mqtt",
        )
        writer.write("\r\n".join((*request, "", "")).encode())
        try:
            status = (await reader.readline()).decode("latin-1").strip()
        except ValueError as error:  # no end of the line within 64 KiB
            raise SourceError(f"the peer doesn't speak HTTP ({self.settings.peer})") from error
        if not re.match(r"HTTP/1\.1 101\b", status):
            answer = quoted(status) if status else "nothing"
            raise SourceError(f"no websocket there: it answered {answer} ({self.settings.peer})")

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[_Client]":
        """Yield a connected client; what paho and aiomqtt raise about the connection becomes SourceError."""
        client = self._client()
        entering = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            await asyncio.wait([entering], timeout=CLOSE_SECONDS)  # the thread ends by itself
            if entering.done() and not entering.cancelled() and entering.exception() is None:
                await self._disconnect(client)
            raise
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise self._failure(error) from error
        self._connection = client
        try:
            self._deliveries.connected(client.session_present, self._notes)
            if self._notes.session_lost:  # on record before anything of the new session is
                self._commit()
            yield client
        finally:
            self._connection = None
            await self._disconnect(client)

    async def _disconnect(self, client: aiomqtt.Client) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await _insisting(client.__aexit__(None, None, None))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            log.debug('disconnect failed url=%s reason="%s"', self.settings.url, error)

    def _client(self) -> _Client:
        settings, keeps_session = self.settings, self.settings.session_expiry_seconds > 0
        version: dict[str, Any] = {
            "protocol": aiomqtt.ProtocolVersion.V311,
            "clean_session": not keeps_session,
        }
        if self._v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = min(ceil(settings.session_expiry_seconds), 0xFFFFFFFF)
            properties.ReceiveMaximum = 65535
            version = {
                "protocol": aiomqtt.ProtocolVersion.V5,
                "clean_start": not keeps_session,
                "properties": properties,
            }
        websocket = settings.transport in ("ws", "wss")
        return _Client(
            settings.host,
            settings.port,
            identifier=settings.client_id,
            username=settings.username,
            password=settings.password,
            transport="websockets" if websocket else "tcp",
            websocket_path=(settings.path or "/mqtt") if websocket else None,
            keepalive=settings.keep_alive_seconds,
            timeout=CONNECT_SECONDS,
            tls_context=self._tls,
            queue_type=lambda maxsize: self._waiting,  # called like a type
            logger=logging.getLogger("ewad.ingest.mqtt.paho"),
            **version,
        )

    async def _subscribe(self, client: _Client) -> Subscribed:
        wanted = self.settings.subscriptions
        if self._overlaps and not (self._v5 and client.offers_subscription_ids):
            log.warning(OVERLAPS_UNTOLD, self.settings.url)
        try:
            if self._v5:
                answers: list[Any] = [await self._subscribe_identified(client, each) for each in wanted]
            else:
                topics: list[tuple[str, int]] = [(each.filter, self.settings.qos) for each in wanted]
                answers = list(await _insisting(client.subscribe(topics)))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise self._failure(error) from error
        self._take_rest()  # queued by the broker before
        self._earlier.subscribed()
        refused = []
        for subscription, answer in zip(wanted, answers, strict=False):
            code: Any = getattr(answer, "value", answer)  # of a ReasonCode (MQTT 5), or the number itself
            if code >= 0x80:
                refused.append(refusal(subscription.filter, str(answer).lower()))
            elif code < self.settings.qos:
                log.warning('lower qos granted filter="%s" qos=%d', subscription.filter, code)
        return Subscribed(client.session_present, tuple(refused), len(refused) == len(wanted))

    async def _subscribe_identified(self, client: "_Client", subscription: Subscription) -> Any:
        properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
        if client.offers_subscription_ids:
            properties.SubscriptionIdentifier = subscription_id(subscription.filter)
        options = self._options(subscription.retained)
        call = client.subscribe(subscription.filter, options=options, properties=properties)
        (answer,) = await _insisting(call)
        return answer

    def _options(self, retained: str) -> SubscribeOptions:
        handling = (
            SubscribeOptions.RETAIN_DO_NOT_SEND
            if retained == "ignore"
            else SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        )
        return SubscribeOptions(qos=self.settings.qos, retainAsPublished=False, retainHandling=handling)

    async def _hand_on(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        uncommitted = Uncommitted(self.settings.commit_interval_seconds)
        waiting = client.messages
        try:
            while True:
                await self._next(waiting)
                batch = self._waiting.take()
                self._consume(batch)
                uncommitted.add(len(batch), loop.time())
                await asyncio.sleep(PACE_SECONDS)
                if len(waiting) == 0 or uncommitted.due(loop.time()):
                    uncommitted.clear()
                    self._commit()
                    while self.consumer.busy:  # noqa: ASYNC110 (it works on in each turn of the loop)
                        await asyncio.sleep(0)
        except (SourceError, asyncio.CancelledError):
            self._take_rest()
            with suppress(TimeoutError):  # what isn't stored in time stays unacknowledged
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._stored.wait()
            raise

    def _take_rest(self) -> None:
        """Consume and commit what waits."""
        self._consume(self._waiting.take())
        self._commit()

    def _commit(self) -> None:
        """Commit; what has been committed is acknowledged once it is stored."""
        notes, self._notes = self._notes, Acknowledgements()
        self._unstored += 1
        self._stored.clear()
        self.consumer.commit(notes, partial(self._acknowledge, self._connection, notes))

    def _acknowledge(self, client: _Client | None, notes: Acknowledgements) -> None:
        self._unstored -= 1
        if client is not None and client is self._connection:
            client.acknowledge(notes)
        if not self._unstored:
            self._stored.set()

    async def _next(self, waiting: Any) -> None:
        """Wait until a message waits. Raises SourceError once the connection has ended."""
        try:
            await anext(waiting)
        except aiomqtt.MqttError as error:
            raise self._failure(error.__cause__ or error) from error

    def _consume(self, batch: list[ReceivedMessage]) -> None:
        """Note what is to be acknowledged; hand on what is wanted and wasn't taken before."""
        self.bytes_received += sum(len(message.payload) for message in batch)
        self._earlier.note(batch)
        messages = self._earlier.wanted([message for message in batch if self._is_new(message)])
        if overlaps := self._overlaps:
            messages = [m for m in messages if overlaps.counts(m.topic, m.retain, m.subscription_ids)]
        self.consumer.consume(messages, self.clock())

    def _is_new(self, message: ReceivedMessage) -> bool:
        if message.qos == 1:
            return not self._deliveries.take([message], self._notes)
        if message.qos == 2:
            self._notes.pubcomps.append(message.packet_id)
        return True

    def _failure(self, error: BaseException) -> SourceError:
        """Return the error as a sentence; reason codes read as those of MQTT 5 do."""
        if self._connection is not None and self._connection.violation is not None:
            return self._connection.violation
        code = getattr(error, "rc", None)
        if isinstance(code, ReasonCode):
            return SourceError(f"{str(code).lower()} ({self.settings.peer})")
        if isinstance(code, int):
            return SourceError(f"{error_string(code).rstrip('.').lower()} ({self.settings.peer})")
        return failure(error, self.settings)


async def _insisting(call: Coroutine[Any, Any, T]) -> T:
    """Return what a call of aiomqtt's returns, or be cancelled for sure.

    It waits by asyncio.wait_for, which in Python 3.11 loses a cancellation that comes with the answer.
    """
    task = asyncio.ensure_future(call)
    task.add_done_callback(_see)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    return task.result()


def _see(done: asyncio.Future[Any]) -> None:
    """Look at the future's exception: asyncio logs those that nobody has seen."""
    if not done.cancelled():
        done.exception()
