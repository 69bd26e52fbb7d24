"""One MQTT 5 connection without I/O: bytes in, messages to the ledger, bytes and events out; time is told.

                CONNACK                 SUBACK for each SUBSCRIBE
    CONNECTING ---------> SUBSCRIBING ---------------------------> RECEIVING
        |                     |                                        |
        +---------------------+-----> OVER <---------------------------+

A state takes the packets that TAKEN lists for it; any other one is a violation. The connection is over at a
violation, at the broker's DISCONNECT, when it is lost, when the consumer fails, or when it is told to finish.
Messages come from CONNACK on: a kept session has some before it is subscribed anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import mqtt5
import numpy as np
from numpy.typing import NDArray

from ewad.config.syntax import quoted
from ewad.errors import SourceError
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.mqtt.keep_alive import KeepAlive
from ewad.ingest.mqtt.ledger import Ledger
from ewad.ingest.mqtt.mqtt5_buffer import PacketBuffer, ProtocolError, Reason
from ewad.ingest.mqtt.mqtt5_packets import PUBACK, PUBCOMP, PUBREC, acknowledgements, connect, subscribe
from ewad.ingest.mqtt.session import OLDER_BROKER, OVERLAPS_UNTOLD, Subscribed, as_words, refusal
from ewad.ingest.mqtt.settings import ConnectionSettings
from ewad.ingest.plain import Plain

log = logging.getLogger("ewad.ingest.mqtt")

REASON_CHARACTERS = 200  # of a broker's own words in a log line
CONNACK_3_1_1 = b"\x20\x02"  # how it begins; in MQTT 5 it has three bytes or more


class ConnectionState(Enum):
    """Where a connection stands."""

    CONNECTING = auto()
    SUBSCRIBING = auto()
    RECEIVING = auto()
    OVER = auto()


@dataclass(frozen=True)
class Accepted:
    """The broker has accepted the connection."""


@dataclass(frozen=True)
class Ended:
    """The connection is over: nothing more is taken."""

    error: Exception


Event = Accepted | Subscribed | Ended


class Mqtt5Core:
    """One connection. Bytes to read go to `buffer.free`; then tell `received` how many they are.

    send: takes bytes for the broker, in order.  tell: takes events.  All times are seconds of one monotonic
    clock.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        ledger: Ledger,
        send: Callable[[bytes], None],
        tell: Callable[[Event], None],
    ) -> None:
        self.state = ConnectionState.CONNECTING
        self.accepted = False
        self.buffer = PacketBuffer()
        self._settings = settings
        self._ledger = ledger
        self._put = send
        self._tell = tell
        self._session_present = False
        self._granted: dict[int, mqtt5.SubAckPacket] = {}  # by the packet id of their SUBSCRIBE: 1, 2, ...
        self._silence = KeepAlive(settings.keep_alive_seconds)
        self._now = 0.0

    # ---- what happens to it

    def open(self, now: float) -> None:
        """Begin, once there is a connection to send on."""
        self._now = self._silence.last_received = now
        self._send(connect(self._settings))

    def received(self, nbytes: int, now: float) -> None:
        """Take all packets that are whole with the nbytes that were written to the buffer."""
        if self.state is ConnectionState.OVER:
            return
        self._now = self._silence.last_received = now
        try:
            for packets in self.buffer.packets(nbytes, self._plain):
                if isinstance(packets, list):
                    self._deliver(packets)
                elif isinstance(packets, Plain):
                    self._ledger.take_plain(packets, now)
                else:
                    self._dispatch(packets)
            self._ledger.commit_if_due(now)
        except Exception as error:  # Ended carries it, whoever raised it
            self.end(self._explained(error))

    def commit(self, now: float) -> None:
        """Commit what waits."""
        self._now = now
        try:
            self._ledger.commit()
        except Exception as error:  # Ended carries it
            self.end(error)

    def not_reading(self, now: float) -> None:
        """Note that the silence is ours: nothing is being read."""
        self._silence.last_received = now

    def keep_alive(self, now: float) -> float | None:
        """Ping before the keep-alive ends; end the connection if nothing came for one and a half of it.

        Return after how many seconds to call this again, None for never.
        """
        if self.state is ConnectionState.OVER:
            return None
        self._now = now
        try:
            return self._silence.look(now, self._settings.peer, self._send)
        except SourceError as error:  # Ended carries it
            self.end(error)
            return None

    def end(self, error: Exception) -> None:
        """Take nothing more and tell why. The consumer's faults leave all unacknowledged."""
        if self.state is ConnectionState.OVER:
            return
        self.state = ConnectionState.OVER
        if isinstance(error, SourceError):
            try:
                self._ledger.commit()
            except Exception as fault:  # Ended carries it
                error = fault
        if isinstance(error, ProtocolError):
            self.part(error.reason)
        elif not isinstance(error, SourceError):
            self.part(Reason.IMPLEMENTATION_SPECIFIC_ERROR)
        self._ledger.disconnected()
        self._tell(Ended(error))

    def finish(self) -> None:
        """Take nothing more and commit; what is stored is acknowledged until `part`."""
        self.state = ConnectionState.OVER
        self._ledger.commit()

    def part(self, reason: mqtt5.DisconnectReasonCode = Reason.NORMAL_DISCONNECTION) -> None:
        """Disconnect: nothing may follow."""
        if self.accepted:
            self._send(mqtt5.DisconnectPacket(reason_code=reason).write())
        self._ledger.disconnected()

    # ---- messages and their acknowledgement

    def _deliver(self, messages: list[mqtt5.PublishPacket]) -> None:
        if self.state is ConnectionState.CONNECTING:
            raise ProtocolError("PUBLISH before CONNACK")
        self._ledger.take(messages, self._now)

    def _plain(self, data: NDArray[np.uint8], start: int, end: int) -> tuple[Plain, int] | None:
        return None if self.state is ConnectionState.CONNECTING else self._ledger.plain(data, start, end)

    def _acknowledge(self, pending: Acknowledgements) -> None:
        kinds = (
            (PUBACK, pending.repeated),
            (PUBACK, pending.pubacks),
            (PUBCOMP, pending.pubcomps),
            (PUBREC, pending.pubrecs),
        )
        if data := b"".join(acknowledgements(first_byte, tags) for first_byte, tags in kinds if tags):
            self._send(data)

    def _send(self, data: bytes) -> None:
        self._silence.last_sent = self._now
        self._put(data)

    # ---- control packets

    def _dispatch(self, packet: mqtt5.Packet) -> None:
        handle = TAKEN[self.state].get(type(packet))
        if handle is None:
            name = type(packet).__name__
            early = self.state is ConnectionState.CONNECTING
            raise ProtocolError(f"{name} before CONNACK" if early else f"unexpected {name}")
        handle(self, packet)

    def _on_connack(self, connack: mqtt5.ConnAckPacket) -> None:
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            raise self._refused(reason_of(connack.reason_code.name, connack.reason_str))
        self.state, self.accepted = ConnectionState.SUBSCRIBING, True
        self._session_present = connack.session_present
        self._ledger.connected(connack.session_present, self._acknowledge, self._now)
        if connack.server_keep_alive is not None:
            self._silence.seconds = connack.server_keep_alive
        self._tell(Accepted())
        self._subscribe(identified=connack.subscription_id_available)

    def _subscribe(self, *, identified: bool) -> None:
        if self._ledger.overlaps and not identified:
            log.warning(OVERLAPS_UNTOLD, self._settings.url)
        for packet_id, subscription in enumerate(self._settings.subscriptions, start=1):
            self._send(subscribe(packet_id, subscription, self._settings.qos, identified=identified))

    def _on_suback(self, suback: mqtt5.SubAckPacket) -> None:
        subscriptions, packet_id = self._settings.subscriptions, suback.packet_id
        expected = 1 <= packet_id <= len(subscriptions) and packet_id not in self._granted
        if not expected or len(suback.reason_codes) != 1:
            raise ProtocolError("SUBACK that doesn't answer a SUBSCRIBE")
        self._granted[packet_id] = suback
        if len(self._granted) == len(subscriptions):
            self._on_all_subacks()

    def _on_all_subacks(self) -> None:
        refused = []
        for packet_id, subscription in enumerate(self._settings.subscriptions, start=1):
            (code,) = self._granted[packet_id].reason_codes
            if int(code) >= 0x80:  # failures, MQTT 5, 3.9.3
                reason = reason_of(code.name, self._granted[packet_id].reason_str)
                refused.append(refusal(subscription.filter, reason))
            elif int(code) < self._settings.qos:
                log.warning('lower qos granted filter="%s" qos=%d', subscription.filter, int(code))
        self.state = ConnectionState.RECEIVING
        self._ledger.earlier.subscribed()
        all_refused = len(refused) == len(self._granted)
        self._tell(Subscribed(self._session_present, tuple(refused), all_refused))

    def _on_pubrel(self, pubrel: mqtt5.PubRelPacket) -> None:
        self._ledger.release(pubrel.packet_id, self._now)

    def _on_pingresp(self, _: mqtt5.PingRespPacket) -> None:
        """Nothing to do: that bytes came has been noted."""

    def _on_disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        reason = reason_of(packet.reason_code.name, packet.reason_str)
        raise SourceError(f"the broker disconnected: {reason}")

    def _explained(self, error: Exception) -> Exception:
        """Return what an error means: an earlier version's CONNACK is no MQTT 5 packet."""
        malformed = isinstance(error, ProtocolError) and error.data == CONNACK_3_1_1
        return self._refused("unsupported protocol version") if malformed and not self.accepted else error

    def _refused(self, reason: str) -> SourceError:
        hint = f": {OLDER_BROKER}" if reason.startswith("unsupported protocol version") else ""
        return SourceError(f"{reason}{hint} ({self._settings.peer})")


Handler = Callable[[Mqtt5Core, Any], None]
_ALWAYS: Mapping[type, Handler] = {
    mqtt5.PubRelPacket: Mqtt5Core._on_pubrel,
    mqtt5.PingRespPacket: Mqtt5Core._on_pingresp,
    mqtt5.DisconnectPacket: Mqtt5Core._on_disconnect,
}
TAKEN: Mapping[ConnectionState, Mapping[type, Handler]] = {
    ConnectionState.CONNECTING: {
        mqtt5.ConnAckPacket: Mqtt5Core._on_connack,
        mqtt5.DisconnectPacket: Mqtt5Core._on_disconnect,
    },
    ConnectionState.SUBSCRIBING: {**_ALWAYS, mqtt5.SubAckPacket: Mqtt5Core._on_suback},
    ConnectionState.RECEIVING: _ALWAYS,
    ConnectionState.OVER: {},
}


def reason_of(name: str, text: str | None) -> str:
    """Return a reason code in words, with what the broker adds to it, in one line of bounded length."""
    return f"{as_words(name)}: {quoted(text, REASON_CHARACTERS)}" if text else as_words(name)
