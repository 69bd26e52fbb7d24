"""Streams that leave in great number do so in pieces, with the event loop's turns between."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ewad.engine import Forgotten, Leaving
from ewad.ingest.intake import Intake

log = logging.getLogger("ewad.daemon")

TURN_SECONDS = 0.005  # of forgetting, after which the event loop has its turn; a commit may come in the same
# Streams of a group at a time. Each time costs a look at all of the group: 3 ms with 100,000 streams. A
# stream of `auto` takes 0.1 ms, most of it to move another one into its place.
FIRST_PIECE = 16
LARGEST_PIECE = 2048
MOST_TOLD = 10  # groups, a log line each; more are told in one


class Forgetting:
    """What is to be forgotten, and how much of it fits into a turn. more: whether anything is left."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.more = False
        self._clock = clock
        self._leaving: Iterator[Leaving | None] = iter(())
        self._rest: Leaving | None = None  # of a group, not forgotten yet
        self._piece = FIRST_PIECE
        self._forgotten: Counter[int] = Counter()  # streams, by group

    def begin(self, leaving: Iterator[Leaving | None]) -> None:
        """Begin with others. leaving: None where it may end a turn."""
        self._leaving, self._rest, self.more = leaving, None, True
        self._forgotten.clear()

    def drop(self) -> None:
        """Give up what is left: rows are not those of this engine any more."""
        self._rest, self.more = None, False

    def some(self, intake: Intake) -> list[Forgotten]:
        """Forget for a turn, at rest; return what was done."""
        done: list[Forgotten] = []
        end = self._clock() + TURN_SECONDS
        while self.more and self._clock() < end:
            done += self._next(intake)
        for each in done:
            self._forgotten[each.group] += len(each.streams)
        return done

    def _next(self, intake: Intake) -> list[Forgotten]:
        """Forget one piece."""
        try:
            leaving = self._rest or next(self._leaving)
        except StopIteration:
            self.more = False
            return []
        if leaving is None:
            return []
        started = self._clock()
        piece, rest = leaving.split(self._piece)
        self._rest = rest if rest.streams else None
        done = intake.let_go(piece)
        self._aim(len(piece.streams), self._clock() - started)
        return done

    def _aim(self, n: int, taken: float) -> None:
        """Let the next piece be as large as a turn allows: this one, of n streams, took so many seconds."""
        if taken > TURN_SECONDS:
            self._piece = max(1, n // 2)
        elif n == self._piece and taken < TURN_SECONDS / 2:
            self._piece = min(2 * self._piece, LARGEST_PIECE)

    def tell(self, names: Sequence[str]) -> None:
        """Log how many streams were forgotten since the beginning. names: of the groups."""
        found = self._forgotten
        for group, n in found.items() if len(found) <= MOST_TOLD else ():
            log.info("streams forgotten group=%s streams=%d", names[group], n)
        if len(found) > MOST_TOLD:
            log.info("streams forgotten groups=%d streams=%d", len(found), found.total())
        found.clear()
