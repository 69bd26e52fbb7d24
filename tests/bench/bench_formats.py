"""What payloads cost: documents of several fields, and formats beside the fastest Python package for each.

kpn-senml reads SenML, too; it took 1.4 times as long as senml.
"""

from __future__ import annotations

from tests.bench.measure import at_least, at_most, medians, peer  # isort: skip (before numpy)

import json
import math
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import mqtt5

from ewad.config import parse
from ewad.engine import Engine
from ewad.ingest.files.messages import RecordedMessage
from ewad.ingest.formats.records import PayloadReader
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.consumer import COMMIT_MESSAGES, Message
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.ledger import Ledger
from ewad.ingest.mqtt.mqtt5_core import Ended, Event, Mqtt5Core
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription
from tests.ingest.formats.test_sparkplug import BLOCK, NODE, metric, payload

MESSAGES = 512
NOW = 1772359200.0
TOPICS = 16
NAMES = [
    "temperature",
    "humidity",
    "pressure",
    "battery",
    "voltage",
    "power",
    "energy",
    "current",
    "light",
    "noise",
]


class Taker:
    """A consumer that decodes and smooths as the daemon does."""

    busy = False
    patience_seconds = math.inf

    def __init__(self, field: Any) -> None:
        block = {"name": "d", "topic": "d/{device}", "format": "json", "field": field}
        settings = parse({"stream": [block]}, "bench", {})
        self.intake = Intake(Engine(settings.group_settings()), settings.streams)
        self.bulk = self.intake.bulk

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Take messages."""
        self.intake.consume(messages, arrival)

    def commit(self, notes: Acknowledgements, done: Callable[[], None]) -> None:
        """Let the engine observe them."""
        self.intake.observe()
        done()


def receiving(field: Any, n: int) -> Callable[[], None]:
    """Return what takes in messages of n fields, from the bytes of the connection to the averages."""
    clock = [1.7e9]
    options = ConnectionSettings(host="h", qos=0, subscriptions=(Subscription("d/+"),))
    ledger = Ledger(options, Taker(field), lambda: clock[0], Deliveries())

    def told(event: Event) -> None:
        if isinstance(event, Ended):
            raise event.error

    core = Mqtt5Core(options, ledger, lambda data: None, told)

    def receive(data: bytes) -> None:
        clock[0] += 1.0
        core.buffer.free[: len(data)] = data
        core.received(len(data), clock[0])
        core.commit(clock[0])

    core.open(0.0)
    receive(mqtt5.ConnAckPacket().write())
    receive(mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE]).write())
    read = b"".join(
        mqtt5.PublishPacket(f"d/{at % TOPICS}", payload=json.dumps(document(at, n)).encode()).write()
        for at in range(MESSAGES)
    )
    for _ in range(3):  # layouts are learnt
        receive(read)
    return lambda: receive(read)


def document(at: int, n: int) -> dict[str, float]:
    """Return what a device with n sensors says."""
    return {name: round(20.0 + at / 7 + place, 2) for place, name in enumerate(NAMES[:n])}


def documents() -> None:
    """Print what a message of one, three and ten fields costs."""
    works = {"one": receiving("temperature", 1), "three": receiving("*", 3), "ten": receiving("*", 10)}
    seconds = medians(works)
    for name, taken in seconds.items():
        print(f"  {name:6s} {taken / MESSAGES * 1e6:6.2f} us a message")
    at_most('ten fields by "*" to one field', seconds["ten"] / seconds["one"], 3.0)


def reader(form: str) -> PayloadReader:
    """Return the reader of a plain block of a format."""
    block = parse({"stream": [{"name": "b", "topic": "t", "format": form}]}, "bench", {}).streams[0]
    return PayloadReader(block, 1 << 20)


def beside(name: str, own: Callable[[], object], other: Callable[[], object]) -> float:
    """Print what both take; return how many times as long the other takes."""
    seconds = medians({"ewad": own, "peer": other})
    print(f"  {name}: ewad {seconds['ewad'] * 1e6:.2f} us, peer {seconds['peer'] * 1e6:.2f} us")
    return seconds["peer"] / seconds["ewad"]


def known_way(form: str, payloads: Sequence[bytes], topic: str = "t") -> Callable[[bytes], object]:
    """Return what takes in the payloads of a topic of a format, as far as samples that wait.

    It has seen the payloads, as a daemon has after a minute.
    """
    settings = parse({"stream": [{"name": "b", "topic": "#", "format": form}]}, "bench", {})
    intake = Intake(Engine(settings.group_settings()), settings.streams)
    for each in (*payloads, *payloads):
        intake.consume([RecordedMessage(NOW, topic, each)], NOW)
    return taking(intake, topic)


def taking(intake: Intake, topic: str) -> Callable[[bytes], object]:
    """Return what takes in payloads of a topic by its quick way."""
    waiting, take_in = intake.blocks[0], intake._laid_out[topic].way.take

    def take(payload: bytes) -> None:
        if not take_in(payload, NOW, NOW):
            raise RuntimeError("expected a payload for the quick way")
        if len(waiting.rows) > COMMIT_MESSAGES:
            for column in (waiting.rows, waiting.values, waiting.times):
                del column[:]

    return take


def influx() -> None:
    """Read lines of two tags and three fields: one in a payload, and fifty as Telegraf sends batches."""
    package = peer("line_protocol_parser")
    if package is None:
        return
    lines = [
        f"weather,site=hall,station=roof{at} temp={20 + at / 7:.2f},hum={40 + at}i,wind={at / 4} "
        f"{NOW:.0f}000000000"
        for at in range(50)
    ]
    first, batch = lines[0].encode(), "\n".join(lines).encode()
    take, read = known_way("influx", [first, batch]), reader("influx").read

    def other() -> None:
        for line in lines:
            package.parse_line(line)

    beside("a line, the general way", lambda: read("t", first, 0.0), lambda: package.parse_line(lines[0]))
    found = beside("a line", lambda: take(first), lambda: package.parse_line(lines[0]))
    at_least("influx, a line: times as fast as line-protocol-parser (C)", found, 10.0)
    found = beside("fifty lines", lambda: take(batch), other)
    at_least("influx, fifty lines: times as fast as line-protocol-parser (C)", found, 10.0)


def senml() -> None:
    """Read a pack of ten records."""
    package = peer("senml")
    if package is None:
        return
    records = [{"n": f":t{at}", "v": 20.5 + at, "t": -60 * at} for at in range(10)]
    text = json.dumps(
        [{"bn": "urn:dev:ow:10e2073a", "bt": 1772359200, "bu": "Cel", **records[0]}, *records[1:]]
    )
    sent, read = text.encode(), reader("senml").read
    take = known_way("senml", [sent])

    def other() -> list[Any]:
        document = package.SenMLDocument.from_json(json.loads(text))
        return [each.to_absolute(document.base) for each in document.measurements]

    beside("ten records, the general way", lambda: read("t", sent, 0.0), other)
    found = beside("ten records", lambda: take(sent), other)
    at_least("senml: times as fast as senml (Python)", found, 10.0)


def sparkplug() -> None:
    """Read data of ten metrics that a birth has named, beside parsing the same bytes alone."""
    package = peer("google.protobuf")
    if package is None:
        return
    settings = parse({"stream": [BLOCK]}, "bench", {})
    intake, topic = Intake(Engine(settings.group_settings()), settings.streams), NODE.format("NDATA")
    read = intake.blocks[0].reader.read
    values = [("<d", 20.5 + at) for at in range(10)]
    born = [metric(name=f"M/{at}", alias=at, kind=10, value=(13, value)) for at, value in enumerate(values)]
    data = [metric(alias=at, time=int(NOW * 1000), value=(13, value)) for at, value in enumerate(values)]
    numbered = [payload(*data, sequence=number % 256) for number in range(1, 257)]
    told = [(NODE.format("NBIRTH"), payload(*born)), (topic, numbered[0]), (topic, numbered[0])]
    intake.consume([RecordedMessage(NOW, *each) for each in told], NOW)
    take, again, sent = taking(intake, topic), cycle(numbered), cycle(numbered[1:] + numbered[:1])
    parsed = _sparkplug_message().FromString

    def whole() -> dict[int, tuple[int, float]]:
        return {each.alias: (each.time, each.value) for each in parsed(numbered[0]).metrics}

    beside("ten metrics, and protobuf's read in Python", lambda: take(next(sent)), whole)
    found = beside("ten metrics", lambda: take(next(sent)), lambda: parsed(numbered[0]))
    at_most("sparkplug: times as long as protobuf takes to parse (C)", 1 / found, 2.0)
    beside("ten metrics, the general way", lambda: read(topic, next(again), NOW), whole)


def _sparkplug_message() -> Any:
    """Return the class of payloads with the fields that the bench fills in."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="sparkplug.proto", package="sparkplug")
    text, whole, real, table = 9, 4, 1, 11  # FieldDescriptorProto.Type
    described = {
        "Metric": [
            (1, "name", text),
            (2, "alias", whole),
            (3, "time", whole),
            (4, "kind", whole),
            (13, "value", real),
        ],
        "Payload": [(1, "time", whole), (2, "metrics", table), (3, "sequence", whole)],
    }
    for name, fields in described.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            added = message.field.add(name=field, number=number, type=kind, label=3 if kind == table else 1)
            if kind == table:
                added.type_name = ".sparkplug.Metric"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("sparkplug.Payload"))


def main() -> None:
    """Measure."""
    documents()
    influx()
    senml()
    sparkplug()


if __name__ == "__main__":
    main()
