"""Messages -> batches for the engine: one dict look-up per message, arrays per commit.

A topic without a stream is cold: unknown, refused, or yet without a valid value. Cold topics are remembered
up to a bound; with its first stream a topic is established, and max_streams bounds those.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ewad.config.settings import StreamSettings
from ewad.engine import REFUSED, Batch, Ending, Engine, Forgotten, Leaving, Results
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock, Target, joined
from ewad.ingest.endings import Endings
from ewad.ingest.external import ExternalTopics
from ewad.ingest.faults import Faults
from ewad.ingest.formats.point import EndedError, NoMeasurementError
from ewad.ingest.formats.reasons import ABSENT, beyond_limit
from ewad.ingest.formats.records import PayloadRecord
from ewad.ingest.matching import EXCLUDED, Matching, too_long, unknown_topic
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.plain import FOREIGN, BulkWay, Plain, PlainTopics
from ewad.ingest.routes import LaidOut, Route
from ewad.ingest.topics import Labels

# Topics without a stream that are remembered: enough for a junk topic's repetitions to be cheap, few
# enough (10 MB at the worst) that a million of them do not fill the memory.
MAX_COLD_TOPICS = 10_000

NewStream = tuple[int, str, Labels]  # group, name, labels


class Intake:
    """Decodes messages and hands them to the engine, a batch per block and commit.

    plain: the topics of which messages may be taken in bulk.

    received counts messages; rejected counts those of which something was refused, by reason (all of
    REASONS from the start), last_rejected has one of each; absent counts those in which no block found any
    of its fields, which is no fault. A retained message whose value is the stream's last is a copy, not a
    sample.
    foreign: messages of topics that belong to other shards; they count nowhere else.  arrival: of the last
    message, Unix seconds.
    """

    def __init__(
        self,
        engine: Engine,
        blocks: Sequence[StreamSettings],
        max_payload_bytes: int = 65_536,
        belongs: Callable[[str], bool] | None = None,
    ) -> None:
        """belongs: whether a topic is one of this shard's; None: all are."""
        self.received = 0
        self.absent = 0
        self.foreign = 0
        self._belongs = belongs
        self.faults = Faults()
        self.rejected, self.last_rejected = self.faults.counts, self.faults.last
        self.requests = self.faults.requests
        self.engine = engine
        self.blocks = [StreamBlock(group, block, max_payload_bytes) for group, block in enumerate(blocks)]
        self.remembering = [block for block in self.blocks if block.remembers]
        self.external = ExternalTopics(blocks, max_payload_bytes)
        self.matching = Matching(self.blocks)
        self.arrival = 0.0
        self._read: set[int] = set()  # groups that got samples from the messages at hand
        self._unsorted: set[int] = set()  # groups that got samples since `_queue` was made
        self._queue: list[int] = []  # groups whose samples wait, the first one last
        self._routes: dict[str, Route] = {}
        self.plain = PlainTopics()
        self._laid_out: dict[str, LaidOut] = {}
        self._targets: dict[str, list[Target]] = {}  # topics with a stream: max_streams bounds them
        self._cold: dict[str, list[Target]] = {}  # the others
        self._refused: set[str] = set()  # topics with a stream, of which another one was refused
        self._new_streams: list[NewStream] = []
        self._endings = Endings()

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        """Decode messages that arrived at the Unix time arrival; their samples wait for commit."""
        if (belongs := self._belongs) is not None:
            own = [each for each in messages if belongs(each.topic) or self.external.takes(each.topic)]
            if len(own) < len(messages):
                self.foreign += len(messages) - len(own)
                taken = {each.topic for each in own}
                self.plain.leave(each.topic for each in messages if each.topic not in taken)
            messages = own
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
                self._tell(message.topic, [(self.blocks[group], error)], taken=False)
                continue
            add_row(row)
            add_value(value)
            got_samples(group)
        self._consumed(len(messages), arrival)

    @property
    def bulk(self) -> BulkWay:
        """How messages of plain topics are taken in bulk. Not kept: the intake would be in a circle."""
        return BulkWay(self.plain, self._consume_plain)

    def _consume_plain(self, messages: Plain, arrival: float) -> None:
        """Let samples wait that were taken in bulk: of topics that have a route."""
        group, row, value = messages.group, messages.row, messages.value
        groups = [int(group[0])] if messages.alike else np.unique(group).tolist()
        own = len(group)
        for each in groups:
            its = slice(None) if len(groups) == 1 else group == each
            if each == FOREIGN:
                foreign = len(group[its])
                self.foreign, own = self.foreign + foreign, own - foreign
            else:
                self._add_all(each, row[its], value[its])
        self._consumed(own, arrival)

    def _add_all(self, group: int, rows: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        block = self.blocks[group]
        block.rows.frombytes(rows.tobytes())
        block.values.frombytes(values.tobytes())
        self._read.add(group)

    def _consumed(self, messages: int, arrival: float) -> None:
        """Count messages, and note when their samples arrived."""
        self.received += messages
        self.arrival = arrival
        for group in self._read:
            self.blocks[group].mark_arrival(arrival)
        self._unsorted |= self._read
        self._read.clear()

    def observe(self) -> list[tuple[Batch, Results]]:
        """Let the engine observe everything that waits; return the batches with what came of them."""
        observed = []
        while (batch := self.take_batch()) is not None:
            results = self.engine.observe(batch)
            self.note_late(batch, results)
            observed.append((batch, results))
        for ending in self.take_ended():
            self.engine.end_streams(ending)
        return observed

    def note_late(self, batch: Batch, results: Results) -> None:
        """Say once for each block that a sample came late and was dropped; the engine counts them."""
        block, group = self.blocks[batch.group], self.engine.groups[batch.group]
        if len(results.accepted) < batch.samples and self.faults.may_note_late(block):
            late = np.setdiff1d(batch.sample_places, results.accepted)[0]
            row = int(batch.stream[late])
            self.faults.note_late(block, group.streams.names[row], float(group.time[row] - batch.time[late]))

    @property
    def waiting(self) -> bool:
        """Whether samples wait to be observed."""
        return any(self.blocks[group].rows for group in chain(self._queue, self._unsorted))

    def take_batch(self, most: Sequence[int] | None = None) -> Batch | None:
        """Return the next waiting samples, of one block and at most so many as `most` has for it."""
        if not self._queue:
            self._queue = sorted(self._unsorted, reverse=True)
            self._unsorted.clear()
        while self._queue:
            group = self._queue[-1]
            block = self.blocks[group]
            n = most[group] if most else sys.maxsize
            batch = block.take_batch(self.arrival, n) if block.rows else None
            if not block.rows:
                self._queue.pop()
            if batch is not None:
                return batch
        return None

    def take_new_streams(self) -> list[NewStream]:
        """Return the streams that were added since the last call: group, name, labels."""
        new, self._new_streams = self._new_streams, []
        return new

    def take_ended(self) -> list[Ending]:
        """Return the streams that ended since the last call, for `end_streams` once no sample waits."""
        return self._endings.take(self.arrival)

    def adopt(self) -> list[Forgotten]:
        """Fit streams that another configuration left to this one: their labels, and whether they stay.

        Streams whose topic no longer matches their block are forgotten; return them.
        """
        homeless = [(block.group, block.adopt(self.engine.groups[block.group])) for block in self.blocks]
        return [self.engine.forget_streams(group, names) for group, names in homeless if names]

    def labels_of(self, group: int, stream: str) -> Labels | None:
        """Return the labels of a stream of that name in a group, None if none of its topics takes it."""
        return self.blocks[group].labels_of_stream(stream)

    def go_on_from(self, other: Intake) -> None:
        """Go on counting where another intake ends, and knowing what messages told it."""
        earlier = {block.same_messages: block for block in other.blocks}
        for block in self.blocks:
            if block.same_messages in earlier:
                block.go_on_from(earlier[block.same_messages])
        self.received, self.absent, self.foreign = other.received, other.absent, other.foreign
        self.faults.go_on_from(other.faults)

    def leaving(self, now: float) -> Iterator[Leaving | None]:
        """Return what is to be forgotten: see Engine.leaving. Tells of inputs that no stream is, too."""
        self.faults.note_missing_inputs(self.engine.groups)
        return self.engine.leaving(now)

    def let_go(self, leaving: Leaving) -> list[Forgotten]:
        """Let the engine forget these, but for those that were seen since; return what it did.

        Raises ValueError if samples wait: their rows would no longer be those of their streams.
        """
        if self.waiting:
            raise ValueError("intake: expected to forget right after a commit, got samples that wait")
        forgotten = self.engine.let_go(leaving)
        return [] if forgotten is None else self._forgotten([forgotten])

    def forget_stream(self, group: int, name: str) -> list[Forgotten]:
        """Let the engine forget this one; as `let_go`. Raises ValueError too if it is unknown."""
        if self.waiting:
            raise ValueError("intake: expected to forget right after a commit, got samples that wait")
        return self._forgotten([self.engine.forget_streams(group, [name])])

    def _forgotten(self, forgotten: list[Forgotten]) -> list[Forgotten]:
        """Find anew, at their next messages, the streams that are gone or have moved."""
        if forgotten:
            self._cold.clear()  # what was refused may have room now
            for topic in self._refused:
                self._release(topic)
            self._refused.clear()
        for group, gone, moved in forgotten:
            block = self.blocks[group]
            for name in chain(gone, moved):
                for topic in block.topics_of_stream(name):
                    self._release(topic)
            block.forgot(gone, len(self.engine.groups[group].streams))
        return forgotten

    def _release(self, topic: str) -> None:
        """Let go of a topic; its next message finds its streams anew."""
        self.plain.remove(topic)
        for known in (self._routes, self._laid_out, self._targets):
            known.pop(topic, None)

    def _consume_slowly(self, message: Message, arrival: float) -> None:
        topic = message.topic
        way = self._laid_out.get(topic)
        if way is not None and not message.retain and way.take(message.payload, arrival):
            self._read.add(way.block.group)
            return
        if (long := too_long(topic)) is not None:
            self.faults.reject(topic, None, long)
            return
        if topic not in self._targets and self.external.takes(topic):
            self._read |= self.external.hand_on(message, arrival, self.engine, self.blocks, self.faults)
            return
        targets = self._targets.get(topic) or self._cold.get(topic)
        targets = self._remember(topic) if targets is None else targets
        if targets is EXCLUDED or (not targets and self.external.near(topic)):
            self.absent += 1
            return
        if not targets:
            self.faults.reject(topic, None, unknown_topic(topic))
            return
        taken, faults = False, []
        for target in targets:
            found, errors = self._feed(target, message, arrival)
            taken |= found
            faults += [(target.block, error) for error in errors]
        self._tell(topic, faults, taken)
        if topic in self._cold and any(row != REFUSED for target in targets for row in target.rows.values()):
            self._establish(topic, targets)

    def _tell(self, topic: str, faults: Sequence[tuple[StreamBlock, DecodeError]], taken: bool) -> None:
        """Count a message of which something is no sample: once, for its first fault, or as absent."""
        for ended in [block for block, error in faults if isinstance(error, EndedError)]:
            self._endings.add(ended.group, ended.owned_by(topic, self.engine.groups[ended.group].streams))
        block, error = next(((b, e) for b, e in faults if e.reason not in ABSENT), (None, None))
        if error is not None:
            self.faults.reject(topic, block, error)
        elif faults and not taken:
            self.absent += 1
            if not isinstance(faults[0][1], NoMeasurementError):
                self.faults.note_absent(topic, *faults[0])

    def _remember(self, topic: str) -> list[Target]:
        if len(self._cold) >= MAX_COLD_TOPICS:
            self._cold.clear()
        self._cold[topic] = self.matching.targets(topic)
        return self._cold[topic]

    def _establish(self, topic: str, targets: list[Target]) -> None:
        """Keep the topic for ever now that it has a stream, by the quick way if it is of the plain kind."""
        del self._cold[topic]
        self._targets[topic] = targets
        if any(row == REFUSED for target in targets for row in target.rows.values()):
            self._refused.add(topic)
        block, rows = targets[0].block, targets[0].rows
        if len(targets) == 1 and block.plain and block.reader.quick is not None:
            (row,) = rows.values()
            self._routes[topic] = Route(
                block.reader.quick, block.group, row, block.rows.append, block.values.append
            )
            if block.reader.plain:
                self.plain.add(topic, block.group, row)
        elif len(targets) == 1 and (way := block.open_way(topic)) is not None:
            self._laid_out[topic] = LaidOut(block, way)

    def _feed(self, target: Target, message: Message, arrival: float) -> tuple[bool, list[DecodeError]]:
        """Add the message's samples to the target's block; return whether there was any, and what is none."""
        block = target.block
        if message.retain and block.settings.retained == "ignore":
            return False, [DecodeError("retained", 'expected a live message (retained = "ignore")')]
        try:
            records = block.reader.read(message.topic, message.payload, arrival)
        except DecodeError as error:
            return False, [error]
        if block.settings.time_field is not None and not message.retain:
            self.faults.note_times(message.topic, block, records, arrival)
        taken = False
        errors: list[DecodeError] = []
        for record in records:
            fault = self._take(target, record, message, arrival)
            taken |= fault is None
            errors += [] if fault is None else [fault]
        if not errors and message.topic in self._laid_out and not message.retain:
            self._laid_out[message.topic].learn(target, message.payload, records)
        return taken, errors

    def _take(
        self, target: Target, record: PayloadRecord, message: Message, arrival: float
    ) -> DecodeError | None:
        """Add a record's sample to the target's block; return what is wrong with it."""
        block, value = target.block, record.value
        if isinstance(value, DecodeError):
            return value
        told = arrival if record.time is None else record.time
        ahead = told > arrival + block.settings.max_ahead_seconds
        time = arrival if ahead else told
        if block.counters is not None:
            rate = block.counters.rate(block.stream_name(message.topic, record.key), value, time)
            if rate is None:
                return None
            value = rate
        if (row := target.rows.get(record.key)) is None:
            row = target.rows[record.key] = self._find_or_add(target, record, message.topic)
        if row == REFUSED:
            return beyond_limit(self.limit_of(block))
        group = self.engine.groups[block.group]
        has_time = record.time is not None and not ahead
        if message.retain and block.is_copy(group, row, value, time if has_time else None):
            return DecodeError("retained", "expected a new value in a retained message")
        block.add(row, value, time)
        if ahead:
            self.faults.note_ahead(message.topic, block, told - arrival)
        if message.retain:
            block.mark_retained(has_time)
        self._read.add(block.group)
        if self._endings:
            self._endings.go_on(block.group, group.streams.names[row])
        return None

    def limit_of(self, block: StreamBlock) -> int:
        """Return how many streams a block may have."""
        own = block.settings.max_streams
        return self.engine.max_streams if own is None else own

    def _find_or_add(self, target: Target, record: PayloadRecord, topic: str) -> int:
        block = target.block
        name = block.stream_name(topic, record.key)
        streams = self.engine.groups[block.group].streams
        if (known := streams.find(name)) is not None:
            return known
        labels = joined(target.labels, block.naming.told(*record.key))
        row = self.engine.add_stream(block.group, name, labels)
        if row == REFUSED:
            self.faults.note_limit(topic, block, self.limit_of(block))
            if topic in self._targets:
                self._refused.add(topic)
        else:
            self._new_streams.append((block.group, name, labels))
            if block.ends:
                block.note_owners(streams)
        return row
