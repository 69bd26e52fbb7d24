"""MQTT 3.1.1, and MQTT 5 over websockets, on aiomqtt: slower, for brokers that offer nothing else."""

import asyncio
import base64
import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.client import error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ewad.config.syntax import quoted
from ewad.errors import SourceError
from ewad.ingest.mqtt.aiomqtt_client import Client, GatheringQueue, insisting
from ewad.ingest.mqtt.consumer import Consumer
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.ingest.mqtt.ledger import AT_MOST_ONCE, EXACTLY_ONCE, Ledger
from ewad.ingest.mqtt.mqtt5_packets import RECEIVE_MAXIMUM, subscription_id
from ewad.ingest.mqtt.pacing import HeldUp
from ewad.ingest.mqtt.session import (
    CLOSE_SECONDS,
    CONNECT_SECONDS,
    OVERLAPS_UNTOLD,
    Subscribed,
    failure,
    refusal,
)
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription, tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger("ewad.ingest.mqtt")

# Messages gather for so long. None in that time: a broker with a small window waits for acknowledgements.
PACE_SECONDS = 0.001
QOS_LOWERED = "subscribing at qos 1 instead of 2, at which a crash would lose messages here url=%s"


class AiomqttSession:
    """A session through aiomqtt.

    Messages go to the ledger, as in Mqtt5Session. QoS 2 is asked for as QoS 1: paho, below aiomqtt, answers
    PUBREC before it hands a message on, so a crash would lose it. Only what a kept session of another
    configuration had queued still comes at QoS 2.
    MQTT 3.1.1 can't ask the broker to withhold stored messages: they come with retain=True, also for
    subscriptions that ignore them. Nor can it tell what a kept session delivers for filters of earlier
    configurations; with MQTT 5 that is dropped, as Mqtt5Session does it.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        consumer: Consumer,
        clock: Callable[[], float] = time.time,
        deliveries: Deliveries | None = None,
    ) -> None:
        if settings.qos == 2:
            log.info(QOS_LOWERED, settings.url)
            settings = replace(settings, qos=1)
        self.settings = settings
        self.consumer = consumer
        self._ledger = Ledger(settings, consumer, clock, deliveries or Deliveries())
        self._connection: Client | None = None
        self.held_up = HeldUp(settings.url)
        self.bytes_received = 0  # of payloads: aiomqtt doesn't tell more
        self._tls = tls_context(settings)
        self._v5 = settings.version == "5"
        self._waiting = GatheringQueue()

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
    async def _connected(self) -> "AsyncIterator[Client]":
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
            self._ledger.connected(client.session_present, client.acknowledge, _now())
            yield client
        finally:
            self._ledger.disconnected()
            self._connection = None
            await self._disconnect(client)

    async def _disconnect(self, client: aiomqtt.Client) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await insisting(client.__aexit__(None, None, None))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            log.debug('disconnect failed url=%s reason="%s"', self.settings.url, error)

    def _client(self) -> Client:
        settings, keeps_session = self.settings, self.settings.session_expiry_seconds > 0
        version: dict[str, Any] = {
            "protocol": aiomqtt.ProtocolVersion.V311,
            "clean_session": not keeps_session,
        }
        if self._v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = min(ceil(settings.session_expiry_seconds), 0xFFFFFFFF)
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            version = {
                "protocol": aiomqtt.ProtocolVersion.V5,
                "clean_start": not keeps_session,
                "properties": properties,
            }
        websocket = settings.transport in ("ws", "wss")
        return Client(
            settings.host,
            settings.port,
            identifier=settings.client_id,
            username=settings.username,
            password=settings.password and settings.password.reveal(),
            transport="websockets" if websocket else "tcp",
            websocket_path=(settings.path or "/mqtt") if websocket else None,
            keepalive=settings.keep_alive_seconds,
            timeout=CONNECT_SECONDS,
            tls_context=self._tls,
            queue_type=lambda maxsize: self._waiting,  # called like a type
            logger=logging.getLogger("ewad.ingest.mqtt.paho"),
            **version,
        )

    async def _subscribe(self, client: Client) -> Subscribed:
        wanted = self.settings.subscriptions
        if self._ledger.overlaps and not (self._v5 and client.offers_subscription_ids):
            log.warning(OVERLAPS_UNTOLD, self.settings.url)
        try:
            if self._v5:
                answers: list[Any] = [await self._subscribe_identified(client, each) for each in wanted]
            else:
                topics: list[tuple[str, int]] = [(each.filter, self.settings.qos) for each in wanted]
                answers = list(await insisting(client.subscribe(topics)))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise self._failure(error) from error
        self._take_rest()  # queued by the broker before
        self._ledger.earlier.subscribed()
        refused = []
        for subscription, answer in zip(wanted, answers, strict=False):
            code: Any = getattr(answer, "value", answer)  # of a ReasonCode (MQTT 5), or the number itself
            if code >= 0x80:
                refused.append(refusal(subscription.filter, str(answer).lower()))
            elif code < self.settings.qos:
                log.warning('lower qos granted filter="%s" qos=%d', subscription.filter, code)
        return Subscribed(client.session_present, tuple(refused), len(refused) == len(wanted))

    async def _subscribe_identified(self, client: Client, subscription: Subscription) -> Any:
        properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
        if client.offers_subscription_ids:
            properties.SubscriptionIdentifier = subscription_id(subscription.filter)
        options = self._options(subscription.retained)
        call = client.subscribe(subscription.filter, options=options, properties=properties)
        (answer,) = await insisting(call)
        return answer

    def _options(self, retained: str) -> SubscribeOptions:
        handling = (
            SubscribeOptions.RETAIN_DO_NOT_SEND
            if retained == "ignore"
            else SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        )
        return SubscribeOptions(qos=self.settings.qos, retainAsPublished=False, retainHandling=handling)

    async def _hand_on(self, client: aiomqtt.Client) -> None:
        waiting = client.messages
        try:
            while True:
                await self._next(waiting)
                self._take()
                await asyncio.sleep(PACE_SECONDS)
                if len(waiting) == 0:
                    self._ledger.commit()
                else:
                    self._ledger.commit_if_due(_now())
                while self.consumer.busy:
                    self.held_up.note(True, _now())
                    await asyncio.sleep(0)
                self.held_up.note(False, _now())
        except (SourceError, asyncio.CancelledError):
            self._take_rest()
            with suppress(TimeoutError):  # what isn't stored in time stays unacknowledged
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._ledger.stored.wait()
            raise

    def _take(self) -> None:
        """Take what waits, in its order."""
        batch = self._waiting.take()
        self.bytes_received += sum(len(message.payload) for message in batch)
        for message in batch:
            if (
                message.qos == EXACTLY_ONCE
            ):  # of an earlier configuration; paho has answered PUBREC and had PUBREL
                self._ledger.release(message.packet_id, _now())
                message.qos = AT_MOST_ONCE  # no further answer
        if batch:
            self._ledger.take(batch, _now())

    def _take_rest(self) -> None:
        """Take and commit what waits."""
        self._take()
        self._ledger.commit()

    async def _next(self, waiting: Any) -> None:
        """Wait until a message waits. Raises SourceError once the connection has ended."""
        try:
            await anext(waiting)
        except aiomqtt.MqttError as error:
            raise self._failure(error.__cause__ or error) from error

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


def _now() -> float:
    return asyncio.get_running_loop().time()
