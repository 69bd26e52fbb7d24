"""Forecasts that other programs publish: from a message to the points that its streams are given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ewad.config.settings import StreamSettings
from ewad.config.syntax import parse_external
from ewad.engine import MOST_POINTS, VALUE_LIMIT, Engine
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock
from ewad.ingest.faults import Faults
from ewad.ingest.formats.json import parse_json
from ewad.ingest.formats.reasons import quote_payload
from ewad.ingest.formats.times import unix_seconds
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.topics import TopicTemplate

Points = list[tuple[float, float]]
LIST_KEY = "forecast"  # of a document that has more than the list


class Source(NamedTuple):
    """One topic of external forecasts of a group. number: among those of its model.

    pattern: of its topics.  brought: what its subscription brings, which may be more.
    """

    group: int
    number: int
    block: str
    template: str
    pattern: re.Pattern[str]
    brought: TopicTemplate


class ForecastTarget(NamedTuple):
    """Whom a forecast is for: a row of a group; number: of its source."""

    group: int
    row: int
    number: int


class ExternalTopics:
    """The topics of external forecasts of all blocks."""

    def __init__(self, blocks: Sequence[StreamSettings], max_payload_bytes: int) -> None:
        self._max_bytes = max_payload_bytes
        self._sources = [
            Source(
                group,
                number,
                block.name,
                template,
                _pattern(template),
                TopicTemplate.parse(parse_external(template).filter),
            )
            for group, block in enumerate(blocks)
            for number, template in enumerate(block.external)
        ]

    def takes(self, topic: str) -> bool:
        """Return whether a topic is one of these."""
        return any(source.pattern.fullmatch(topic) for source in self._sources)

    def near(self, topic: str) -> bool:
        """Return whether a topic is none of these, though their subscriptions bring it."""
        return any(source.brought.match(topic) is not None for source in self._sources)

    def explained(self, topic: str) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Yield the block, the template and the labels of each source that a topic is of."""
        for source in self._sources:
            if (matched := source.pattern.fullmatch(topic)) is not None:
                yield source.block, source.template, matched.groupdict()

    def hand_on(
        self, message: Message, arrival: float, engine: Engine, blocks: Sequence[StreamBlock], faults: Faults
    ) -> set[int]:
        """Let a forecast wait in the blocks of the streams that it is for; return which blocks those are."""
        try:
            points = self.points(message.payload, arrival)
            given = self.given(message.topic, engine)
        except DecodeError as error:
            faults.reject(message.topic, None, error)
            return set()
        for group, row, number in given:
            blocks[group].add_points(row, number, points, arrival)
        return {group for group, _, _ in given}

    def given(self, topic: str, engine: Engine) -> list[ForecastTarget]:
        """Return whom a forecast of this topic is for. Raises DecodeError if no stream is known yet."""
        found = [
            ForecastTarget(source.group, row, source.number)
            for source in self._sources
            if (matched := source.pattern.fullmatch(topic)) is not None
            for row in _rows(engine, source.group, matched.groupdict())
        ]
        if not found:
            raise DecodeError(
                "unknown_stream", "expected a stream that has had a sample, got none of that name"
            )
        return found

    def points(self, payload: bytes, arrival: float) -> Points:
        """Return the times and values of a forecast, ascending. Raises DecodeError."""
        if not payload:
            raise DecodeError("empty", "expected a list of {time, value}, got nothing")
        document = parse_json(payload, self._max_bytes)
        listed = document.get(LIST_KEY) if isinstance(document, dict) else document
        if not isinstance(listed, list):
            expected = f'expected a list of {{time, value}}, or a document with it as "{LIST_KEY}"'
            raise DecodeError("invalid_payload", f"{expected}, got {quote_payload(payload)}")
        if len(listed) > MOST_POINTS:
            raise DecodeError("too_many_points", f"expected at most {MOST_POINTS} points, got {len(listed)}")
        found = dict(point for each in listed if (point := _point(each, arrival)) is not None)
        return sorted(found.items())


def _pattern(template: str) -> re.Pattern[str]:
    """Return what matches the topics of a template, with its labels; {stream} may be several levels."""
    parts = re.split(r"\{([^{}]*)\}", template)
    found = [re.escape(part) if i % 2 == 0 else _group(part) for i, part in enumerate(parts)]
    return re.compile("".join(found))


def _group(label: str) -> str:
    return f"(?P<{label}>.+)" if label == "stream" else f"(?P<{label}>[^/]+)"


def _rows(engine: Engine, group: int, labels: dict[str, str]) -> Iterator[int]:
    """Yield the rows of the streams that a topic's labels mean."""
    streams = engine.groups[group].streams
    name = labels.pop("stream", None)
    if name is None:
        rows = range(len(streams))
    else:
        row = streams.find(name)
        rows = range(0) if row is None else range(row, row + 1)
    yield from (row for row in rows if labels.items() <= dict(streams.labels[row]).items())


def _point(raw: Any, arrival: float) -> tuple[float, float] | None:
    """Return time and value of an element; None if it says that one of them is not known."""
    if not isinstance(raw, dict) or not {"time", "value"} <= raw.keys():
        raise DecodeError("invalid_payload", f"expected {{time, value}}, got {_shown(raw)}")
    time, value = raw["time"], raw["value"]
    if time is None or value is None:
        return None
    seconds = unix_seconds(time, near=arrival) if type(time) in (int, float, str) else None
    if seconds is None or not math.isfinite(seconds):
        raise DecodeError("invalid_time", f'field "time": expected Unix time or RFC 3339, got {_shown(time)}')
    if type(value) not in (int, float):
        raise DecodeError("wrong_type", f'field "value": expected a number, got {_shown(value)}')
    if not abs(value) < VALUE_LIMIT:
        raise DecodeError("out_of_range", f'field "value": expected one within {VALUE_LIMIT:g}')
    return seconds, float(value)


def _shown(raw: Any) -> str:
    return quote_payload(msgspec.json.encode(raw))
