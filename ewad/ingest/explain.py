"""What becomes of a message, told to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from ewad.config.settings import StreamSettings
from ewad.config.syntax import quoted
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock, Target, joined
from ewad.ingest.faults import LOGGED_TOPIC
from ewad.ingest.formats.hints import hints
from ewad.ingest.formats.point import EndedError
from ewad.ingest.formats.reasons import ABSENT, UNDERSTOOD, beyond_limit, too_far_ahead
from ewad.ingest.formats.records import PayloadReader, PayloadRecord
from ewad.ingest.intake import Intake
from ewad.ingest.matching import EXCLUDED, too_long, unknown_topic

SHOWN = 12  # names of what is left out
_MOST = 1 << 20  # bytes of a payload


class Explanation:
    """What is told.

    taken: whether something of the message counts.  rejected: whether nothing does, or something is a fault.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.taken = self.rejected = False

    def __str__(self) -> str:
        return "\n".join(self.lines)


class _Samples:
    """The samples of a message before one of its records: their streams, and those streams' newest times."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._newest: dict[tuple[int, str], float] = {}
        self._new: Counter[int] = Counter()  # how many streams of each group

    def add(self, block: StreamBlock, name: str, time: float) -> DecodeError | None:
        """Note a further one, or return why it is none."""
        if block.counters is not None:  # of a total the growth since another message counts
            return None
        if (block.group, name) not in self._newest:
            if not self._intake.engine.has_room(block.group, self._new):
                return beyond_limit(self._intake.limit_of(block))
            self._new[block.group] += 1
        late = self._newest.get((block.group, name), time) - time
        if late > 0.0 and block.settings.out_of_order == "drop":
            return DecodeError("out_of_order", f"it is {late:.3f} s older than the newest of its stream")
        self._newest[block.group, name] = time
        return None


def explain(intake: Intake, topic: str, payload: bytes, now: float) -> Explanation:
    """Return which blocks take the message, and its labels and values or the reason of its rejection."""
    explanation = Explanation()
    if (long := too_long(topic)) is not None:
        explanation.lines.append(_refused(long))
        explanation.rejected = True
        return explanation
    if intake.external.takes(topic):
        explanation.lines += _forecast(intake, topic, payload, now)
        explanation.rejected = explanation.lines[-1].startswith("rejected: ")
        return explanation
    targets = intake.matching.targets(topic)
    if not targets:
        explanation.rejected = True
        unknown = unknown_topic(topic)
        absent = targets is EXCLUDED or intake.external.near(topic)
        explanation.lines.append(f"left alone: {unknown}" if absent else _refused(unknown))
        explanation.lines += _mismatch(intake, topic)
    taken = understood = False
    samples = _Samples(intake)
    for target in targets:
        for line, error in _explained(target, topic, payload, now, samples):
            explanation.lines.append(line)
            explanation.rejected |= error is not None and error.reason not in ABSENT
            taken |= isinstance(error, EndedError) or (line.startswith("stream: ") and error is None)
            understood |= error is not None and error.reason in UNDERSTOOD
    if taken:
        explanation.lines += _left_out(targets, topic, payload, now)
    explanation.taken = taken
    explanation.rejected |= not taken
    if targets and not taken and not understood:
        told = dict.fromkeys(line for each in targets for line in hints(each.block.settings, topic, payload))
        explanation.lines += told
    return explanation


def _explained(
    target: Target, topic: str, payload: bytes, now: float, samples: _Samples
) -> Iterator[tuple[str, DecodeError | None]]:
    """Yield what becomes of a payload in one block: lines, and what is wrong."""
    block = target.block
    settings = block.settings
    yield f"block: {settings.name} ({settings.format})", None
    labels = ", ".join(f"{name}={quoted(value)}" for name, value in target.labels)
    yield f"labels: {labels or 'none'}", None
    try:
        records = block.reader.read(topic, payload, now)
    except EndedError as error:
        yield f"ends: {error}", error
        return
    except DecodeError as error:
        yield _refused(error), error
        return
    faults = [record.value for record in records if isinstance(record.value, DecodeError)]
    faults = [fault for fault in faults if fault.reason in ABSENT and not isinstance(fault, EndedError)]
    if faults and len(faults) == len(records):
        yield _absent(records), faults[0]
        return
    for record in records:
        yield _record(target, topic, record, now, samples)
    times = sorted({record.time for record in records if record.time is not None})
    if times:
        shown = dict.fromkeys((times[0], times[-1]))
        yield f"time{'s' if len(shown) > 1 else ''}: {' to '.join(map(_shown_time, shown))}", None


def _left_out(targets: Sequence[Target], topic: str, payload: bytes, now: float) -> list[str]:
    """Return a line with the numbers that no block reads because of `exclude`, such as a preset's."""
    read: dict[str, None] = {}
    every: dict[str, None] = {}
    for block in (target.block for target in targets):
        read |= _names(block, block.settings, topic, payload, now)
        every |= _names(block, msgspec.structs.replace(block.settings, exclude=()), topic, payload, now)
    left = [quoted(name, LOGGED_TOPIC) for name in every if name not in read]
    more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    return [f"left out by exclude: {', '.join(left[:SHOWN])}{more}"] if left else []


