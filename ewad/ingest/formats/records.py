"""Payload -> records: whose value of which field it is, the value, and when. One reading for every message.

A format turns a payload into points; the block's paths find the records in them. A block whose payloads are
one number each has a quick reader as well, the first part of the same reading.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from ewad.config.settings import StreamSettings
from ewad.config.syntax import quoted
from ewad.errors import DecodeError
from ewad.ingest.formats.fields import Way, label_text
from ewad.ingest.formats.point import Asked, Key, OpenWay, Point, Remembering
from ewad.ingest.formats.table import FORMATS
from ewad.ingest.formats.times import time_reader
from ewad.ingest.formats.values import Missing, Rules
from ewad.ingest.formats.zipped import unzipped
from ewad.ingest.naming import ID
from ewad.ingest.plain import LEAST_LIMIT, LEAST_PAYLOAD_BYTES
from ewad.ingest.topics import Labels


class PayloadRecord(NamedTuple):
    """One value of a payload, or why it is none.  time: Unix seconds; None: that of arrival."""

    key: Key
    value: float | DecodeError
    time: float | None = None
    path: str = ""


class _Field(NamedTuple):
    way: Way
    name: str


class PayloadReader:
    """How one block's payloads are read.

    quick: the value of a payload that is one number, where nothing else is asked of it; else None.
    plain: whether a payload of digits, of ordinary size, is that number.
    topic_way: what gives each topic a quick way for payloads of several numbers, if there is one.
    """

    def __init__(self, block: StreamSettings, max_bytes: int) -> None:
        self._format = FORMATS[block.format]
        self._points = self._format.open(block, max_bytes)
        self._rules = Rules.of(block)
        # a float between these is a value without further questions
        self._low, self._high = (-self._rules.limit, self._rules.limit) if self._rules.plain else (0.0, 0.0)
        self._max_bytes = max_bytes
        paths = block.fields or self._format.fields
        words = dict(block.states)
        self._records = None if block.records is None else Way(block.records)  # "." is the document
        self._labels = [(name, Way(path)) for name, path in block.labels or self._format.labels]
        self._time = None if block.time_field is None else Way(block.time_field)
        self._fields = [
            _Field(Way(path, block.exclude, words, self._own(path)), name) for path, name in paths
        ]
        self._read_time = time_reader(block, f"time field {quoted(block.time_field or '')}: ")
        first = self._fields[0].way if self._fields else None
        self._lists = first is None or not first.steps or not first.steps[0].isdigit()
        self.timed = block.timed
        # whether keys of a table are ids, which then come first
        self.may_have_ids = bool(self._records and not self._records.names) and ID not in dict(block.labels)
        # in the order in which records tell them
        self.label_names = (
            *(self._records.names if self._records else ()),
            *(name for name, _ in self._labels),
            *dict.fromkeys(name for field in self._fields for name in field.way.names),
        )
        self._only: Key = ((), self._fields[0].name if self._fields else "")
        self.quick = self._quick()
        self._asked = self._all_asked(block, words)
        self.topic_way = self._topic_way()
        self.plain = (
            self.quick is not None
            and self._format.spells_numbers
            and self._rules.limit > LEAST_LIMIT
            and max_bytes >= LEAST_PAYLOAD_BYTES
        )

    def _own(self, path: str) -> list[tuple[str, ...]]:
        """Return the steps, from where a field's path begins, to the time and the labels: no measurements."""
        ways = [*(way for _, way in self._labels), *([] if self._time is None else [self._time])]
        # without records, or with ".", an element is the whole document
        whole = self._records is None or not (self._records.steps or self._records.star)
        return [way.steps for way in ways if way.plain and (whole or way.from_root == path.startswith("^"))]

    def read(self, topic: str, payload: bytes, arrival: float) -> Sequence[PayloadRecord]:
        """Return the records of a payload, at least one. Raises DecodeError."""
        if self.quick is not None:
            return (PayloadRecord(self._only, self.quick(payload)),)
        points = self.points(topic, payload)
        if len(points) == 1:
            return self._of_point(points[0], arrival)
        return [record for point in points for record in self._of_point(point, arrival)]

    @property
    def remembering(self) -> Remembering | None:
        """What remembers messages for later ones, if the format does."""
        return cast("Remembering", self._points) if self._format.remembers else None

    def go_on_from(self, other: PayloadReader) -> None:
        """Know what messages have told another reader of the same format."""
        if self._format.remembers and self._max_bytes == other._max_bytes:
            self._points = other._points
            self.topic_way = self._topic_way()

    def _all_asked(self, block: StreamSettings, words: Collection[str]) -> Asked | None:
        """Return what the block asks for, if that is numbers by their paths alone."""
        states = dict(block.states)
        if states.get("true", 1.0) != 1.0 or states.get("false", 0.0) != 0.0:
            return None
        if block.labels or self._records or self._time or not self._rules.plain or not self._fields:
            return None
        fields = [(field.way, field.name) for field in self._fields]
        return Asked(fields, self._low, self._high, words, self._max_bytes)

    def _topic_way(self) -> OpenWay | None:
        """Return what gives a topic its quick way, if there is one."""
        if self._asked is None or self._format.ways is None:
            return None
        return self._format.ways(self._points, self._asked)

    def points(self, topic: str, payload: bytes) -> Sequence[Point]:
        """Return what the format makes of a payload. Raises DecodeError."""
        return self._points(topic, unzipped(payload, self._max_bytes))

    def _quick(self) -> Callable[[bytes], float] | None:
        """Return the reader of one number without further questions, if that is all the block asks for."""
        if self.timed or self._labels or self._records or len(self._fields) > 1 or not self._rules.plain:
            return None
        way = self._fields[0].way if self._fields else None
        if way is not None and (not way.plain or way.from_root):
            return None
        if self._format.quick is None:
            return None
        steps = way.steps if way else ()
        return self._format.quick(steps, self._rules.limit, self._max_bytes, self._only_value)

    def _only_value(self, payload: bytes) -> float:
        """Return the only value of a payload. Raises DecodeError."""
        found = [record.value for point in self.points("", payload) for record in self._of_point(point, 0.0)]
        if len(found) != 1:
            raise DecodeError("wrong_type", f"expected one value, got a list of {len(found)}")
        if isinstance(found[0], DecodeError):
            raise found[0]
        return found[0]

    def _of_point(self, point: Point, arrival: float) -> list[PayloadRecord]:
        document, told, own_time, fault, delay = point
        if fault is not None:
            return [PayloadRecord(_ONLY, fault)]
        records: list[PayloadRecord] = []
        one = self._records is None and type(document) is dict  # as most are
        for labels, element in (((), document),) if one else self._elements(document):
            identity = (*told, *labels) if labels else told
            time = arrival + delay if delay else own_time
            try:
                for name, way in self._labels:
                    identity = (*identity, (name, label_text(name, way.one(element, document))))
                if self._time is not None:
                    time = self._time_of(self._time, element, document, arrival)
            except DecodeError as error:
                records.append(PayloadRecord(_ONLY, error if self._finds(element, document) else _nothing()))
                continue
            for field in self._fields:
                way, name = field
                if way.plain:
                    key, found = (identity, name), way.one(element, document)
                    if type(found) is float and self._low < found < self._high:  # as most are
                        records.append(PayloadRecord(key, found, time, way.path))
                    else:
                        records.append(self._record(key, found, time, way.path))
                else:
                    self._add_all(field, identity, time, element, document, records)
            if not self._fields:
                found = document if self._records is None else element
                records.append(self._record((identity, ""), found, time, ""))
        return records or [PayloadRecord(_ONLY, _nothing())]

    def _finds(self, element: Any, document: Any) -> bool:
        """Return whether a record holds anything that is asked for: else nobody needs its time and labels."""
        return not self._fields or any(
            field.way.one(element, document) is not Missing
            if field.way.plain
            else bool(field.way.all(element, document))
            for field in self._fields
        )

    def _elements(self, document: Any) -> Iterable[tuple[Labels, Any]]:
        """Return the parts of a document that are records, with the labels that the way to them tells."""
        if self._records is not None:
            return self._told_elements(self._records, document)
        if type(document) is list and self._lists and self._fields:
            return [((), element) for element in document]
        return (((), document),)

    def _told_elements(self, records: Way, document: Any) -> Iterator[tuple[Labels, Any]]:
        for place in records.all(document, document):
            if type(place.found) is list:
                yield from ((place.labels, element) for element in place.found)
            elif self.may_have_ids and type(place.found) is dict and _is_table(place.found):
                yield from ((((ID, key),), element) for key, element in place.found.items())
            elif not self._fields or type(place.found) is dict or not records.names:
                yield place.labels, place.found

    def _time_of(self, way: Way, element: Any, document: Any, arrival: float) -> float:
        found = way.one(element, document)
        if found is Missing:
            path = quoted(way.path)
            raise DecodeError("invalid_time", f"time field {path}: expected a time, got no such field")
        return self._read_time(found, arrival)

    def _add_all(
        self,
        field: _Field,
        identity: Labels,
        time: float | None,
        element: Any,
        document: Any,
        records: list[PayloadRecord],
    ) -> None:
        """Add the records of a path that may lead to several things, or one that says there is none."""
        places = field.way.all(element, document)
        for labels, path, own, found in places:
            key = (*identity, *labels) if labels else identity, own or field.name
            records.append(self._record(key, found, time, path))
        if not places:
            records.append(self._record((identity, field.name), Missing, time, field.way.path))

    def _record(self, key: Key, found: Any, time: float | None, path: str) -> PayloadRecord:
        kind = type(found)
        if (kind is float or kind is int) and self._low < found < self._high:
            return PayloadRecord(key, float(found), time, path)
        try:
            return PayloadRecord(key, self._rules.value(found), time, path)
        except DecodeError as error:
            where = f"field {quoted(path)}: " if path else ""
            return PayloadRecord(key, DecodeError(error.reason, f"{where}{error}", path), time, path)


_ONLY: Key = ((), "")


def _nothing() -> DecodeError:
    return DecodeError("missing_field", "expected a record with what is asked for, got none")


def _is_table(found: dict[str, Any]) -> bool:
    """Return whether it is a table of elements by their ids."""
    return all(type(element) is dict for element in found.values())
