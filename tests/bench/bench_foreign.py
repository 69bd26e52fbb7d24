"""What a message costs a daemon of several shards if it is another shard's, from the connection's bytes on.

Beside it: a message of its own up to the waiting sample, and the reading of packets alone by the codec.
"""

from __future__ import annotations

from tests.bench.measure import at_most, medians  # isort: skip (before numpy)

import json
import math
from collections.abc import Callable, Sequence

import mqtt5

from ewad.config import parse
from ewad.engine import Engine
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.ledger import Ledger
from ewad.ingest.mqtt.mqtt5_core import Ended, Event, Mqtt5Core
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription
from ewad.ingest.sharding import belonging

COUNT, TOPICS, MESSAGES = 4, 4000, 1000  # shards; topics; messages a read
CONFIGURATION = {
    "stream": [{"name": "bench", "topic": "bench/{sensor}/temperature"}],
    "shard": {"count": COUNT, "index": 0},
}


class Taker:
    """A consumer that takes messages in as a shard's daemon does, as far as samples that wait."""

    busy = False
    patience_seconds = math.inf

    def __init__(self) -> None:
        settings = parse(CONFIGURATION, "bench", {})
        self.belongs = belonging(settings.shard, settings.streams)
        self.intake = Intake(Engine(settings.group_settings()), settings.streams, belongs=self.belongs)
        self.bulk = self.intake.bulk

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Take messages."""
        self.intake.consume(messages, arrival)

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        """Let go of what waits: what an engine takes is measured elsewhere."""
        while self.intake.take_batch() is not None:
            pass
        done()


def published(payload: Callable[[int], bytes], own: bool) -> bytes:
    """Return the packets of a read: of this shard's topics, or of the others'."""
    belongs = Taker().belongs
    assert belongs is not None  # the configuration has shards
    topics = (f"bench/{at:06d}/temperature" for at in range(TOPICS))
    chosen = [topic for topic in topics if belongs(topic) is own]
    packets = (
        mqtt5.PublishPacket(chosen[at % len(chosen)], payload=payload(at)).write() for at in range(MESSAGES)
    )
    return b"".join(packets)


def receiving(data: bytes) -> Callable[[], None]:
    """Return what takes in a read's packets, once their topics are known."""
    options = ConnectionSettings(host="h", qos=0, subscriptions=(Subscription("bench/#"),))
    ledger = Ledger(options, Taker(), lambda: 1.7e9, Deliveries())

    def told(event: Event) -> None:
        if isinstance(event, Ended):
            raise event.error

    core = Mqtt5Core(options, ledger, lambda data: None, told)

    def receive(data: bytes) -> None:
        core.buffer.free[: len(data)] = data
        core.received(len(data), 1.0)
        core.commit(1.0)

    core.open(0.0)
    receive(mqtt5.ConnAckPacket().write())
    receive(mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE]).write())
    for _ in range(8):  # topics are learnt
        receive(data)
    return lambda: receive(data)


def reading(data: bytes) -> Callable[[], None]:
    """Return what reads a read's packets by the codec, and does nothing with them."""

    def read() -> None:
        view = memoryview(data)
        while view:
            _, size = mqtt5.read(view)
            view = view[size:]

    return read


def number(at: int) -> bytes:
    """Return a plain number."""
    return b"%.2f" % (20 + at % 97 / 10)


def document(at: int) -> bytes:
    """Return a document of three fields."""
    return json.dumps({"temperature": 20 + at % 97 / 10, "humidity": 50, "battery": 3.1}).encode()


def main() -> None:
    """Print microseconds of CPU a message, and what another shard's may cost."""
    works = {
        "own, a number": receiving(published(number, own=True)),
        "another's, a number": receiving(published(number, own=False)),
        "another's, JSON of three fields": receiving(published(document, own=False)),
        "the codec alone, a number": reading(published(number, own=False)),
    }
    spent = {name: seconds / MESSAGES * 1e6 for name, seconds in medians(works).items()}
    for name, us in spent.items():
        print(f"  {name:32s}{us:7.3f} us a message")
    at_most("another's message: us", max(us for name, us in spent.items() if name.startswith("ano")), 0.15)


if __name__ == "__main__":
    main()
