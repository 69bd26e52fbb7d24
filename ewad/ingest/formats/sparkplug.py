"""format = "sparkplug": Sparkplug B, spBv1.0/GROUP/TYPE/NODE[/DEVICE].

Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6. A certificate of birth names the metrics, later payloads may
name them by its aliases alone. Values of the past (`is_historical`) are samples with their own times. Node
control metrics, templates and data sets are no measurements. All messages of an edge node and its devices but
NDEATH are numbered in turn: a number that is left out is a message that was lost. A death ends the streams of
its node or device until the next values; an NDEATH has the bdSeq of the birth whose life it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.point import (
    Asked,
    EndedError,
    Format,
    NoMeasurementError,
    OpenWay,
    Point,
    ReadPoints,
    TopicWay,
    WaitingSamples,
)
from ewad.ingest.formats.protobuf import encoded
from ewad.ingest.formats.reasons import too_large
from ewad.ingest.formats.sparkplug_nodes import ASK, Born, Names, Nodes, is_measurement
from ewad.ingest.formats.sparkplug_payload import Payload, read_payload
from ewad.ingest.formats.sparkplug_way import SparkplugWay

_BIRTHS, _DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
_DEATHS = ("NDEATH", "DDEATH")
_COMMANDS = ("NCMD", "DCMD", "STATE")
_BOOLEAN = 11
_TYPE, _NODE, _LEVELS = 2, 3, 4  # of a topic: the places of two levels, and the number up to the node's


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as points: {name: value}."""
    paths = [path for path, _ in block.fields or FORMAT.fields]
    nodes = Nodes(takes_all(block.topics) and not block.exclude_topics)
    return SparkplugReader(nodes, max_bytes, together=paths == ["*"])


class SparkplugReader:
    """Reads payloads, with what the certificates of birth have said before them.

    together: whether metrics of one time are one point, else each metric is one.
    """

    def __init__(self, nodes: Nodes, max_bytes: int, together: bool) -> None:
        self.nodes, self._max_bytes, self._together = nodes, max_bytes, together

    def __call__(self, topic: str, payload: bytes) -> Sequence[Point]:
        """Return the points of a message. Raises DecodeError."""
        if len(payload) > self._max_bytes:
            raise too_large(len(payload), self._max_bytes)
        kind, whose = _owner(topic)
        if kind in _COMMANDS:
            raise _no_measurement(kind)
        read = read_payload(payload)
        if kind == "NDEATH":
            raise self._node_death(whose[:2], read.life)
        gap = self.nodes.gap(whose[:2], read.sequence, kind == "NBIRTH")
        found = self._points(kind, whose, read)
        if not found:
            raise gap or _no_measurement(kind)
        return found if gap is None else [*found, Point(None, fault=gap)]

    def take_told(self) -> Sequence[tuple[str, bytes]]:
        """Return the births that have changed, and the numbers of the last messages: see Remembering."""
        return self.nodes.take_told()

    def recall(self, key: str, content: bytes) -> None:
        """Know a birth or a number again. Raises DecodeError."""
        self.nodes.recall(key, content)

    def _points(self, kind: str, whose: Names, read: Payload) -> list[Point]:
        if kind == "DDEATH":
            if (node := self.nodes.find(whose[:2])) is not None:
                node.change()
            return [Point(None, fault=EndedError(f"{kind}: the device is gone, its streams are stale"))]
        if kind in _BIRTHS:
            self.nodes.begin(whose, read)
        return _measured(read, self.nodes.born(whose), self._together)

    def _node_death(self, node: Names, life: int | None) -> DecodeError:
        """Forget a node, and return what is told; of a life that is over already nothing is."""
        if not self.nodes.end(node, life):
            return _no_measurement("NDEATH")
        return EndedError("NDEATH: the edge node is gone, its streams are stale until their next values")


