"""A conforming MQTT 5 broker without I/O, for one subscriber; how it numbers and marks messages is chosen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from random import Random

import mqtt5

LEVELS = mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE, mqtt5.QoS.EXACTLY_ONCE
LAST_ID = 65535
NUMBERINGS = ("lowest", "random", "in turn")
# From 1 on with each connection, what is in flight too: rumqttd does that, and MQTT 5, 4.4 forbids it.
ANEW = "anew"
GRANTED = (
    mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE,
    mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE,
    mqtt5.SubAckReasonCode.GRANTED_QOS_EXACTLY_ONCE,
)


@dataclass(frozen=True)
class Message:
    """What was published. number: in the order of publishing."""

    number: int
    topic: str
    payload: bytes
    qos: int


@dataclass
class InFlight:
    """A message that was sent and is not acknowledged yet. received: PUBREC came, PUBREL is due."""

    packet_id: int
    message: Message
    received: bool = False


class Link:
    """The broker's end of one connection. outgoing: bytes that it has sent."""

    def __init__(self, broker: Broker) -> None:
        self.outgoing = bytearray()
        self.open = True
        self._broker = broker
        self._data = b""

    def send(self, packet: mqtt5.Packet) -> None:
        """Send a packet while the connection is open."""
        if self.open:
            self.outgoing += packet.write()

    def receive(self, data: bytes) -> None:
        """Take bytes of the client; the whole packets among them are handled."""
        self._data += data
        while self.open:
            try:
                packet, size = mqtt5.read(memoryview(self._data))
            except IndexError:
                return
            self._data = self._data[size:]
            self._broker.handle(self, packet)


class Broker:
    """Keeps one client's session: what is queued, what is in flight, in the order of sending.

    numbering: which free packet id the next message gets.  window: messages in flight at most.
    marks: whether what is sent again says DUP, as it must.
    """

    def __init__(self, random: Random, numbering: str, window: int, *, marks: bool) -> None:
        self.queue: deque[Message] = deque()
        self.in_flight: dict[int, InFlight] = {}  # by packet id, in the order of sending
        self._random = random
        ways = {"lowest": self._lowest, "random": self._any, "in turn": self._in_turn, ANEW: self._in_turn}
        self._next_id = ways[numbering]
        self._anew = numbering == ANEW
        self._last_id = 0
        self._own_window = window
        self._window = window
        self._marks = marks
        self._session = False
        self._qos = 0
        self._link: Link | None = None
        self._recent: list[InFlight] = []  # acknowledged since the last message was sent

    @property
    def drained(self) -> bool:
        """Whether all that was published has been acknowledged."""
        return not self.queue and not self.in_flight

    def connect(self) -> Link:
        """Return the broker's end of a new connection, on which a client may say CONNECT."""
        return Link(self)

    def publish(self, message: Message) -> bool:
        """Take a message for the session, connected or not; return whether there is one."""
        if self._session:
            self.queue.append(message)
            self._send_new()
        return self._session

    def crash(self, forgets: Callable[[int], int]) -> None:
        """Lose the connection and the newest acknowledgements; forgets: how many of so many.

        A record of an acknowledgement may be lost until the broker sends the next message.
        """
        self._drop_link()
        kept = len(self._recent) - forgets(len(self._recent))
        self.in_flight = {each.packet_id: each for each in self._recent[kept:]} | self.in_flight
        self._recent.clear()

    def lose_session(self) -> list[Message]:
        """Forget the session; return the messages that are lost with it."""
        self._drop_link()
        lost = [each.message for each in self.in_flight.values()] + list(self.queue)
        self._session = False
        self.in_flight.clear()
        self.queue.clear()
        self._recent.clear()
        return lost

    def handle(self, link: Link, packet: mqtt5.Packet) -> None:
        """Do what a packet of the client asks for."""
        match packet:
            case mqtt5.ConnectPacket():
                self._on_connect(link, packet)
            case mqtt5.SubscribePacket():
                self._qos = max(LEVELS.index(each.max_qos) for each in packet.topic_filters)
                link.send(mqtt5.SubAckPacket(packet.packet_id, [GRANTED[self._qos]]))
                self._session = True
            case mqtt5.PubAckPacket():
                self._complete(packet.packet_id, 1)
            case mqtt5.PubRecPacket():
                if each := self.in_flight.get(packet.packet_id):
                    each.received = True
                link.send(mqtt5.PubRelPacket(packet.packet_id))
            case mqtt5.PubCompPacket():
                self._complete(packet.packet_id, 2)
            case mqtt5.PingReqPacket():
                link.send(mqtt5.PingRespPacket())
            case mqtt5.DisconnectPacket():
                self._drop_link()
            case _:
                raise AssertionError(f"unexpected {packet!r}")

    def _on_connect(self, link: Link, packet: mqtt5.ConnectPacket) -> None:
        """Begin; an older connection of the same client ends (MQTT 5, 3.1.4)."""
        self._drop_link()
        self._link = link
        self._window = min(self._own_window, packet.receive_max)
        if self._anew:
            self._number_anew()
        link.send(mqtt5.ConnAckPacket(session_present=self._session))
        for each in self.in_flight.values():
            if each.received:
                link.send(mqtt5.PubRelPacket(each.packet_id))
            else:
                self._send(each, duplicate=self._marks)
        self._send_new()

    def _complete(self, packet_id: int, qos: int) -> None:
        """Take an acknowledgement. Acknowledging what is not in flight is a fault of the client's."""
        found = self.in_flight.pop(packet_id, None)
        if qos == 1:
            assert found is not None, f"PUBACK of {packet_id}, which is not in flight"
            assert found.message.qos == 1, f"PUBACK of {packet_id}, which is of QoS 2"
            self._recent.append(found)
        self._send_new()

    def _send_new(self) -> None:
        while self._link is not None and self.queue and len(self.in_flight) < self._window:
            message = self.queue.popleft()
            each = InFlight(self._next_id(self.in_flight), message)
            self.in_flight[each.packet_id] = each
            self._recent.clear()
            self._send(each, duplicate=False)

    def _send(self, each: InFlight, *, duplicate: bool) -> None:
        assert self._link is not None
        message = each.message
        self._link.send(
            mqtt5.PublishPacket(
                message.topic,
                message.payload,
                qos=LEVELS[message.qos],
                packet_id=each.packet_id,
                duplicate=duplicate,
            )
        )

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.open = False
            self._link = None

    # ---- numbering

    def _lowest(self, used: Container[int]) -> int:
        return next(number for number in range(1, LAST_ID + 1) if number not in used)

    def _any(self, used: Container[int]) -> int:
        while (number := self._random.randint(1, LAST_ID)) in used:
            pass
        return number

    def _number_anew(self) -> None:
        for number, each in enumerate(self.in_flight.values(), start=1):
            each.packet_id = number
        self.in_flight = {each.packet_id: each for each in self.in_flight.values()}
        self._recent.clear()  # their ids are given anew
        self._last_id = len(self.in_flight)

    def _in_turn(self, used: Container[int]) -> int:
        while True:
            self._last_id = self._last_id % LAST_ID + 1
            if self._last_id not in used:
                return self._last_id
