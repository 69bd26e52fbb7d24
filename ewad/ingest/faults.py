"""What is told of messages without a sample, or with one at another time: counted, logged once a kind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from ewad.config.syntax import quoted
from ewad.engine.group import Group
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock
from ewad.ingest.formats.reasons import REASONS, too_far_ahead
from ewad.ingest.formats.records import PayloadRecord
from ewad.ingest.formats.times import zone_offset
from ewad.ingest.requests import Requests

log = logging.getLogger("ewad.ingest.intake")
BOUNDED = {"bounded": True}  # once for each reason, block or limit: not to be held back as a repetition

LOGGED_TOPIC = 200  # characters of a topic that a log line or an explanation shows
STEADY = 5  # messages of a topic in a row with times equally far from arrival: no chance, and no backlog
QUIET_REASONS = ("retained", "stream_limit")  # no fault of the publisher's; the limit has a line of its own


class Rejection(NamedTuple):
    """A message that was not used: its topic, or of a late sample its stream; its block and field."""

    topic: str
    block: str
    field: str


class Faults:
    """Counts of messages of which something was refused, by reason; all of REASONS from the start.

    last: one of each reason, the newest; of late ones the first of the block that was late last.
    ahead: samples that counted at their arrival because their time was too far ahead.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(REASONS, 0)
        self.last: dict[str, Rejection] = {}
        self.requests = Requests()
        self.ahead = 0
        self._ahead_logged: set[str] = set()
        self._suspects: dict[str, tuple[str, float, int]] = {}  # block -> topic, its offset, how many times
        self._zones_logged: set[str] = set()
        self._absent_logged: set[str] = set()
        self._late_logged: set[str] = set()
        self._inputs_logged: set[tuple[str, str]] = set()
        self._limits_logged: set[str] = set()

    def go_on_from(self, other: Faults) -> None:
        """Go on counting where others end."""
        self.counts.update(other.counts)
        self.last.update(other.last)
        self.ahead = other.ahead
        self._ahead_logged |= other._ahead_logged
        self._zones_logged |= other._zones_logged
        self._absent_logged |= other._absent_logged
        self._late_logged |= other._late_logged
        self._inputs_logged |= other._inputs_logged
        self._limits_logged |= other._limits_logged

    def reject(self, topic: str, block: StreamBlock | None, error: DecodeError) -> None:
        """Count a message under its reason; the first one is a warning without the payload."""
        if block is not None:
            self.requests.note(topic, block, error.reason)
        first = not self.counts[error.reason]
        self.counts[error.reason] += 1
        name = "" if block is None else block.settings.name
        self.last[error.reason] = Rejection(topic[:LOGGED_TOPIC], name, error.field[:LOGGED_TOPIC])
        if first and error.reason not in QUIET_REASONS:
            # REASONS' words, not the error's: those show the payload
            log.warning(
                "message rejected topic=%s block=%s field=%s reason=%s why=%s"
                " (further ones are counted, and logged at debug)",
                quoted(topic, LOGGED_TOPIC),
                quoted(name),
                quoted(error.field, LOGGED_TOPIC),
                error.reason,
                quoted(REASONS[error.reason], 200),
                extra=BOUNDED,
            )
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "message rejected topic=%s block=%s reason=%s: %s",
                quoted(topic, LOGGED_TOPIC),
                quoted(name),
                error.reason,
                error,
            )

    def note_absent(self, topic: str, block: StreamBlock, error: DecodeError) -> None:
        """Say once for each block that a message has none of its fields: no fault, or a wrong path."""
        if block.settings.name not in self._absent_logged:
            self._absent_logged.add(block.settings.name)
            log.info(
                "field absent topic=%s block=%s field=%s (no fault; further ones are counted as absent)",
                quoted(topic, LOGGED_TOPIC),
                quoted(block.settings.name),
                quoted(error.field, LOGGED_TOPIC),
            )

    def may_note_late(self, block: StreamBlock) -> bool:
        """Return whether no late sample of the block has been told yet."""
        return block.settings.name not in self._late_logged

    def note_late(self, block: StreamBlock, stream: str, seconds: float) -> None:
        """Say that a stream's sample was older than its newest one, by so many seconds."""
        self._late_logged.add(block.settings.name)
        self.last["out_of_order"] = Rejection(stream[:LOGGED_TOPIC], block.settings.name, "")
        log.warning(
            "sample dropped stream=%s block=%s reason=out_of_order why=%s (further ones are counted)",
            quoted(stream, LOGGED_TOPIC),
            quoted(block.settings.name),
            quoted(
                f"it is {seconds:.3f} s older than the newest of its stream: is a clock or time_zone wrong?"
                ' out_of_order = "accept" takes it',
                200,
            ),
            extra=BOUNDED,
        )

    def note_ahead(self, topic: str, block: StreamBlock, seconds: float) -> None:
        """Count a sample whose time is so many seconds ahead; the first one of a block is a warning."""
        self.ahead += 1
        if block.settings.name not in self._ahead_logged:
            self._ahead_logged.add(block.settings.name)
            log.warning(
                "sample counts at its arrival topic=%s block=%s why=%s (further ones are counted)",
                quoted(topic, LOGGED_TOPIC),
                quoted(block.settings.name),
                quoted(too_far_ahead(seconds, block.settings.max_ahead_seconds), 200),
                extra=BOUNDED,
            )

    def note_times(
        self, topic: str, block: StreamBlock, records: Sequence[PayloadRecord], arrival: float
    ) -> None:
        """Say once for each block that times are constantly as far from their arrival as zones differ.

        Of a block's topics one is watched, from a time that is off to one that is not as far off.
        """
        name = block.settings.name
        if name in self._zones_logged:
            return
        suspect, before, n = self._suspects.get(name, (topic, 0.0, 0))
        if topic != suspect:
            return
        time = next((each.time for each in records if isinstance(each.value, float)), None)
        if time is None:
            return
        ahead = time > arrival + block.settings.max_ahead_seconds  # is told by note_ahead
        offset = 0.0 if ahead else zone_offset(time, arrival)
        if not offset or (n and offset != before):
            self._suspects.pop(name, None)
            return
        n += 1
        self._suspects[name] = topic, offset, n
        if n == STEADY:
            self._zones_logged.add(name)
            log.warning(
                "times are off topic=%s block=%s why=%s (said once)",
                quoted(topic, LOGGED_TOPIC),
                quoted(name),
                quoted(
                    f"{STEADY} times in a row were {abs(offset) / 3600.0:g} h"
                    f" {'before' if offset < 0.0 else 'after'} their arrival: set time_zone to the"
                    " device's zone, or its clock right",
                    200,
                ),
                extra=BOUNDED,
            )

    def note_missing_inputs(self, groups: Sequence[Group]) -> None:
        """Say once of each input that no stream of its group has its name."""
        missing = ((group.name, name) for group in groups for name in group.missing_inputs())
        for block, name in (each for each in missing if each not in self._inputs_logged):
            self._inputs_logged.add((block, name))
            log.warning(
                "input missing block=%s input=%s why=%s",
                quoted(block),
                quoted(name, LOGGED_TOPIC),
                quoted("no stream of this block has that name: does one of its topics take it?"),
                extra=BOUNDED,
            )

    def note_limit(self, topic: str, block: StreamBlock, limit: int) -> None:
        """Say once for each limit that a stream was refused."""
        own = block.settings.max_streams is not None
        key = f'stream "{block.settings.name}".max_streams' if own else "limits.max_streams"
        told = f"{key}={limit}"
        if told not in self._limits_logged:
            self._limits_logged.add(told)
            log.warning(
                "stream refused topic=%s %s (further ones are counted)",
                quoted(topic, LOGGED_TOPIC),
                told,
                extra=BOUNDED,
            )