def _measured(read: Payload, born: Born, together: bool) -> list[Point]:
    """Return the points of metrics that are measurements, a fault for those that nobody has named."""
    found: list[Point] = []
    for metric in read.metrics:
        name = born.name_of(metric)
        if not name:
            found.append(Point(None, fault=_unknown(metric.alias)))
        elif is_measurement(name):
            time = read.time if metric.time is None else metric.time
            value = metric.value(born.kinds.get(name, 0))
            last = found[-1] if found and together else None
            if last is not None and not last.fault and last.time == time and name not in last.document:
                last.document[name] = value
            else:
                found.append(Point({name: value}, (), time))
    return found


def _unknown(alias: int | None) -> DecodeError:
    expected = f"alias {alias}: expected a certificate of birth that names it, got none yet"
    return DecodeError("unknown_alias", f"{expected}: {ASK}")


def open_ways(points: Any, asked: Asked) -> OpenWay:
    """Return what gives the topics of data their quick way."""

    def open_way(topic: str, waiting: WaitingSamples) -> TopicWay | None:
        kind, whose = _owner(topic)
        return SparkplugWay(points.nodes, whose, asked, waiting) if kind in _DATA else None

    return open_way


def takes_all(templates: Sequence[str]) -> bool:
    """Return whether every message of the nodes that the templates take comes by them, to one subscriber."""
    if len(templates) != 1 or templates[0].startswith("$share/"):
        return False
    *above, last = templates[0].split("/")
    return last == "#" and len(above) <= _LEVELS and all(each[0] in "+{" for each in above[_TYPE:_NODE])


def _no_measurement(kind: str) -> DecodeError:
    return NoMeasurementError(f"{kind} holds no measurement")


def topics(topic: str) -> Sequence[str]:
    """Return the topics of data and of births of the same node or device."""
    levels = topic.split("/")
    for place, level in enumerate(levels):
        if level in (*_BIRTHS, *_DATA):
            kinds = (level[0] + kind for kind in ("DATA", "BIRTH"))
            return ["/".join([*levels[:place], kind, *levels[place + 1 :]]) for kind in kinds]
    return (topic,)


def sender(topic: str) -> str:
    """Return the node whose message it is, its devices' too."""
    try:
        _, names = _owner(topic)
    except DecodeError:
        return topic
    return "/".join(names[:2]) or topic


def owner(topic: str) -> str:
    """Return the node, or the device of it, whose message it is."""
    try:
        _, names = _owner(topic)
    except DecodeError:
        return topic
    return "/".join(names) or topic


def rebirth(topic: str, now: float) -> tuple[str, bytes]:
    """Return the command that asks the node of a topic for its births, and that of its devices."""
    _, (group, node, *_) = _owner(topic)
    levels = topic.split("/")
    root = next((i for i, level in enumerate(levels) if level.startswith("spBv")), 0)
    time = encoded(1, int(now * 1000))
    metric = encoded(1, b"Node Control/Rebirth") + encoded(4, _BOOLEAN) + encoded(14, 1)
    return "/".join([*levels[: root + 1], group, "NCMD", node]), time + encoded(2, metric)


@lru_cache(maxsize=16)  # asked several times of each message, and of streams of a node one after another
def _owner(topic: str) -> tuple[str, tuple[str, ...]]:
    """Return the type of a message and whose it is: group, node and maybe device."""
    levels = topic.split("/")
    if len(levels) < 3:
        raise DecodeError("invalid_payload", "expected a topic such as spBv1.0/GROUP/NDATA/NODE")
    start = next((i for i, level in enumerate(levels) if level.startswith("spBv")), 0)
    if levels[start + 1 : start + 2] == ["STATE"]:
        return "STATE", ()
    _, group, kind, *owner = [*levels[start:], "", ""][: max(4, len(levels) - start)]
    if kind not in (*_BIRTHS, *_DATA, *_DEATHS, *_COMMANDS):
        raise DecodeError("invalid_payload", "expected a topic such as spBv1.0/GROUP/NDATA/NODE")
    return kind, (group, *owner)


FORMAT = Format(
    open_points,
    fields=(("*", ""),),
    topics=topics,
    sender=sender,
    owner=owner,
    request=rebirth,
    ways=open_ways,
    remembers=True,
)