def _names(
    block: StreamBlock, settings: StreamSettings, topic: str, payload: bytes, now: float
) -> dict[str, None]:
    """Return the streams of which a payload has a number, read with these settings."""
    try:
        records = PayloadReader(settings, _MOST).read(topic, payload, now)
    except DecodeError:  # or what earlier messages told is wanted
        return {}
    return {block.stream_name(topic, each.key): None for each in records if isinstance(each.value, float)}


def _absent(records: Sequence[PayloadRecord]) -> str:
    """Return one line for all fields of a block that reads nothing of a message."""
    (first, *more) = records
    if more:
        return f"left alone: none of the {len(records)} fields that this block reads holds a number"
    return f"left alone: {first.value}"


def _shown_time(time: float) -> str:
    readable = np.datetime64(0, "s") + np.timedelta64(round(time), "s")  # of any year
    return f"{time!r} ({readable}Z)"


def _record(
    target: Target, topic: str, record: PayloadRecord, now: float, samples: _Samples
) -> tuple[str, DecodeError | None]:
    block, value = target.block, record.value
    name = block.stream_name(topic, record.key)
    stream = f"stream: {quoted(name, LOGGED_TOPIC)}"
    told = joined(target.labels, block.naming.told(*record.key))[len(target.labels) :]
    if told:
        stream += f" ({', '.join(f'{name}={quoted(text)}' for name, text in told)})"
    if isinstance(value, float):
        rate = (
            f" (a counter: its growth per {block.settings.per_seconds:g} s counts)" if block.counters else ""
        )
        line, most = f"{stream} value: {block.scaled(value)!r}{rate}", block.settings.max_ahead_seconds
        time = now if record.time is None else record.time
        if (ahead := time - now) > most:
            line, time = f"{line}, at its arrival: {too_far_ahead(ahead, most)}", now
        if (fault := samples.add(block, name, time)) is not None:
            return f"{stream} {_refused(fault)}", fault
        return line, None
    if isinstance(value, EndedError):
        return f"ends: {value}", value
    return f"{stream} {_refused(value)}", value


def _refused(error: DecodeError) -> str:
    return f"left alone: {error}" if error.reason in ABSENT else f"rejected: {error.reason}: {error}"


def _forecast(intake: Intake, topic: str, payload: bytes, now: float) -> Iterator[str]:
    """Yield what becomes of a forecast that another program has made."""
    for block, template, labels in intake.external.explained(topic):
        told = ", ".join(f"{name}={quoted(value)}" for name, value in labels.items())
        yield f"forecast from outside: block {block}: {template} ({told or 'of all its streams'})"
    try:
        points = intake.external.points(payload, now)
    except DecodeError as error:
        yield f"rejected: {error.reason}: {error}"
        return
    ahead = [time - now for time, _ in points]
    reach = f", from {ahead[0]:+.0f} s to {ahead[-1]:+.0f} s from now" if ahead else ""
    past = sum(seconds <= 0.0 for seconds in ahead)
    over = f"; {'all' if past == len(ahead) else past} of them past" if past else ""
    yield f"points: {len(points)}{reach}{over}"


def _mismatch(intake: Intake, topic: str) -> list[str]:
    """Return the templates of all blocks, and what is different in the one that nearly takes a topic."""
    lines = []
    nearest: tuple[int, str] = (0, "")
    for block in intake.blocks:
        for template in block.templates:
            lines.append(f"  {block.settings.name}: {template.text}")
            if template.mismatch(topic) is None:
                lines.append(f"  {block.settings.name}: its exclude_topic takes it out")
            found = template.mismatch(topic)
            if found and found.level > nearest[0]:
                got = "the end of the topic" if found.got is None else quoted(found.got)
                why = f"level {found.level}: expected {found.expected}, got {got}"
                nearest = found.level, f"nearest: {template.text}: {why}"
    return [*lines, nearest[1]]
