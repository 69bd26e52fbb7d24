"""A client's end of a connection, by the real core, ledger and intake: messages in bulk, or one by one."""

import math
from collections.abc import Callable, Sequence

import mqtt5

from ewad.config import StreamSettings
from ewad.engine import Engine, GroupSettings
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.ledger import Ledger
from ewad.ingest.mqtt.mqtt5_core import Event, Mqtt5Core
from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription

BLOCKS = [
    StreamSettings(name="a", topics=("a/+",)),
    StreamSettings(name="b", topics=("b/+",), scale=10.0),
    StreamSettings(name="json", topics=("j/+",), format="json", fields=(("v", ""),)),
    StreamSettings(name="valid", topics=("v/+",), valid=(0.0, 9.0)),
    StreamSettings(name="huge", topics=("h/+",), scale=1e140),
    StreamSettings(name="words", topics=("w/+",), states=(("on", 1.0),), decimal=",", strip_unit=True),
]
FILTERS = [topic for block in BLOCKS for topic in block.topics]
OURS = [subscription_id(each) for each in FILTERS]


class Taker:
    """A consumer that decodes as the daemon does, and keeps pending acknowledgements.

    looked_at: messages, one by one.
    """

    busy = False
    patience_seconds = math.inf

    def __init__(self, *, bulk: bool, belongs: Callable[[str], bool] | None) -> None:
        engine = Engine([GroupSettings(block.name) for block in BLOCKS])
        self.intake = Intake(engine, BLOCKS, belongs=belongs)
        self.bulk = self.intake.bulk if bulk else None
        self.pending: list[Acknowledgements] = []
        self.looked_at = 0

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        self.looked_at += len(messages)
        self.intake.consume(messages, arrival)

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        self.pending.append(pending)
        done()


class End:
    """The client's end of a connection to a broker that says what it is told. belongs: see Intake."""

    def __init__(
        self,
        *,
        bulk: bool,
        session_present: bool,
        filters: Sequence[str] = FILTERS,
        belongs: Callable[[str], bool] | None = None,
    ) -> None:
        subscriptions = tuple(Subscription(each) for each in filters)
        options = ConnectionSettings(
            host="h", subscriptions=subscriptions, qos=2, commit_interval_seconds=60.0
        )
        self.taker = Taker(bulk=bulk, belongs=belongs)
        self.deliveries = Deliveries(unreleased=[5 | 1 << 48])
        ledger = Ledger(options, self.taker, lambda: 7.0, self.deliveries)
        self.sent = bytearray()
        self.told: list[Event] = []
        self.core = Mqtt5Core(options, ledger, self.sent.extend, self.told.append)
        self.core.open(0.0)
        self.receive(mqtt5.ConnAckPacket(session_present=session_present).write())
        for packet_id in range(1, len(filters) + 1):
            granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_EXACTLY_ONCE]
            self.receive(mqtt5.SubAckPacket(packet_id, granted).write())

    def receive(self, data: bytes, cuts: Sequence[int] = ()) -> None:
        """Read these bytes in pieces."""
        for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
            self.core.buffer.free[: end - start] = data[start:end]
            self.core.received(end - start, 1.0)

    def outcome(self) -> list[object]:
        """Return all that came of it."""
        self.core.commit(2.0)
        intake = self.taker.intake
        blocks = [
            (block.rows.tolist(), list(map(repr, block.values)), sum(n for n, _ in block.spans))
            for block in intake.blocks
        ]
        names = [group.streams.names for group in intake.engine.groups]
        counts = (
            intake.received,
            intake.foreign,
            intake.absent,
            dict(intake.rejected),
            self.deliveries.repeated,
        )
        deliveries = list(self.deliveries.taken), self.deliveries.unreleased
        acknowledged = [
            [each for pending in self.taker.pending for each in getattr(pending, kind)]
            for kind in ("pubacks", "repeated", "pubrecs", "pubcomps")
        ]
        return [blocks, names, counts, deliveries, acknowledged, bytes(self.sent), list(map(repr, self.told))]
