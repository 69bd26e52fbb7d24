"""MQTT 3.1.1, and MQTT 5 over websockets, on aiomqtt: slower, for brokers that offer nothing else."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.client import error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ewad.errors import SourceError
from ewad.ingest.consumer import Consumer, Uncommitted
from ewad.ingest.mqtt_session import CLOSE_SECONDS, CONNECT_SECONDS, Subscribed, failure, refusal
from ewad.ingest.mqtt_settings import MqttSettings, tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger("ewad.ingest.mqtt")

PACE_SECONDS = 0.005  # messages gather for so long: spreads aiomqtt's 30 us per hand-over


@dataclass(slots=True)
class ReceivedMessage:
    """One message as Consumer wants it."""

    topic: str
    payload: bytes
    retain: bool


if TYPE_CHECKING:
    _Queue = asyncio.Queue[Any]
else:
    _Queue = asyncio.Queue


class GatheringQueue(_Queue):
    """A queue whose get returns all items at once, as a list (through asyncio.Queue's hook for subclasses).

    It has no limit because a full queue would make aiomqtt drop messages. It stays short by itself: it is
    filled in the event loop, packet by packet, and emptied every PACE_SECONDS; while the consumer works,
    nothing is read and TCP holds back the broker.
    """

    _queue: Any

    def _get(self) -> list[aiomqtt.Message]:
        items = list(self._queue)
        self._queue.clear()
        return items


class AiomqttSession:
    """A session through aiomqtt.

    paho, below aiomqtt, acknowledges a message as soon as it is queued here, before the consumer commits it:
    what a crash finds in the few milliseconds between is lost, even at QoS 1 and 2. MQTT 5 over TCP or TLS
    has no such gap. MQTT 3.1.1 can't ask the broker to withhold stored messages: they come with retain=True,
    also for subscriptions that ignore them.
    """

    def __init__(
        self, settings: MqttSettings, consumer: Consumer, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self.consumer = consumer
        self.clock = clock
        self.bytes_received = 0  # of payloads: aiomqtt doesn't tell more
        self._tls = tls_context(settings)
        self._v5 = settings.version == "5"

    async def receive(self, on_subscribed: Callable[[Subscribed], None]) -> None:
        """Hand messages on until the connection ends; see MqttSession."""
        await self._probe()
        async with self._connected() as client:
            on_subscribed(await self._subscribe(client))
            await self._hand_on(client)

    async def _probe(self) -> None:
        """Connect and hang up. Raises SourceError.

        aiomqtt connects in a thread that can't be cancelled and may block for the whole keep-alive; after a
        probe that thread meets a broker that answers, and failures read as they do for MQTT 5.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(
                    self.settings.host, self.settings.port, ssl=self._tls
                )
                writer.transport.abort()
                await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
        except OSError as error:
            raise failure(error, self.settings) from error

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[aiomqtt.Client]":
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
        try:
            yield client
        finally:
            await self._disconnect(client)

    async def _disconnect(self, client: aiomqtt.Client) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            log.debug('disconnect failed url=%s reason="%s"', self.settings.url, error)

    def _client(self) -> aiomqtt.Client:
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
        return aiomqtt.Client(
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
            queue_type=GatheringQueue,
            logger=logging.getLogger("ewad.ingest.mqtt.paho"),
            **version,
        )

    async def _subscribe(self, client: aiomqtt.Client) -> Subscribed:
        wanted = self.settings.subscriptions
        topics = [(s.filter, self._options(s.retained) if self._v5 else self.settings.qos) for s in wanted]
        try:
            answers = await client.subscribe(topics)  # type: ignore[arg-type]  # one of two kinds of pairs
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise self._failure(error) from error
        refused = []
        for subscription, answer in zip(wanted, answers, strict=False):
            code: Any = getattr(answer, "value", answer)  # of a ReasonCode (MQTT 5), or the number itself
            if code >= 0x80:
                refused.append(refusal(subscription.filter, str(answer).lower()))
            elif code < self.settings.qos:
                log.warning('lower qos granted filter="%s" qos=%d', subscription.filter, code)
        return Subscribed(None, tuple(refused), len(refused) == len(wanted))

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
                batch: Any = await self._next(waiting)  # a list, by GatheringQueue
                self._consume(batch)
                uncommitted.add(len(batch), loop.time())
                await asyncio.sleep(PACE_SECONDS)
                if len(waiting) == 0 or uncommitted.due(loop.time()):
                    self.consumer.commit()
                    uncommitted.clear()
        except (SourceError, asyncio.CancelledError):
            self.consumer.commit()
            raise

    async def _next(self, waiting: Any) -> Any:
        try:
            return await anext(waiting)
        except aiomqtt.MqttError as error:
            raise self._failure(error.__cause__ or error) from error

    def _consume(self, batch: Iterable[aiomqtt.Message]) -> None:
        messages = [ReceivedMessage(str(m.topic), m.payload, m.retain) for m in batch]
        self.bytes_received += sum(len(message.payload) for message in messages)
        self.consumer.consume(messages, self.clock())

    def _failure(self, error: BaseException) -> SourceError:
        """Return the error as a sentence; reason codes read as those of MQTT 5 do."""
        code = getattr(error, "rc", None)
        if isinstance(code, ReasonCode):
            return SourceError(f"{str(code).lower()} ({self.settings.peer})")
        if isinstance(code, int):
            return SourceError(f"{error_string(code).rstrip('.').lower()} ({self.settings.peer})")
        return failure(error, self.settings)
