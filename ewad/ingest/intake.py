"""Messages -> batches for the engine: one dict look-up per message, arrays per commit.

A topic without a stream is cold: unknown, refused, or yet without a valid value. Cold topics are remembered
up to a bound; with its first stream a topic is established, and max_streams bounds those.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from ewad.config.settings import StreamSettings
from ewad.config.syntax import quoted
from ewad.engine import REFUSED, Batch, Engine, Forgotten, Results
from ewad.errors import DecodeError
from ewad.ingest.formats.decoders import REASONS, Decoders, Value, build
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.topics import Labels, TopicTemplate, TopicTree

log = logging.getLogger(__name__)

# Topics without a stream that are remembered: enough for a junk topic's repetitions to be cheap, few
# enough (10 MB at the worst) that a million of them do not fill the memory.
MAX_COLD_TOPICS = 10_000
# A topic is a label value of every series of its stream; MQTT would allow 64 KiB.
MAX_TOPIC_BYTES = 1024
# A clock that is wrong by a time zone is an error to live with. A time far ahead, once its stream's newest,
# makes every later sample an old one.
MAX_AHEAD_SECONDS = 86_400.0
LOGGED_TOPIC = 200  # characters of a topic that a log line or an explanation shows
QUIET_REASONS = ("retained", "stream_limit")  # no fault of the publisher's; the limit has a line of its own

NewStream = tuple[int, str, Labels]  # group, name, labels


class Route(NamedTuple):
    """The quick way for a topic of one block, one value and no time field."""

    decode: Value
    group: int
    row: int
    add_row: Callable[[int], None]
    add_value: Callable[[float], None]


class Target:
    """A topic in one block that takes it: the rows of its streams, None until their first value."""

    __slots__ = ("block", "labels", "rows")

    def __init__(self, block: _Block, labels: Labels) -> None:
        self.block = block
        self.labels = labels
        self.rows: list[int | None] = [None] * len(block.suffixes)


class _Block:
    """One [[stream]] block, and its samples that wait for the next commit."""

    def __init__(self, group: int, settings: StreamSettings, max_payload_bytes: int) -> None:
        self.group = group
        self.settings = settings
        self.templates = [TopicTemplate.parse(topic) for topic in settings.topics]
        self.decoders: Decoders = build(settings, max_payload_bytes)
        self.suffixes = [suffix for _, suffix in settings.fields] or [""]
        # these lists stay the same objects for ever: routes hold their append methods
        self.rows: list[int] = []
        self.values: list[float] = []
        self.times: list[float] = []  # of each sample, if the payload tells
        self.spans: list[tuple[int, float]] = []  # else how many samples arrived when
        self._marked = 0  # samples in spans
        self._latest: dict[int, int] = {}  # row -> index of its last sample among the first _known
        self._known = 0

    def labels(self, topic: str) -> Labels | None:
        """Return the labels that the first matching template captures, None if none matches."""
        found = (template.match(topic) for template in self.templates)
        return next((labels for labels in found if labels is not None), None)

    def labels_of_stream(self, name: str) -> Labels | None:
        """Return the labels of a stream of that name, None if it can't be one of this block."""
        topics = (
            name if not suffix else name.removesuffix(f"/{suffix}")
            for suffix in self.suffixes
            if not suffix or name.endswith(f"/{suffix}")
        )
        found = (self.labels(topic) for topic in topics)
        return next((labels for labels in found if labels is not None), None)

    def mark_arrival(self, arrival: float) -> None:
        """Note that the samples added since the last mark arrived then."""
        if self.settings.time_field is None:
            new = len(self.rows) - self._marked
            if new:
                self.spans.append((new, arrival))
                self._marked += new

    def take_batch(self, arrival: float, most: int) -> Batch:
        """Return the first waiting samples in order of arrival, at most so many, and forget them."""
        rows, values = self.rows[:most], self.values[:most]
        if self.settings.time_field is None:
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
        return Batch(self.group, np.array(rows, dtype=np.int32), time, value, arrival)

    def _take_spans(self, n: int) -> Iterator[tuple[int, float]]:
        """Yield the spans of the first n samples, which leave."""
        while n:
            count, arrival = self.spans[0]
            taken = min(count, n)
            self.spans[:1] = [(count - taken, arrival)] if taken < count else []
            n -= taken
            yield taken, arrival

    def latest(self, row: int) -> tuple[float, float | None] | None:
        """Return value and time of the stream's last sample that waits, None if none does.

        Each waiting sample is read once, however often this is asked: reconnecting brings a retained
        message for every topic.
        """
        n = len(self.rows)
        self._latest.update(zip(self.rows[self._known :], range(self._known, n), strict=True))
        self._known = n
        index = self._latest.get(row)
        if index is None:
            return None
        return self.values[index], self.times[index] if self.times else None


