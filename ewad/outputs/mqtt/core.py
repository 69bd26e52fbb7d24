"""One connection that publishes, without I/O: bytes in, bytes and events out; time is told.

                CONNACK
    CONNECTING ---------> OPEN -----> OVER

It is over at a violation, at the broker's refusal or DISCONNECT, when it is lost, or when it is finished. A
message stays in the outbox, as on its way, until the broker has answered for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

import mqtt5
import numpy as np
from numpy.typing import NDArray

from ewad.config.syntax import quoted
from ewad.errors import SourceError
from ewad.ingest.mqtt.keep_alive import KeepAlive
from ewad.ingest.mqtt.mqtt5_buffer import PacketBuffer, ProtocolError
from ewad.ingest.mqtt.mqtt5_core import CONNACK_3_1_1, Accepted, Ended, reason_of
from ewad.ingest.mqtt.mqtt5_packets import MAX_PACKET_BYTES
from ewad.ingest.mqtt.session import refusal
from ewad.ingest.mqtt.settings import BrokerSettings, Version
from ewad.ingest.topics import TopicTree
from ewad.outputs.mqtt import packets
from ewad.outputs.mqtt.outbox import SUBSCRIBE_ID, Outbox, Outgoing, Sending

log = logging.getLogger("ewad.outputs.mqtt")

IN_FLIGHT: Final = 200  # at most, and no more than the broker takes: mosquitto takes 20
# At QoS 2: as many as mosquitto has places for, and what comes beyond them at MQTT 3.1.1, which can't be told
# of that, mosquitto 2.0 never answers.
EXACTLY_ONCE_IN_FLIGHT: Final = 20
OTHER_VERSION: Final = "unsupported protocol version"
AT_A_TIME: Final = 200  # messages of QoS 0, after which it is asked whether the network takes more

Listen = tuple[str, Callable[[str, bytes, bool], None]]  # filter; takes topic, payload, whether retained


class PublishingState(Enum):
    """Where a connection stands."""

    CONNECTING = auto()
    OPEN = auto()
    OVER = auto()


class PublishingCore:
    """One connection of a client. Bytes to read go to `buffer.free`; then tell `received` how many they are.

    send: takes bytes for the broker, in order.  tell: takes events.  held: the network takes no more now.
    answered: the broker has said something.  strange: it may speak another version of MQTT.  refused:
    messages that it would not take.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        version: Version,
        outbox: Outbox,
        send: Callable[[bytes], None],
        tell: Callable[[Accepted | Ended], None],
        here: Outgoing | None = None,
        will: Outgoing | None = None,
        listen: Sequence[Listen] = (),
    ) -> None:
        """here: is published first of all.  listen: is subscribed to before that."""
        self.state = PublishingState.CONNECTING
        self.buffer = PacketBuffer(packets.reader(version))
        self.held = False
        self.answered = self.strange = False
        self.refused = 0
        self._settings, self._version = settings, version
        self._outbox = outbox
        self._put, self._tell = send, tell
        self._here, self._will, self._listen = here, will, listen
        self._tree: TopicTree[Callable[[str, bytes, bool], None]] = TopicTree()
        for topic_filter, take in listen:
            self._tree.add(topic_filter.split("/"), take)
        self._window = IN_FLIGHT
        self._largest = MAX_PACKET_BYTES
        self._most_qos, self._retains = 2, True
        self._silence = KeepAlive(settings.keep_alive_seconds)
        self._now = 0.0

    @property
    def waits(self) -> bool:
        """Whether the broker has messages to answer for."""
        return self.state is PublishingState.OPEN and self._outbox.flying > 0

    # ---- what happens to it

    def open(self, now: float) -> None:
        """Begin, once there is a connection to send on."""
        self._now = self._silence.last_received = now
        self._send(packets.connect(self._settings, self._version, self._will))

    def received(self, nbytes: int, now: float) -> None:
        """Take all packets that are whole with the nbytes that were written to the buffer."""
        if self.state is PublishingState.OVER:
            return
        self._now = self._silence.last_received = now
        self.answered = True
        try:
            for found in self.buffer.packets(nbytes, self._acknowledged):
                if isinstance(found, packets.Acknowledged):
                    self._outbox.all_answered(found.packet_ids)
                elif isinstance(found, list):
                    for message in found:
                        self._dispatch(message)
                else:
                    self._dispatch(found)
        except SourceError as error:  # Ended carries it
            self.end(self._explained(error))
        self.pump(now)

    def pump(self, now: float) -> None:
        """Send what waits, as much as the broker and the network take, in one piece."""
        self._now = now
        while self.state is PublishingState.OPEN and not self.held:
            room = min(self._window - self._outbox.flying, AT_A_TIME)
            if not (taken := self._outbox.take(room, self._most_qos)):
                return
            self._send_all(taken)

    def keep_alive(self, now: float) -> float | None:
        """Ping before the keep-alive ends; end the connection if nothing came for one and a half of it.

        Return after how many seconds to call this again, None for never.
        """
        if self.state is PublishingState.OVER:
            return None
        self._now = now
        try:
            return self._silence.look(now, self._settings.peer, self._send)
        except SourceError as error:  # Ended carries it
            self.end(error)
            return None

    def end(self, error: SourceError) -> None:
        """Send nothing more and tell why; what the broker has not answered for is sent again."""
        if self.state is PublishingState.OVER:
            return
        if self.state is PublishingState.CONNECTING:
            self.strange = not self.answered or str(error).startswith(OTHER_VERSION)
        if isinstance(error, ProtocolError) and self.state is PublishingState.OPEN and self._version == "5":
            self._send(mqtt5.DisconnectPacket(reason_code=error.reason).write())
        self.state = PublishingState.OVER
        self._outbox.disconnected()
        self._tell(Ended(error))

    def finish(self, last: Outgoing | None, now: float) -> None:
        """Send a last message, and disconnect."""
        if self.state is PublishingState.OPEN:
            self._now = now
            if last is not None:
                self._send_all([self._outbox.sent(self._allowed(last))])
            self._send(packets.disconnect())
        self.state = PublishingState.OVER
        self._outbox.disconnected()

    # ---- sending

    def _send_all(self, taken: Sequence[Sending]) -> None:
        found = []
        for sending in taken:
            if not self._retains:
                sending = sending._replace(message=sending.message._replace(retain=False))
            try:
                packet = packets.publish(sending, self._version)
            except OverflowError:  # its length has two bytes
                self._refuse(sending.packet_id, sending.message, "a topic of more than 65,535 bytes")
                continue
            if len(packet) <= self._largest:
                found.append(packet)
            else:
                reason = f"{len(packet)} bytes, more than {self._largest}"
                self._refuse(sending.packet_id, sending.message, reason)
        if found:
            self._send(b"".join(found))

    def _allowed(self, message: Outgoing) -> Outgoing:
        return message._replace(qos=min(message.qos, self._most_qos))

    def _refuse(self, packet_id: int, message: Outgoing, reason: str) -> None:
        """Count a message that the broker does not take; it is not sent again."""
        self._outbox.answered(packet_id)
        self.refused += 1
        if self.refused == 1:
            log.warning(
                'the broker refused a message topic=%s reason="%s" (further ones are counted)',
                quoted(message.topic, 200),
                reason,
            )

    def _send(self, data: bytes) -> None:
        self._silence.last_sent = self._now
        self._put(data)

    # ---- packets

    def _acknowledged(
        self, data: NDArray[np.uint8], start: int, end: int
    ) -> tuple[packets.Acknowledged, int] | None:
        return packets.acknowledged(data, start, end) if self.state is PublishingState.OPEN else None

    def _dispatch(self, packet: mqtt5.Packet) -> None:
        handle = TAKEN[self.state].get(type(packet))
        if handle is None:
            name = type(packet).__name__
            early = self.state is PublishingState.CONNECTING
            raise ProtocolError(f"{name} before CONNACK" if early else f"unexpected {name}")
        handle(self, packet)

    def _on_connack(self, connack: mqtt5.ConnAckPacket) -> None:
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            reason = reason_of(connack.reason_code.name, connack.reason_str)
            raise SourceError(f"{reason} ({self._settings.peer})")
        self.state = PublishingState.OPEN
        most = EXACTLY_ONCE_IN_FLIGHT if self._settings.qos == 2 else IN_FLIGHT
        self._window = min(connack.receive_max, most)
        self._largest = connack.max_packet_size or MAX_PACKET_BYTES
        self._most_qos, self._retains = int(connack.max_qos), connack.retain_available
        if connack.server_keep_alive is not None:
            self._silence.seconds = connack.server_keep_alive
        if self._listen:
            self._send(packets.subscribe([each for each, _ in self._listen], self._version))
        if self._here is not None:
            self._send_all([self._outbox.sent(self._allowed(self._here))])
        self._tell(Accepted())

    def _on_suback(self, suback: mqtt5.SubAckPacket) -> None:
        if suback.packet_id != SUBSCRIBE_ID or len(suback.reason_codes) != len(self._listen):
            raise ProtocolError("SUBACK that doesn't answer a SUBSCRIBE")
        for (topic_filter, _), code in zip(self._listen, suback.reason_codes, strict=True):
            if int(code) >= 0x80:  # failures, MQTT 5, 3.9.3
                log.warning("%s", refusal(topic_filter, reason_of(code.name, suback.reason_str)))

    def _on_publish(self, message: mqtt5.PublishPacket) -> None:
        if message.qos != mqtt5.QoS.AT_MOST_ONCE:
            raise ProtocolError("PUBLISH of a higher QoS than was asked for")
        for take in self._tree.taking(message.topic):
            take(message.topic, bytes(message.payload), message.retain)

    def _on_puback(self, packet: mqtt5.PubAckPacket) -> None:
        message = self._outbox.answered(packet.packet_id)
        if message is not None and int(packet.reason_code) >= 0x80:
            self._refuse(packet.packet_id, message, reason_of(packet.reason_code.name, packet.reason_str))

    def _on_pubrec(self, packet: mqtt5.PubRecPacket) -> None:
        if int(packet.reason_code) < 0x80:
            self._send(packets.released(packet.packet_id))
        elif (message := self._outbox.answered(packet.packet_id)) is not None:
            self._refuse(packet.packet_id, message, reason_of(packet.reason_code.name, packet.reason_str))

    def _on_pubcomp(self, packet: mqtt5.PubCompPacket) -> None:
        self._outbox.answered(packet.packet_id)

    def _on_pingresp(self, _: mqtt5.PingRespPacket) -> None:
        """Nothing to do: that bytes came has been noted."""

    def _on_disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        reason = reason_of(packet.reason_code.name, packet.reason_str)
        raise SourceError(f"the broker disconnected: {reason}")

    def _explained(self, error: SourceError) -> SourceError:
        """Return what an error means: an earlier version's CONNACK is no MQTT 5 packet."""
        malformed = isinstance(error, ProtocolError) and error.data == CONNACK_3_1_1
        if malformed and self._version == "5" and self.state is PublishingState.CONNECTING:
            return SourceError(f"{OTHER_VERSION} ({self._settings.peer})")
        return error


Handler = Callable[[PublishingCore, Any], None]
TAKEN: Mapping[PublishingState, Mapping[type, Handler]] = {
    PublishingState.CONNECTING: {
        mqtt5.ConnAckPacket: PublishingCore._on_connack,
        mqtt5.DisconnectPacket: PublishingCore._on_disconnect,
    },
    PublishingState.OPEN: {
        mqtt5.PubAckPacket: PublishingCore._on_puback,
        mqtt5.PubRecPacket: PublishingCore._on_pubrec,
        mqtt5.PubCompPacket: PublishingCore._on_pubcomp,
        mqtt5.PublishPacket: PublishingCore._on_publish,
        mqtt5.SubAckPacket: PublishingCore._on_suback,
        mqtt5.PingRespPacket: PublishingCore._on_pingresp,
        mqtt5.DisconnectPacket: PublishingCore._on_disconnect,
    },
    PublishingState.OVER: {},
}
