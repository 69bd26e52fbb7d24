"""Times of arrival: they go on by the monotonic clock, and follow the system clock where it is believed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("ewad.daemon")

# What readings of two clocks one after the other can be apart on a busy machine, and no step of a grid.
TOLERATED_SECONDS = 1.0
# Programs that set the clock are done within a few seconds, one that has set it wrongly may set it back.
STANDING_SECONDS = 10.0
# A daemon is seldom off for longer, and a clock that is wrong by its month, its year, its century or its
# battery is wrong by more.
ABSURD_SECONDS = 30 * 86_400.0
ABSURD_STANDING_SECONDS = 3600.0
# November 2023, before the first version of ewad: a clock that says less has not been set since it started.
UNSET = 1.7e9


class Arrivals(Protocol):
    """Times of arrival that are kept somewhere, Unix seconds: those of an engine, or of a log."""

    def newest_arrival(self, limit: float = ...) -> float | None:
        """Return the latest one up to the limit; None if there is none."""

    def move_times(self, seconds: float, now: float) -> None:
        """Move all by so many seconds, none of them past now."""


def elapsing() -> float:
    """Return seconds that no setting of the clock changes; on Linux those of a suspended machine count."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class ArrivalClock:
    """The time of arrival of what comes in now, Unix seconds.

    1. It goes on by the monotonic clock, whatever happens to the system clock.
    2. It starts from the system clock: the time since the newest arrival in the state has passed. It starts
       from that arrival instead if the system clock is behind it, is not set (UNSET), or is ahead of it by
       more than ABSURD_SECONDS.
    3. Times in the state that are ahead of the system clock by more than that are taken for the present.
    4. A step of the system clock, found by `due`, is told, and so is its way back. When it has stood for
       STANDING_SECONDS, an absurd one for ABSURD_STANDING_SECONDS, the state's times of arrival are to move
       by it (`Engine.move_times`), and this clock with them (`follow`), which is told, too: times are those
       of the system clock again, and the time between two samples is what has passed, not what the clock
       was set by.
    5. A clock that is not set is not followed; from one that was not, a step is followed at once.

    wall: the system clock, Unix seconds.  monotonic: seconds that never go back.
    moved: the arguments of `Engine.move_times` where rule 3 took times for the present, else None.
    """

    def __init__(
        self,
        engine: Arrivals,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = elapsing,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        start, self.moved = _start(engine, wall())
        self._offset = start - monotonic()
        self._step = 0.0  # by which the system clock is ahead, if by more than is tolerated
        self._since = 0.0  # when that was found

    def now(self) -> float:
        """Return the time of arrival of what arrives now: never less than before, but by `follow`."""
        return self._monotonic() + self._offset

    def due(self) -> float | None:
        """Return by how many seconds times of arrival are to move now, None: not now. To be asked often."""
        monotonic, wall = self._monotonic(), self._wall()
        now = monotonic + self._offset
        step = wall - now
        if abs(step) <= TOLERATED_SECONDS:
            if self._step:
                log.warning("system clock set back: times of arrival have gone on without the step")
            self._step = 0.0
            return None
        if abs(step - self._step) > TOLERATED_SECONDS:
            self._step, self._since = step, monotonic
            _tell(step, wall)
        if wall < UNSET:
            return None
        standing = 0.0 if now < UNSET else _standing(step)
        return step if monotonic - self._since >= standing else None

    def follow(self, seconds: float) -> None:
        """Move by what was due."""
        self._offset += seconds
        self._step = 0.0
        log.info("system clock followed step_seconds=%+.1f: times of arrival have moved by it", seconds)


def _tell(step: float, wall: float) -> None:
    then = "" if wall < UNSET else f", and follow it once it has stood for {_standing(step):g} s"
    log.warning("system clock set step_seconds=%+.1f: times of arrival go on without it%s", step, then)


def _standing(step: float) -> float:
    return STANDING_SECONDS if abs(step) <= ABSURD_SECONDS else ABSURD_STANDING_SECONDS


def _start(engine: Arrivals, wall: float) -> tuple[float, tuple[float, float] | None]:
    """Return the time to start from, and what times were moved by: rules 2 and 3 of ArrivalClock."""
    newest = engine.newest_arrival()
    if newest is None or (0.0 <= wall - newest <= ABSURD_SECONDS and wall >= UNSET):
        return wall, None
    if wall < UNSET or newest <= wall + ABSURD_SECONDS:
        return newest, None
    credible = engine.newest_arrival(wall + ABSURD_SECONDS)
    present = wall if credible is None else max(wall, credible)
    ahead = newest - wall
    log.warning("state ahead of the system clock seconds=%.0f: such times are taken for the present", ahead)
    engine.move_times(0.0, present)
    return present, (0.0, present)