class Intake:
    """Decodes messages and hands them to the engine, a batch per block and commit.

    received counts messages; rejected counts those of which something was refused, by reason (all of
    REASONS from the start). A retained message whose value is the stream's last is a copy, not a sample.
    """

    def __init__(
        self, engine: Engine, blocks: Sequence[StreamSettings], max_payload_bytes: int = 65_536
    ) -> None:
        self.received = 0
        self.rejected = dict.fromkeys(REASONS, 0)
        self._engine = engine
        self._blocks = [_Block(group, block, max_payload_bytes) for group, block in enumerate(blocks)]
        self._templates: TopicTree[tuple[int, int]] = TopicTree()  # the place of a block, of its template
        for block in self._blocks:
            for place, template in enumerate(block.templates):
                self._templates.add(template.levels, (block.group, place))
        self._arrival = 0.0
        self._read: set[int] = set()  # groups that got samples from the messages at hand
        self._unsorted: set[int] = set()  # groups that got samples since `_queue` was made
        self._queue: list[int] = []  # groups whose samples wait, the first one last
        self._routes: dict[str, Route] = {}
        self._targets: dict[str, list[Target]] = {}  # topics with a stream: max_streams bounds them
        self._cold: dict[str, list[Target]] = {}  # the others
        self._refused: set[str] = set()  # topics with a stream, of which another one was refused
        self._new_streams: list[NewStream] = []
        self._limit_logged = False

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Decode messages that arrived at the Unix time arrival; their samples wait for commit."""
        route_of, got_samples = self._routes.get, self._read.add
        for message in messages:
            route = route_of(message.topic)
            if route is None or message.retain:
                self._consume_slowly(message, arrival)
                continue
            decode, group, row, add_row, add_value = route
            try:
                value = decode(message.payload)
            except DecodeError as error:
                self._reject(message.topic, error)
                continue
            add_row(row)
            add_value(value)
            got_samples(group)
        self.received += len(messages)
        self._arrival = arrival
        for group in self._read:
            self._blocks[group].mark_arrival(arrival)
        self._unsorted |= self._read
        self._read.clear()

    def observe(self) -> list[tuple[Batch, Results]]:
        """Let the engine observe everything that waits; return the batches with what came of them."""
        observed = []
        while (batch := self.take_batch()) is not None:
            observed.append((batch, self._engine.observe(batch)))
        return observed

    @property
    def waiting(self) -> bool:
        """Whether samples wait to be observed."""
        return any(self._blocks[group].rows for group in chain(self._queue, self._unsorted))

    def take_batch(self, most: Sequence[int] | None = None) -> Batch | None:
        """Return the next waiting samples, of one block and at most so many as `most` has for it."""
        if not self._queue:
            self._queue = sorted(self._unsorted, reverse=True)
            self._unsorted.clear()
        while self._queue:
            group = self._queue[-1]
            block = self._blocks[group]
            n = most[group] if most else sys.maxsize
            batch = block.take_batch(self._arrival, n) if block.rows else None
            if not block.rows:
                self._queue.pop()
            if batch is not None:
                return batch
        return None

    def take_new_streams(self) -> list[NewStream]:
        """Return the streams that were added since the last call: group, name, labels."""
        new, self._new_streams = self._new_streams, []
        return new

    def adopt(self) -> list[Forgotten]:
        """Fit streams that another configuration left to this one: their labels, and whether they stay.

        Streams that no topic of their block takes any more are forgotten; return them.
        """
        forgotten = []
        for block in self._blocks:
            streams = self._engine.groups[block.group].streams
            homeless = []
            for row, name in enumerate(streams.names):
                labels = block.labels_of_stream(name)
                if labels is None:
                    homeless.append(name)
                else:
                    streams.labels[row] = labels
            if homeless:
                forgotten.append(self._engine.forget_streams(block.group, homeless))
        return forgotten

    def go_on_from(self, other: Intake) -> None:
        """Go on counting where another intake ends."""
        self.received, self.rejected = other.received, other.rejected

    def forget(self, now: float) -> list[Forgotten]:
        """Let the engine forget what is silent for too long; return what it did.

        Raises ValueError if samples wait: their rows would no longer be those of their streams.
        """
        if self.waiting:
            raise ValueError("intake: expected to forget right after a commit, got samples that wait")
        forgotten = self._engine.forget(now)
        if forgotten:
            self._cold.clear()  # what was refused may have room now
            for topic in self._refused:
                self._release(topic)
            self._refused.clear()
        for group, *names in forgotten:
            for name in chain(*names):
                for suffix in self._blocks[group].suffixes:
                    self._release(name.removesuffix(f"/{suffix}") if suffix else name)
        return forgotten

    def _release(self, topic: str) -> None:
        """Let go of a topic; its next message finds its streams anew."""
        self._routes.pop(topic, None)
        self._targets.pop(topic, None)

    def explain(self, topic: str, payload: bytes) -> str:
        """Return which blocks take the message, and its labels and values or the reason of its rejection."""
        targets = self._match(topic)
        if not targets:
            return self._explain_mismatch(topic)
        return "\n".join(line for target in targets for line in _explained(target, topic, payload))

    def _consume_slowly(self, message: Message, arrival: float) -> None:
        topic = message.topic
        if len(topic) > MAX_TOPIC_BYTES // 4 and len(topic.encode()) > MAX_TOPIC_BYTES:
            self._reject(topic, DecodeError("topic_too_long", f"expected at most {MAX_TOPIC_BYTES} bytes"))
            return
        targets = self._targets.get(topic)
        if targets is None:
            targets = self._cold.get(topic)
        if targets is None:
            targets = self._remember(topic)
        if not targets:
            self._reject(topic, DecodeError("unknown_topic", "expected a topic of a [[stream]] block"))
            return
        errors = [error for target in targets if (error := self._feed(target, message, arrival))]
        if errors:
            self._reject(topic, errors[0])
        if topic in self._cold and any(_exists(row) for target in targets for row in target.rows):
            self._establish(topic, targets)

    def _remember(self, topic: str) -> list[Target]:
        if len(self._cold) >= MAX_COLD_TOPICS:
            self._cold.clear()
        self._cold[topic] = self._match(topic)
        return self._cold[topic]

    def _match(self, topic: str) -> list[Target]:
        first = dict(sorted(self._templates.taking(topic), reverse=True))
        blocks = ((self._blocks[group], place) for group, place in sorted(first.items()))
        return [Target(block, block.templates[place].labels(topic)) for block, place in blocks]

    def _establish(self, topic: str, targets: list[Target]) -> None:
        """Keep the topic for ever now that it has a stream, by the quick way if it is of the plain kind."""
        del self._cold[topic]
        self._targets[topic] = targets
        if any(row == REFUSED for target in targets for row in target.rows):
            self._refused.add(topic)
        block, row = targets[0].block, targets[0].rows[0]
        if len(targets) == 1 and block.decoders.value and row is not None:
            self._routes[topic] = Route(
                block.decoders.value, block.group, row, block.rows.append, block.values.append
            )

    def _feed(self, target: Target, message: Message, arrival: float) -> DecodeError | None:
        """Add the message's samples to the target's block; return why, if any of them was refused."""
        block = target.block
        if message.retain and block.settings.retained == "ignore":
            return DecodeError("retained", 'expected a live message (retained = "ignore")')
        try:
            values, time = block.decoders.record(message.payload)
        except DecodeError as error:
            return error
        if time is not None and time > arrival + MAX_AHEAD_SECONDS:
            return DecodeError("future_time", f"expected a time before tomorrow, got {time!r}")
        refusal: DecodeError | None = None
        for index, value in enumerate(values):
            if isinstance(value, float):
                refusal = self._add(target, index, value, time, message) or refusal
            elif value is not None:
                refusal = value
        return refusal

    def _add(
        self, target: Target, index: int, value: float, time: float | None, message: Message
    ) -> DecodeError | None:
        block = target.block
        row = target.rows[index]
        if row is None:
            row = target.rows[index] = self._find_or_add(block, index, target.labels, message.topic)
        if row == REFUSED:
            return DecodeError("stream_limit", f"expected at most {self._engine.max_streams} streams")
        if message.retain and self._is_copy(block, row, value, time):
            return DecodeError("retained", "expected a new value in a retained message")
        block.rows.append(row)
        block.values.append(value)
        self._read.add(block.group)
        if time is not None:
            block.times.append(time)
        return None

    def _find_or_add(self, block: _Block, index: int, labels: Labels, topic: str) -> int:
        name = stream_name(topic, block.suffixes[index])
        known = self._engine.groups[block.group].streams.find(name)
        if known is not None:
            return known
        row = self._engine.add_stream(block.group, name, labels)
        if row == REFUSED:
            self._log_limit(topic)
            if topic in self._targets:
                self._refused.add(topic)
        else:
            self._new_streams.append((block.group, name, labels))
        return row

    def _is_copy(self, block: _Block, row: int, value: float, time: float | None) -> bool:
        """Return whether the stream's last sample is this one, sent again from the broker's store."""
        last = block.latest(row)
        if last is None:
            group = self._engine.groups[block.group]
            if not group.count[row]:
                return False
            last = float(group.value[row]), float(group.time[row])
            value = value * block.settings.scale + block.settings.offset
        same_time = time is None or last[1] is None or time <= last[1]
        return value == last[0] and same_time

    def _reject(self, topic: str, error: DecodeError) -> None:
        first = not self.rejected[error.reason]
        self.rejected[error.reason] += 1
        if first and error.reason not in QUIET_REASONS:
            # REASONS' words, not the error's: those show the payload
            log.warning(
                "message rejected topic=%s reason=%s why=%s (further ones are counted, and logged at debug)",
                quoted(topic, LOGGED_TOPIC),
                error.reason,
                quoted(REASONS[error.reason], 200),
            )
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "message rejected topic=%s reason=%s: %s", quoted(topic, LOGGED_TOPIC), error.reason, error
            )

    def _log_limit(self, topic: str) -> None:
        if not self._limit_logged:
            self._limit_logged = True
            log.warning(
                "stream refused topic=%s limits.max_streams=%d (further ones are counted)",
                quoted(topic, LOGGED_TOPIC),
                self._engine.max_streams,
            )

    def _explain_mismatch(self, topic: str) -> str:
        lines = [f"{quoted(topic, LOGGED_TOPIC)}: no [[stream]] block takes this topic"]
        nearest: tuple[int, str] = (0, "")
        for block in self._blocks:
            for template in block.templates:
                lines.append(f"  {block.settings.name}: {template.text}")
                found = template.mismatch(topic)
                if found and found.level > nearest[0]:
                    got = "the end of the topic" if found.got is None else quoted(found.got)
                    why = f"level {found.level}: expected {found.expected}, got {got}"
                    nearest = found.level, f"nearest: {template.text}: {why}"
        return "\n".join([*lines, nearest[1]])


def stream_name(topic: str, suffix: str) -> str:
    """Return the name of a stream: its topic, with the suffix of its field if the block has several."""
    return f"{topic}/{suffix}" if suffix else topic


def _exists(row: int | None) -> bool:
    return row is not None and row != REFUSED


def _explained(target: Target, topic: str, payload: bytes) -> Iterator[str]:
    """Yield what becomes of a payload in one block."""
    block = target.block
    settings = block.settings
    yield f"block: {settings.name} ({settings.format})"
    yield f"labels: {', '.join(f'{name}={quoted(value)}' for name, value in target.labels) or 'none'}"
    try:
        values, time = block.decoders.record(payload)
    except DecodeError as error:
        yield f"rejected: {error.reason}: {error}"
        return
    paths = [path for path, _ in settings.fields] or [""]
    for path, suffix, value in zip(paths, block.suffixes, values, strict=True):
        stream = f"stream: {quoted(stream_name(topic, suffix), LOGGED_TOPIC)}"
        if isinstance(value, float):
            yield f"{stream} value: {value * settings.scale + settings.offset!r}"
        elif value is None:
            yield f"{stream} left alone: field {quoted(path)}: got no such field, or null"
        else:
            yield f"{stream} rejected: {value.reason}: {value}"
    if time is not None:
        readable = np.datetime64(0, "s") + np.timedelta64(round(time), "s")  # of any year
        yield f"time: {time!r} ({readable}Z)"
