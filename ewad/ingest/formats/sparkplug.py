"""format = "sparkplug": Sparkplug B, spBv1.0/GROUP/TYPE/NODE[/DEVICE].

Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6. A certificate of birth names the metrics, later payloads may
name them by its aliases alone. Values of the past (`is_historical`) are samples with their own times. Node
control metrics, templates and data sets are no measurements. All messages of an edge node and its devices but
NDEATH are numbered in turn: a number that is left out is a message that was lost. A death ends the streams of
its node or device until the next values; an NDEATH has the bdSeq of the birth whose life it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.point import EndedError, Format, Point, ReadPoints
from ewad.ingest.formats.protobuf import double, encoded, fields, float32, signed
from ewad.ingest.formats.reasons import too_large

_BIRTHS, _DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
_DEATHS = ("NDEATH", "DDEATH")
_COMMANDS = ("NCMD", "DCMD", "STATE")
_MOST_NODES = 100_000  # whose aliases are kept
# Numbers of data types: what they are, and of how many bits if they are signed.
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNREADABLE = {16: "a data set", 19: "a template"}
_BOOLEAN = 11
_TIMESTAMP, _METRIC, _SEQUENCE = 1, 2, 3  # of a payload
_TYPE, _NODE, _LEVELS = 2, 3, 4  # of a topic: the places of two levels, and the number up to the node's
_NUMBERS = 256  # of messages: after 255 comes 0


class _Metric(NamedTuple):
    name: str
    alias: int | None
    time: float | None
    value: Any  # None: null, or nothing that is a number


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as points, one for each metric, {name: value}."""
    sequences = _Sequences(takes_all(block.topics) and not block.exclude_topics)
    return _NodeReader(sequences, max_bytes).points


class _NodeReader:
    """Reads payloads, with what the certificates of birth have said before them."""

    def __init__(self, sequences: _Sequences, max_bytes: int) -> None:
        self._sequences, self._max_bytes = sequences, max_bytes
        # (group, node) -> (group, node, device) -> alias -> name
        self._aliases: dict[tuple[str, ...], dict[tuple[str, ...], dict[int, str]]] = {}

    def points(self, topic: str, payload: bytes) -> Sequence[Point]:
        """Return the points of a message. Raises DecodeError."""
        if len(payload) > self._max_bytes:
            raise too_large(len(payload), self._max_bytes)
        kind, whose = _owner(topic)
        if kind in _COMMANDS:
            raise _no_measurement(kind)
        time, sequence, metrics = _payload(payload)
        if kind == "NDEATH":
            raise self._node_death(whose[:2], metrics)
        gap = self._sequences.gap(kind, whose[:2], sequence)
        if kind == "DDEATH":
            found = [Point(None, fault=EndedError(f"{kind}: the device is gone, its streams are stale"))]
        else:
            if kind in _BIRTHS:
                self._born(kind, whose, metrics)
            found = self._measured(whose, metrics, time)
        if not found:
            raise gap or _no_measurement(kind)
        return found if gap is None else [*found, Point(None, fault=gap)]

    def _node_death(self, node: tuple[str, ...], metrics: Sequence[_Metric]) -> DecodeError:
        """Forget a node, and return what is told; of a life that is over already nothing is."""
        if not self._sequences.end(node, _life(metrics)):
            return _no_measurement("NDEATH")
        self._aliases.pop(node, None)
        return EndedError("NDEATH: the edge node is gone, its streams are stale until their next values")

    def _born(self, kind: str, whose: tuple[str, ...], metrics: Sequence[_Metric]) -> None:
        node = whose[:2]
        if kind == "NBIRTH":
            self._sequences.begin(node, _life(metrics))
        if len(self._aliases) >= _MOST_NODES:
            self._aliases.clear()
        named = {metric.alias: metric.name for metric in metrics if metric.alias is not None}
        self._aliases.setdefault(node, {})[whose] = named

    def _measured(
        self, whose: tuple[str, ...], metrics: Sequence[_Metric], time: float | None
    ) -> list[Point]:
        """Return the points of metrics that are measurements. time: of those that tell none."""
        known = self._aliases.get(whose[:2], {}).get(whose, {})
        found = []
        for metric in metrics:
            name = metric.name or known.get(-1 if metric.alias is None else metric.alias, "")
            if not name:
                raise DecodeError(
                    "unknown_alias",
                    f"alias {metric.alias}: expected a certificate of birth that names it, got none yet:"
                    ' ask for one by "Node Control/Rebirth"',
                )
            if not name.startswith(("Node Control/", "Device Control/")) and name != "bdSeq":
                found.append(Point({name: metric.value}, (), time if metric.time is None else metric.time))
        return found


