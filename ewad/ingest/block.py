"""One [[stream]] block: whose messages it takes, and its samples that wait for the next commit."""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ewad.config.settings import StreamSettings
from ewad.engine import Batch
from ewad.engine.group import Group
from ewad.engine.streams import Streams
from ewad.ingest.counters import Counters
from ewad.ingest.formats.point import Key, TopicWay, WaitingSamples, itself
from ewad.ingest.formats.records import PayloadReader
from ewad.ingest.formats.table import FORMATS
from ewad.ingest.naming import Naming
from ewad.ingest.topics import Labels, TopicTemplate
from ewad.kernels.memory import Floats


class Target:
    """A topic in one block that takes it: the rows of its streams, as soon as they have a value."""

    __slots__ = ("block", "labels", "rows")

    def __init__(self, block: StreamBlock, labels: Labels) -> None:
        self.block = block
        self.labels = labels
        self.rows: dict[Key, int] = {}


class WaitingPoint(NamedTuple):
    """A point of an external forecast that waits; origin: see `Batch`."""

    origin: int
    time: float
    value: float


class StreamBlock:
    """One [[stream]] block, and its samples that wait for the next commit."""

    def __init__(self, group: int, settings: StreamSettings, max_payload_bytes: int) -> None:
        self.group = group
        self.settings = settings
        self.templates = [TopicTemplate.parse(topic) for topic in settings.topics]
        self.excluded = [TopicTemplate.parse(topic) for topic in settings.exclude_topics]
        self.reader = PayloadReader(settings, max_payload_bytes)
        self.timed = settings.timed
        self.naming = naming_of(settings, self.reader)
        self._format = FORMATS[settings.format]
        self._topics = self._format.topics
        self.counters = Counters(settings.per_seconds) if settings.kind == "counter" else None
        # these arrays stay the same objects for ever: routes hold their append methods
        self.rows, self.values = array("q"), array("d")
        self.times = array("d")  # of each sample, if the payload tells
        self.spans: list[tuple[int, float]] = []  # else how many samples arrived when
        self._marked = 0  # samples in spans
        # For who asks: of each waiting sample that was retained, whether its payload told its time.
        self.retained: dict[int, bool] | None = None
        self.taken_retained: dict[int, bool] = {}  # likewise, of the batch taken last
        self._owned: dict[str, dict[str, None]] = {}  # owner -> its streams
        self._n_owned = 0  # in the first so many rows are those
        self.points: dict[int, WaitingPoint] = {}  # of forecasts, by their places among the rows
        self._latest: dict[int, int] = {}  # row -> index of its last sample among the first _known
        self._known = 0

    def go_on_from(self, other: StreamBlock) -> None:
        """Go on where a block of the same messages ends: with births that it has seen, and totals."""
        self.reader.go_on_from(other.reader)
        if self.counters is not None and other.counters is not None:
            self.counters.go_on_from(other.counters)

    @property
    def remembers(self) -> bool:
        """Whether what messages tell counts for later ones."""
        return self.counters is not None or self.reader.remembering is not None

    @property
    def same_messages(self) -> Hashable:
        """What blocks have alike that read the same of the same messages."""
        own = self.settings
        return own.name, own.topics, own.exclude_topics, own.format, own.fields, own.labels, own.records

    @cached_property
    def reading(self) -> int:
        """A number that is the same where `same_messages` is, in any process."""
        return crc32(repr(self.same_messages).encode())

    @property
    def plain(self) -> bool:
        """Whether a message's only value is its sample, without further questions."""
        return self.reader.quick is not None and self.counters is None

    def open_way(self, topic: str) -> TopicWay | None:
        """Return the quick way of a topic for payloads of several numbers, if there is one."""
        if self.reader.topic_way is None or self.counters is not None:
            return None
        return self.reader.topic_way(topic, WaitingSamples(self.rows, self.values, self.times))

    def takes(self, topic: str) -> bool:
        """Return whether no excluded topic is this one."""
        return not any(template.mismatch(topic) is None for template in self.excluded)

    def labels_of_stream(self, name: str) -> Labels | None:
        """Return the labels of a stream of that name, None if it can't be one of this block."""
        _, labels = self._home_of(name)
        return labels

    def topic_of_stream(self, name: str) -> str | None:
        """Return the topic that gives a stream its name, None if it can't be one of this block."""
        topic, _ = self._home_of(name)
        return topic

    def _home_of(self, name: str) -> tuple[str, Labels] | tuple[None, None]:
        """Return topic and labels of a stream of that name."""
        for topic, told in self.naming.parsed(name):
            found = (template.match(topic) for template in self.templates if self.takes(topic))
            labels = next((labels for labels in found if labels is not None), None)
            if labels is not None:
                return topic, joined(labels, told)
        return None, None

    def topics_of_stream(self, name: str) -> list[str]:
        """Return the topics that a stream's messages may come by."""
        return [each for topic, _ in self.naming.parsed(name) for each in self._topics(topic)]

    def stream_name(self, topic: str, key: Key) -> str:
        """Return the name of the stream that a record of a topic belongs to."""
        return self.naming.name(self._topics(topic)[0], *key)

    @property
    def ends(self) -> bool:
        """Whether its messages may say that streams have ended."""
        return self._format.owner is not itself

    def owned_by(self, topic: str, streams: Streams) -> list[str]:
        """Return those of the block's streams whose owner is that of a topic. streams: all of the block."""
        self.note_owners(streams)
        return [*self._owned.get(self._format.owner(topic), ())]

    def note_owners(self, streams: Streams) -> None:
        """Know whose the streams are that were added since the last call. streams: all of the block."""
        for name in streams.names[self._n_owned :]:
            self._own(name)
        self._n_owned = len(streams)

    def forgot(self, names: Sequence[str], left: int) -> None:
        """Know no longer whose these streams were. left: how many are left, in whatever rows."""
        if self._n_owned < left + len(names):  # one that is not known yet may be in any row now
            self._owned, self._n_owned = {}, 0
            return
        for name in names:
            for owner in self._owners(name):
                del self._owned[owner][name]
                if not self._owned[owner]:
                    del self._owned[owner]
        self._n_owned = left

    def _own(self, name: str) -> None:
        for owner in self._owners(name):
            self._owned.setdefault(owner, {})[name] = None

    def _owners(self, name: str) -> set[str]:
        """Return who sends a stream's messages, and which device of the sender's it is."""
        of_topic = self._format.sender, self._format.owner
        return {find(topic) for topic, _ in self.naming.parsed(name) for find in of_topic}

    def scaled(self, value: float) -> float:
        """Return a value as the engine sees it."""
        return value * self.settings.scale + self.settings.offset

    def mark_arrival(self, arrival: float) -> None:
        """Note that the samples added since the last mark arrived then."""
        if not self.timed:
            new = len(self.rows) - self._marked
            if new:
                self.spans.append((new, arrival))
                self._marked += new

    def add(self, row: int, value: float, time: float) -> None:
        """Let a sample wait."""
        self.rows.append(row)
        self.values.append(value)
        if self.timed:
            self.times.append(time)

    def add_points(
        self, row: int, number: int, points: Sequence[tuple[float, float]], arrival: float
    ) -> None:
        """Let a forecast by an external source of this number wait, before the samples to come."""
        for k, (time, value) in enumerate(points):
            self.points[len(self.rows)] = WaitingPoint(2 * number + (2 if k else 1), time, value)
            self.add(row, math.nan, arrival)

    def _place_points(self, time: Floats, value: Floats) -> NDArray[np.int32] | None:
        """Put the points among the entries of a batch into their places; return where each comes from."""
        n = len(time)
        mine = {at: point for at, point in self.points.items() if at < n}
        self.points = {at - n: point for at, point in self.points.items() if at >= n}
        if not mine:
            return None
        origin = np.zeros(n, dtype=np.int32)
        for at, point in mine.items():
            origin[at], time[at], value[at] = point
        return origin

    def mark_retained(self, has_time: bool) -> None:
        """Note that the sample added last was retained; has_time: its time is that of its payload."""
        if self.retained is not None:
            self.retained[len(self.rows) - 1] = has_time

    def take_batch(self, arrival: float, most: int) -> Batch:
        """Return the first waiting samples in order of arrival, at most so many, and forget them."""
        if self.retained is not None:
            self.taken_retained, self.retained = self.retained, {}
        rows, values = self.rows[:most], self.values[:most]
        if not self.timed:
            counts, arrivals = zip(*self._take_spans(len(rows)), strict=True)
            time = np.repeat(np.array(arrivals, dtype=np.float64), counts)
        else:
            time = np.array(self.times[:most], dtype=np.float64)
        value = np.array(values, dtype=np.float64)
        if self.settings.scale != 1.0:
            value *= self.settings.scale
        if self.settings.offset != 0.0:
            value += self.settings.offset
        for waiting in (self.rows, self.values, self.times):
            del waiting[:most]
        self._latest.clear()
        self._known = 0
        self._marked = len(self.rows)
        origin = self._place_points(time, value) if self.points else None
        return Batch(self.group, np.array(rows, dtype=np.int32), time, value, arrival, origin)

    def _take_spans(self, n: int) -> Iterator[tuple[int, float]]:
        """Yield the spans of the first n samples, which leave."""
        while n:
            count, arrival = self.spans[0]
            taken = min(count, n)
            self.spans[:1] = [(count - taken, arrival)] if taken < count else []
            n -= taken
            yield taken, arrival

    def adopt(self, group: Group) -> list[str]:
        """Give the streams of a group their labels; return those that can't be ones of this block.

        Those are to be forgotten then.
        """
        homeless = []
        for row, name in enumerate(group.streams.names):
            labels = self.labels_of_stream(name)
            if labels is None:
                homeless.append(name)
                continue
            group.streams.labels[row] = labels
            if self.ends:
                self._own(name)
        if self.ends:
            self._n_owned = len(group.streams) - len(homeless)
        return homeless

    def is_copy(self, group: Group, row: int, value: float, time: float | None) -> bool:
        """Return whether the stream's last sample is this one, sent again from the broker's store."""
        last = self.latest(row)
        if last is None:
            if not group.count[row]:
                return False
            last = group.told(row), float(group.time[row])
            value = group.on_circle(self.scaled(value))
        same_time = time is None or last[1] is None or time <= last[1]
        return value == last[0] and same_time

    def latest(self, row: int) -> tuple[float, float | None] | None:
        """Return value and time of the stream's last sample that waits, None if none does.

        Each waiting sample is read once, however often this is asked: reconnecting brings a retained
        message for every topic.
        """
        n = len(self.rows)
        for at in range(self._known, n):
            if at not in self.points:
                self._latest[self.rows[at]] = at
        self._known = n
        index = self._latest.get(row)
        if index is None:
            return None
        return self.values[index], self.times[index] if self.times else None


def naming_of(settings: StreamSettings, reader: PayloadReader) -> Naming:
    """Return how a block names its streams."""
    form = FORMATS[settings.format]
    return Naming(
        labels=reader.label_names,
        may_have_id=reader.may_have_ids,
        dynamic=form.dynamic,
        has_field=any(name or path.endswith("*") for path, name in settings.fields or form.fields),
    )


def joined(captured: Labels, told: Labels) -> Labels:
    """Return the labels of topic and payload, each name once: the topic's stands, then the first one told."""
    labels = dict(captured)
    for name, value in told:
        labels.setdefault(name, value)
    return tuple(labels.items())
