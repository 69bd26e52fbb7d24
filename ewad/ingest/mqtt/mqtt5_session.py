"""MQTT 5 over TCP or TLS, at the least CPU per message: large paced reads, whole buffers parsed at once."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

import mqtt5

from ewad.config.syntax import quoted
from ewad.errors import SourceError
from ewad.ingest.mqtt.consumer import Consumer, Uncommitted
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.earlier_filters import EarlierFilters
from ewad.ingest.mqtt.mqtt5_packets import (
    MAX_PACKET_BYTES,
    PUBACK,
    PUBCOMP,
    PUBREC,
    acknowledgements,
    connect,
    packet_size,
    subscribe,
)
from ewad.ingest.mqtt.overlaps import Overlaps
from ewad.ingest.mqtt.session import (
    ALIAS_FORBIDDEN,
    CLOSE_SECONDS,
    CONNECT_SECONDS,
    OVERLAPS_UNTOLD,
    VIOLATION,
    Subscribed,
    as_words,
    failure,
    refusal,
)
from ewad.ingest.mqtt.settings import MqttSettings, tls_context

log = logging.getLogger("ewad.ingest.mqtt")

READ_BYTES = 256 * 1024  # ~8,000 small messages, 10-20 ms of work: /metrics is answered between two reads
# A rest after each read gathers messages; without it a fast broker wakes the process per message (EWA + parse
# cost 2.7 us per message instead of 1.3).
QUIET_PACE_SECONDS = (
    0.010  # after small reads: at 10,000 messages/s a quarter of the CPU, invisible to a scrape
)
BUSY_PACE_SECONDS = 0.002  # after reads this large a wake-up's cost is spread enough, and the kernel's
BUSY_READ_BYTES = 64 * 1024  # receive buffer (128 KiB by default) mustn't fill during the rest
IDLE_SECONDS = 0.002  # no data for so long: the broker may be waiting for acknowledgements
# Messages that may wait for the disk: as many as a broker has in flight at most, so that at QoS 1 it never
# holds up the reading. At QoS 0 nothing else bounds them.
MAX_UNSTORED = 65535
REASON_CHARACTERS = 200  # of a broker's own words in a log line

PUBLISH = mqtt5.PublishPacket
AT_MOST_ONCE, EXACTLY_ONCE = mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.EXACTLY_ONCE
AT_LEAST_ONCE = mqtt5.QoS.AT_LEAST_ONCE
Reason = mqtt5.DisconnectReasonCode


class ProtocolError(SourceError):
    """The broker sent what MQTT 5 forbids; `reason` is what the DISCONNECT tells it."""

    def __init__(self, text: str, reason: mqtt5.DisconnectReasonCode = Reason.PROTOCOL_ERROR) -> None:
        super().__init__(VIOLATION % text)
        self.reason = reason


class Mqtt5Session:
    """An MQTT 5 session that acknowledges messages only after the consumer has committed them.

    Acknowledged and not handed on is what the broker sends again although it was taken before, as
    `deliveries` tells (any other DUP is handed on), and what only filters of earlier configurations brought.
    """

    def __init__(
        self,
        settings: MqttSettings,
        consumer: Consumer,
        clock: Callable[[], float] = time.time,
        deliveries: Deliveries | None = None,
    ) -> None:
        self.settings = settings
        self.consumer = consumer
        self.clock = clock
        self.bytes_received = 0
        self.earlier = EarlierFilters(settings.subscriptions)
        self.overlaps = Overlaps(settings.subscriptions)
        self.deliveries = deliveries or Deliveries()
        self._tls = tls_context(settings)

    async def receive(self, on_subscribed: Callable[[Subscribed], None]) -> None:
        """Hand messages on until the connection ends; see MqttSession."""
        connection = Connection(self)
        try:
            on_subscribed(await self._connect(connection))
            await connection.ended
        finally:
            await connection.close()

    async def _connect(self, connection: "Connection") -> Subscribed:
        loop = asyncio.get_running_loop()
        host, port = self.settings.host, self.settings.port
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: connection, host, port, ssl=self._tls)
                await asyncio.wait([connection.subscribed])
        except (OSError, UnicodeError) as error:
            raise failure(error, self.settings) from error
        return connection.subscribed.result()


class Connection(asyncio.BufferedProtocol):
    """One connection: bytes in, lists of messages to the consumer, acknowledgements out.

    Memory stays bounded because the consumer works inline: meanwhile the socket isn't read, TCP holds back
    the broker, and the broker queues by its own limits.
    """

    def __init__(self, session: Mqtt5Session) -> None:
        self._session = session
        self._settings = session.settings
        self._consumer = session.consumer
        self._loop = asyncio.get_running_loop()
        self.subscribed: asyncio.Future[Subscribed] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._over = False  # nothing more is taken
        self._parted = False  # DISCONNECT has been sent: nothing may follow it
        self._lost = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._view = memoryview(bytearray(READ_BYTES))
        self._filled = 0  # bytes of the view that hold data: always the start of one incomplete packet
        self._accepted = False
        self._session_present = False
        self._granted: dict[int, mqtt5.SubAckPacket] = {}  # by the packet id of their SUBSCRIBE: 1, 2, ...
        self._uncommitted = Uncommitted(self._settings.commit_interval_seconds)
        self._deliveries = session.deliveries
        self._notes = Acknowledgements()  # of what is uncommitted
        self._unstored = 0  # messages whose commit has begun
        self._stored = asyncio.Event()  # there are none
        self._stored.set()
        self._last_sent = self._last_received = self._loop.time()
        self._keep_alive_seconds = self._settings.keep_alive_seconds
        self._resume_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._keep_alive_timer: asyncio.TimerHandle | None = None

    # ---- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the MQTT connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (tells the type checker)
        self._transport = transport
        self._send(connect(self._settings))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take all whole packets that have come, then rest."""
        self._session.bytes_received += nbytes
        if self._over:
            return
        self._last_received = self._loop.time()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        try:
            self._take(nbytes)
        except Exception as error:  # `ended` carries it, whoever raised it
            self._end(error)
        else:
            self._rest(nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep what has been taken; the broker sends again what wasn't acknowledged."""
        self._lost.set()
        self._end(failure(exc, self._settings) if exc else SourceError("the broker closed the connection"))

    # ---- reading

    def _take(self, nbytes: int) -> None:
        """Parse what has come, hand the messages on, commit and acknowledge if it is time."""
        end = self._filled + nbytes
        used = self._parse(end)
        self._keep_rest(used, end)
        if self._uncommitted.due(self._last_received):
            self._commit()

    def _parse(self, end: int) -> int:
        """Handle all whole packets of the first `end` bytes; return how many bytes they take."""
        view, read, start = self._view[:end], mqtt5.read, 0
        violation: SourceError | None = None
        messages: list[mqtt5.PublishPacket] = []
        while True:
            try:
                packet, size = read(view[start:])
            except IndexError:  # not enough bytes
                break
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # a panic of the codec is not an Exception
                violation = self._malformed(error, view[start:])
                break
            start += size
            if type(packet) is PUBLISH:
                if (alias := packet.topic_alias) is not None:
                    violation = ProtocolError(ALIAS_FORBIDDEN % alias, Reason.TOPIC_ALIAS_INVALID)
                    break
                messages.append(packet)
                continue
            if messages:  # keep the order: PUBREL of an id, then a new message under the same id
                self._deliver(messages)
                messages = []
            self._dispatch(packet)
        if messages:
            self._deliver(messages)
        if violation is not None:
            raise violation
        return start

    def _malformed(self, error: BaseException, rest: memoryview) -> SourceError:
        """Return what a packet that can't be parsed means."""
        if not self._accepted and bytes(rest[:2]) == b"\x20\x02":  # CONNACK as MQTT 3.1.1 has it
            return self._refused("unsupported protocol version")
        text = str(error) if isinstance(error, ValueError) else "text that is not UTF-8"
        return ProtocolError(f"malformed packet: {text}", Reason.MALFORMED_PACKET)

    def _keep_rest(self, used: int, end: int) -> None:
        """Move the incomplete packet to the front of a buffer that has room for the whole of it."""
        rest = self._view[used:end]
        size = packet_size(rest) or 0
        if 0 < size <= len(rest):  # whole, and yet the codec wants more
            raise ProtocolError(
                "malformed packet: a field is longer than its packet", Reason.MALFORMED_PACKET
            )
        if size > MAX_PACKET_BYTES:
            text = f"a packet of {size} bytes, more than the {MAX_PACKET_BYTES} announced"
            raise ProtocolError(text, Reason.PACKET_TOO_LARGE)
        capacity = max(READ_BYTES, size)
        view = self._view if len(self._view) == capacity else memoryview(bytearray(capacity))
        view[: len(rest)] = rest
        self._view, self._filled = view, len(rest)

    def _rest(self, nbytes: int) -> None:
        """Let the next bytes gather before they are read."""
        busy = min(nbytes / BUSY_READ_BYTES, 1.0)
        pace = QUIET_PACE_SECONDS + busy * (BUSY_PACE_SECONDS - QUIET_PACE_SECONDS)
        self._open_transport.pause_reading()
        self._resume_timer = self._loop.call_later(pace, self._resume)

    def _resume(self) -> None:
        try:
            held_up = self._consumer.busy or self._unstored > MAX_UNSTORED
        except Exception as error:  # `ended` carries it
            self._end(error)
            return
        if held_up:
            self._last_received = self._loop.time()  # the silence is ours
            self._resume_timer = self._loop.call_later(BUSY_PACE_SECONDS, self._resume)
            return
        self._open_transport.resume_reading()
        if self._uncommitted.messages:
            self._idle_timer = self._loop.call_later(IDLE_SECONDS, self._on_idle)

    def _on_idle(self) -> None:
        try:
            self._commit()
        except Exception as error:  # `ended` carries it
            self._end(error)

    # ---- messages and their acknowledgement

    def _deliver(self, messages: list[mqtt5.PublishPacket]) -> None:
        """Hand messages to the consumer and note which acknowledgements they need."""
        if not self._accepted:
            raise ProtocolError("PUBLISH before CONNACK")
        self._uncommitted.add(len(messages), self._last_received)
        if self._session_present:  # it may hold messages of a higher QoS and for other filters
            # A codec's list per message: 0.1 us, which sessions without a past are spared.
            self._session.earlier.note(messages)
            messages = self._session.earlier.wanted(self._noted(messages))
        elif self._settings.qos > 0:
            messages = self._noted(messages)
        if overlaps := self._session.overlaps:
            messages = [m for m in messages if overlaps.counts(m.topic, m.retain, m.subscription_ids)]
        self._consumer.consume(messages, self._session.clock())

    def _noted(self, messages: list[mqtt5.PublishPacket]) -> list[mqtt5.PublishPacket]:
        """Note what is to be acknowledged; return the messages without those that were taken before."""
        levels = [message.qos for message in messages]
        if levels.count(AT_LEAST_ONCE) < len(levels):
            if levels.count(AT_MOST_ONCE) == len(levels):
                return messages
            return [message for message in messages if self._is_new(message)]
        known = self._deliveries.take(messages, self._notes)
        return messages[known:] if known else messages

    def _is_new(self, message: mqtt5.PublishPacket) -> bool:
        """Note one message of any QoS; return False if it was taken before."""
        if message.qos == AT_MOST_ONCE:
            return True
        if message.qos == EXACTLY_ONCE:
            return self._deliveries.take_once(message, self._notes)
        return not self._deliveries.take([message], self._notes)

    def _commit(self) -> None:
        """Commit; what has been committed is acknowledged once it is stored."""
        if not self._uncommitted.messages:
            return
        notes, self._notes = self._notes, Acknowledgements()
        number = self._uncommitted.clear()
        self._unstored += number
        self._stored.clear()
        self._consumer.commit(notes, partial(self._acknowledge, notes, number))

    def _acknowledge(self, notes: Acknowledgements, number: int) -> None:
        """Acknowledge what is stored: the only place that sends PUBACK, PUBREC and PUBCOMP."""
        self._unstored -= number
        if not self._parted:
            pubacks = [*notes.repeated, *(each & 0xFFFF for each in notes.pubacks)]
            self._send(
                acknowledgements(PUBACK, pubacks)
                + acknowledgements(PUBCOMP, notes.pubcomps)
                + acknowledgements(PUBREC, [each & 0xFFFF for each in notes.pubrecs])
            )
        if not self._unstored:
            self._stored.set()

    # ---- control packets

    def _dispatch(self, packet: mqtt5.Packet) -> None:
        if not self._accepted and not isinstance(packet, mqtt5.ConnAckPacket | mqtt5.DisconnectPacket):
            raise ProtocolError(f"{type(packet).__name__} before CONNACK")
        match packet:
            case mqtt5.PubRelPacket():
                self._deliveries.release(packet.packet_id, self._notes)
                self._uncommitted.add(1, self._last_received)
            case mqtt5.PingRespPacket():
                pass
            case mqtt5.ConnAckPacket() if not self._accepted:
                self._on_connack(packet)
            case mqtt5.SubAckPacket() if not self.subscribed.done():
                self._on_suback(packet)
            case mqtt5.DisconnectPacket():
                raise SourceError(
                    f"the broker disconnected: {_reason(packet.reason_code.name, packet.reason_str)}"
                )
            case _:
                raise ProtocolError(f"unexpected {type(packet).__name__}")

    def _on_connack(self, connack: mqtt5.ConnAckPacket) -> None:
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            raise self._refused(_reason(connack.reason_code.name, connack.reason_str))
        self._accepted = True
        self._session_present = connack.session_present
        self._deliveries.connected(connack.session_present, self._notes)
        if self._notes.session_lost:  # on record before anything of the new session is
            self._uncommitted.add(1, self._last_received)
            self._commit()
        if connack.server_keep_alive is not None:
            self._keep_alive_seconds = connack.server_keep_alive
        self._keep_alive()
        qos, identified = self._settings.qos, connack.subscription_id_available
        if self._session.overlaps and not identified:
            log.warning(OVERLAPS_UNTOLD, self._settings.url)
        for packet_id, subscription in enumerate(self._settings.subscriptions, start=1):
            self._send(subscribe(packet_id, subscription, qos, identified=identified))

    def _refused(self, reason: str) -> SourceError:
        hint = ': set mqtt.version = "3.1.1"' if reason.startswith("unsupported protocol version") else ""
        return SourceError(f"{reason}{hint} ({self._settings.peer})")

    def _on_suback(self, suback: mqtt5.SubAckPacket) -> None:
        subscriptions, packet_id = self._settings.subscriptions, suback.packet_id
        expected = 1 <= packet_id <= len(subscriptions) and packet_id not in self._granted
        if not expected or len(suback.reason_codes) != 1:
            raise ProtocolError("SUBACK that doesn't answer a SUBSCRIBE")
        self._granted[packet_id] = suback
        if len(self._granted) < len(subscriptions):
            return
        refused = []
        for packet_id, subscription in enumerate(subscriptions, start=1):
            (code,) = self._granted[packet_id].reason_codes
            if int(code) >= 0x80:  # failures, MQTT 5, 3.9.3
                reason = _reason(code.name, self._granted[packet_id].reason_str)
                refused.append(refusal(subscription.filter, reason))
            elif int(code) < self._settings.qos:
                log.warning('lower qos granted filter="%s" qos=%d', subscription.filter, int(code))
        self._session.earlier.subscribed()
        all_refused = len(refused) == len(subscriptions)
        self.subscribed.set_result(Subscribed(self._session_present, tuple(refused), all_refused))

    def _keep_alive(self) -> None:
        """Ping before the keep-alive ends; end the connection if nothing came for one and a half of it."""
        seconds, now = self._keep_alive_seconds, self._loop.time()
        if seconds == 0:  # the broker wants none
            return
        received, sent = now - self._last_received, now - self._last_sent
        if received >= 1.5 * seconds:
            self._end(
                SourceError(f"nothing received for {received:.0f} s, half-open ({self._settings.peer})")
            )
            return
        if max(received, sent) >= 0.75 * seconds:
            self._send(mqtt5.PingReqPacket().write())
        self._keep_alive_timer = self._loop.call_later(seconds / 4, self._keep_alive)

    # ---- writing and the end

    @property
    def _open_transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 (asyncio calls connection_made first)
        return self._transport

    def _send(self, data: bytes) -> None:
        if data and not self._lost.is_set():
            self._open_transport.write(data)
            self._last_sent = self._loop.time()

    def _end(self, error: Exception) -> None:
        """Take nothing more; let `ended` carry the error. The consumer's faults leave all unacknowledged."""
        if self._over:
            return
        self._over = True
        self._cancel_timers()
        if isinstance(error, SourceError):
            try:
                self._commit()
            except Exception as fault:  # `ended` carries it
                error = fault
        self._say_goodbye(error)
        for future in (self.subscribed, self.ended):
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: only one of the two is awaited

    def _say_goodbye(self, error: Exception) -> None:
        if not self._accepted or type(error) is SourceError:  # not connected, or the broker ended it
            return
        reason = error.reason if isinstance(error, ProtocolError) else Reason.IMPLEMENTATION_SPECIFIC_ERROR
        self._part(reason)

    def _part(self, reason: mqtt5.DisconnectReasonCode) -> None:
        self._send(mqtt5.DisconnectPacket(reason_code=reason).write())
        self._parted = True

    async def close(self) -> None:
        """Commit, acknowledge and disconnect if that hasn't happened; free the socket in any case.

        What isn't stored in time stays unacknowledged.
        """
        if self._transport is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._finish()
                if self._accepted:
                    # Read on until the broker closes: a close with unread bytes resets the connection, and
                    # the broker might never see the last acknowledgements.
                    self._transport.resume_reading()
                    await self._lost.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()
            await self._lost.wait()

    async def _finish(self) -> None:
        if self._over:
            return
        self._cancel_timers()
        self._over = True
        self._commit()
        await self._stored.wait()
        if self._accepted:
            self._part(Reason.NORMAL_DISCONNECTION)

    def _cancel_timers(self) -> None:
        for timer in (self._resume_timer, self._idle_timer, self._keep_alive_timer):
            if timer is not None:
                timer.cancel()


def _reason(name: str, text: str | None) -> str:
    """Return a reason code in words, with what the broker adds to it, in one line of bounded length."""
    return f"{as_words(name)}: {quoted(text, REASON_CHARACTERS)}" if text else as_words(name)