class _Sequences:
    """The numbers of each edge node's life and of its last message, from its birth on.

    complete: whether every message of a node comes here; where it may not, none is missed.
    """

    def __init__(self, complete: bool) -> None:
        self._complete = complete
        self._last: dict[tuple[str, ...], int] = {}
        self._lives: dict[tuple[str, ...], int | None] = {}  # the bdSeq of each node's last birth

    def begin(self, node: tuple[str, ...], life: int | None) -> None:
        """Note the number of the life that a node begins, if it tells one."""
        if len(self._lives) >= _MOST_NODES:
            self._lives.clear()
        self._lives[node] = life

    def end(self, node: tuple[str, ...], life: int | None) -> bool:
        """Forget a node: a birth of its own comes next. Return False if it is in another life already."""
        if life is not None and self._lives.get(node, life) not in (None, life):
            return False
        self._last.pop(node, None)
        self._lives.pop(node, None)
        return True

    def gap(self, kind: str, node: tuple[str, ...], number: int | None) -> DecodeError | None:
        """Note a message; return what is wrong if it is neither the one after the last nor that one again."""
        last = self._last.get(node)
        if number is None or not self._complete or (last is None and kind != "NBIRTH"):
            return None
        if last is None and len(self._last) >= _MOST_NODES:
            self._last.clear()
        self._last[node] = number
        if last is None or kind == "NBIRTH" or (number - last) % _NUMBERS in (0, 1):
            return None
        lost = (number - last - 1) % _NUMBERS
        return DecodeError(
            "sequence_gap",
            f"expected the sequence number {(last + 1) % _NUMBERS}, got {number}: {lost} messages of the edge"
            ' node were lost, ask for its births by "Node Control/Rebirth"',
        )


def takes_all(templates: Sequence[str]) -> bool:
    """Return whether every message of the nodes that the templates take comes by them, to one subscriber."""
    if len(templates) != 1 or templates[0].startswith("$share/"):
        return False
    *above, last = templates[0].split("/")
    return last == "#" and len(above) <= _LEVELS and all(each[0] in "+{" for each in above[_TYPE:_NODE])


def _life(metrics: Sequence[_Metric]) -> int | None:
    """Return the number of its node's life that a birth or a death tells."""
    return next((each.value for each in metrics if each.name == "bdSeq" and type(each.value) is int), None)


def _no_measurement(kind: str) -> DecodeError:
    return DecodeError("missing_field", f"{kind} holds no measurement")


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


def _payload(payload: bytes) -> tuple[float | None, int | None, list[_Metric]]:
    """Return time, sequence number and metrics of a payload. Raises DecodeError."""
    time: float | None = None
    sequence: int | None = None
    metrics = []
    for number, value in fields(payload):
        if number == _TIMESTAMP and type(value) is int:
            time = value / 1e3
        elif number == _SEQUENCE and type(value) is int:
            sequence = value % _NUMBERS
        elif number == _METRIC and type(value) is bytes:
            metrics.append(_metric(value))
    return time, sequence, metrics


def _metric(content: bytes) -> _Metric:
    name, alias, time, data_type, null = "", None, None, 0, False
    value: tuple[int, int | bytes] | None = None
    for number, found in fields(content):
        if number == 1 and type(found) is bytes:
            name = found.decode("utf-8", "replace")
        elif number == 2 and type(found) is int:
            alias = found
        elif number == 3 and type(found) is int:
            time = found / 1e3
        elif number == 4 and type(found) is int:
            data_type = found
        elif number == 7:
            null = bool(found)
        elif 10 <= number <= 18:
            value = number, found
    number_and_found = None if null else value
    told = None if number_and_found is None else _value(*number_and_found, data_type)
    return _Metric(name, alias, time, told)


def _value(number: int, found: Any, data_type: int) -> Any:
    """Return what a metric holds as a number, true, false or text; a data set or template as a table."""
    if data_type in _UNREADABLE or number in (17, 18):
        return {}
    if number in (10, 11) and type(found) is int:
        return signed(found, _SIGNED[data_type]) if data_type in _SIGNED else found
    if number == 12 and type(found) is bytes and len(found) == 4:
        return float32(found)
    if number == 13 and type(found) is bytes and len(found) == 8:
        return double(found)
    if number == 14 and type(found) is int:
        return bool(found)
    if number == 15 and type(found) is bytes:
        return found.decode("utf-8", "replace")
    return None


FORMAT = Format(
    open_points,
    fields=(("*", ""),),
    topics=topics,
    sender=sender,
    owner=owner,
    request=rebirth,
    remembers=True,
)
