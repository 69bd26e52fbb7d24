"""What was at the same slot of a day, a week or another period before: values, and what forecasts missed.

Values are remembered by the level, the sum of all changes but outliers: what was before a step is as good as
what came after it. Time is cut into bins, each as wide as the stream's interval, or wider where a ring has
not as many as a period is long. What several samples of a bin say is averaged; between two bins their
contents are interpolated.
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.calendar import CalendarKernel
from ewad.kernels.memory import Floats, Singles
from ewad.kernels.sample import Sample

NAN = float("nan")
# A change of more scales is an outlier.
OUTLIER_LIMIT = 20.0
# Where the scale is so many times what it was, or was so many times what it is, as after a change of unit,
# the memory begins anew.
OTHER_UNIT = 5.0
DAY = 86_400.0
WEEK = 604_800.0
# Intervals that differ by less are alike. The interval of a stream is the one that its samples have voted for
# so often more than against; where that is so much another one, the memory begins anew.
ALIKE = 0.1
MOST_VOTES = 100.0
ENOUGH = 8.0
CHANGED = 0.2
USEFUL = 1.5  # intervals: a shorter period has nothing to tell
EXACT = 1e-6  # of a bin: so near to its centre there is nothing to interpolate
FARTHEST = 1e15  # bins from the first: past it numbers of bins are no longer exact
# What is usual at a slot is averaged over about the last 1 / (1 - 0.8) = 5 periods.
USUAL_BETA = 0.8
# Levels are kept as what they are off a base, which follows where a stream has moved on by so many scales: a
# single's 24 bits tell a thousandth of a scale then.
MOVED_ON = 16_384.0
NOWHERE = -1
N_KEPT = 2  # of each bin: the value, and what is usual at its slot


class SlotsKernel:
    """What each stream had at the slots of the last of its periods.

    Rows: last: the newest value as believed.  level: the sum of changes up to it.  recent: (n_recent,) the
    last levels, by the number of their sample.  unit: the scale when the memory began.  interval, votes: the
    candidate for the stream's interval, and its lead.  every: the interval when the memory began, 0: not yet.
    origin: the centre of bin 0.  newest: the time of the last sample.  period: (n,) 0: there is none.  head,
    filled: (n,) the newest bin, and how many samples it has.  kept: (n, n_values, 2) as rings of levels, off
    base.
    error_head, error_filled: (n,) alike.  errors: (n, n_anchors, n_errors) of some horizons, the anchors, as
    rings.
    """

    def __init__(
        self,
        periods: Floats,
        n: int,
        counts: bool,
        horizons: tuple[int, ...],
        anchors: tuple[int, ...],
        n_values: int,
        n_errors: int,
        calendar: CalendarKernel | None,
    ) -> None:
        """periods: ascending, in seconds, or in samples if counts; the first n of use are remembered.

        anchors: some of the horizons; the others have the errors of the nearest of them.
        """
        self.n, self.n_known, self.n_anchors = n, len(periods), len(anchors)
        self.n_values, self.n_errors = n_values, n_errors
        self.n_recent = max(horizons) + 1
        self.counts = 1 if counts else 0
        self.has_calendar = 0 if calendar is None else 1
        self.calendar = calendar
        nearest = [min(range(len(anchors)), key=lambda a: abs(math.log(anchors[a] / h))) for h in horizons]
        self.arrays, self.numbers = periods, np.array(nearest, dtype=np.int64)
        self.known, self.anchor = memory.doubles(self.arrays), memory.integers(self.numbers)
        self.clock = self.step = self.now = self.value = self.usual = self.share = 0.0
        self.low = self.high = NOWHERE
        # Of the sample at hand and each period: how wide bins are; two moments, and what was found there.
        self.scratch = np.zeros(n), np.zeros(n), np.zeros(2 * n), np.zeros(2 * n), np.zeros(2 * n)
        self.width, self.error_width = memory.doubles(self.scratch[0]), memory.doubles(self.scratch[1])
        self.moments = memory.doubles(self.scratch[2])
        self.values, self.usuals = memory.doubles(self.scratch[3]), memory.doubles(self.scratch[4])

    def bind(
        self,
        last: Floats,
        level: Floats,
        recent: Floats,
        unit: Floats,
        interval: Floats,
        votes: Floats,
        every: Floats,
        origin: Floats,
        newest: Floats,
        period: Floats,
        head: Floats,
        filled: Floats,
        base: Floats,
        kept: Singles,
        error_head: Floats,
        error_filled: Floats,
        errors: Singles,
    ) -> None:
        """Work on these arrays from now on."""
        self.last, self.level = memory.doubles(last), memory.doubles(level)
        self.recent, self.unit = memory.doubles(recent), memory.doubles(unit)
        self.interval, self.votes = memory.doubles(interval), memory.doubles(votes)
        self.every, self.origin = memory.doubles(every), memory.doubles(origin)
        self.newest, self.period = memory.doubles(newest), memory.doubles(period)
        self.head, self.filled = memory.doubles(head), memory.doubles(filled)
        self.base, self.kept = memory.doubles(base), memory.singles(kept)
        self.error_head, self.error_filled = memory.doubles(error_head), memory.doubles(error_filled)
        self.errors = memory.singles(errors)

    def see(self, s: Sample) -> None:
        """Look at the value and the clock: `now`, the level, `clock`, and `step`, the stream's interval; 0:
        nothing is remembered yet.
        """
        row = s.row
        self.follow(s)
        self.clock = float(s.number) if self.counts else s.local
        elapsed = self.clock - self.newest[row]
        self.newest[row] = self.clock
        if s.number > 0 and elapsed > 0.0:
            self.vote(s, elapsed)
        self.step = self.every[row]
        if self.step > 0.0:
            if self.votes[row] >= ENOUGH:
                self.step = self.interval[row]
            far = 0 if (self.clock - self.origin[row]) / self.step < FARTHEST else 1
            if far or s.scale > OTHER_UNIT * self.unit[row] or self.unit[row] > OTHER_UNIT * s.scale:
                self.begin(s)
        for k in range(self.n):
            period = self.period[row * self.n + k]
            self.width[k] = max(self.every[row], period / float(self.n_values - 2))
            self.error_width[k] = max(self.every[row], period / float(self.n_errors - 2))
        self.look_anew()

    def look_anew(self) -> None:
        """Let nothing that was found before stand: the sample is another one, or the memory has changed."""
        for m in range(2 * self.n):
            self.moments[m] = NAN

    def follow(self, s: Sample) -> None:
        """Let the level follow the value as believed, but for outliers."""
        change = s.steady - self.last[s.row]
        if abs(change) <= OUTLIER_LIMIT * s.scale:
            self.level[s.row] += change
        self.last[s.row] = s.steady
        self.now = self.level[s.row]
        self.recent[s.row * self.n_recent + s.number % self.n_recent] = self.now

    def level_before(self, s: Sample, steps: int) -> float:
        """Return the level so many samples before this one, at most the farthest horizon; NaN: not known."""
        if steps > s.number:
            return NAN
        return self.recent[s.row * self.n_recent + (s.number - steps) % self.n_recent]

    def vote(self, s: Sample, elapsed: float) -> None:
        """Let the time since the sample before vote for the stream's interval."""
        row = s.row
        difference = elapsed - self.interval[row]
        if abs(difference) <= ALIKE * self.interval[row]:
            self.votes[row] = min(self.votes[row] + 1.0, MOST_VOTES)
            self.interval[row] += difference / self.votes[row]
        elif self.votes[row] >= 1.0:
            self.votes[row] -= 1.0
        else:
            self.interval[row] = elapsed
            self.votes[row] = 1.0
        if self.votes[row] >= ENOUGH and not (
            abs(self.interval[row] - self.every[row]) <= CHANGED * self.every[row]
        ):
            self.begin(s)

    def begin(self, s: Sample) -> None:
        """Begin to remember, at the interval found."""
        row = s.row
        self.unit[row] = s.scale
        self.every[row] = self.interval[row]
        self.origin[row] = self.clock
        self.base[row] = self.now
        first, found = row * self.n, 0
        for o in range(first, first + self.n):
            self.period[o] = 0.0
            self.head[o] = 0.0
            self.filled[o] = 0.0
            self.error_head[o] = 0.0
            self.error_filled[o] = 0.0
        for k in range(self.n_known):
            if found < self.n and self.known[k] >= USEFUL * self.every[row]:
                self.period[first + found] = self.known[k]
                found += 1
        size = self.n_values * N_KEPT
        for k in range(first * size, (first + self.n) * size):
            self.kept[k] = NAN
        size = self.n_anchors * self.n_errors
        for k in range(first * size, (first + self.n) * size):
            self.errors[k] = NAN

    def keep(self, s: Sample, missed: Floats) -> None:
        """Remember a sample, and what forecasts had missed it by.

        missed: (n_anchors,) NaN where there was no forecast.  Of an outlier nothing is remembered.
        """
        outlier = 1 if s.value != s.steady else 0
        if abs(self.now - self.base[s.row]) > MOVED_ON * s.scale:
            self.move_on(s.row)
        for k in range(self.n):
            if self.step > 0.0 and self.period[s.row * self.n + k] > 0.0:
                self.keep_value(s, k, outlier)
                self.keep_errors(s, k, outlier, missed)
        self.look_anew()

    def move_on(self, row: int) -> None:
        """Keep levels as what they are off the present one."""
        moved = self.base[row] - self.now
        size = self.n_values * N_KEPT
        for k in range(row * self.n * size, (row + 1) * self.n * size):
            self.kept[k] = float(self.kept[k]) + moved
        self.base[row] = self.now

    def keep_value(self, s: Sample, k: int, outlier: int) -> None:
        """Remember the level, and what is usual at its slot."""
        now, o = self.now - self.base[s.row], s.row * self.n + k
        size, ring, width = self.n_values, o * self.n_values * N_KEPT, self.width[k]
        b = math.floor((self.clock - self.origin[s.row]) / width + 0.5)
        usual = self.look(self.kept, ring + 1, size, N_KEPT, self.head[o], b - self.period[o] / width)
        if not outlier:
            usual = now + USUAL_BETA * (usual - now) if usual == usual else now
        self.filled[o] = self.filled[o] + 1.0 if b == self.head[o] else 1.0
        for each in range(N_KEPT):
            self.clear(self.kept, ring + each, size, N_KEPT, self.head[o], b)
        self.carry(o, ring + 1, width, b)
        self.head[o] = b
        at = ring + memory.whole(b) % size * N_KEPT
        if not outlier:
            self.average(self.kept, at, now, self.filled[o])
        self.average(self.kept, at + 1, usual, self.filled[o])

    def keep_errors(self, s: Sample, k: int, outlier: int, missed: Floats) -> None:
        """Remember what forecasts had missed a sample by."""
        size, o = self.n_errors, s.row * self.n + k
        b = math.floor((self.clock - self.origin[s.row]) / self.error_width[k] + 0.5)
        self.error_filled[o] = self.error_filled[o] + 1.0 if b == self.error_head[o] else 1.0
        for a in range(self.n_anchors):
            ring = (o * self.n_anchors + a) * size
            self.clear(self.errors, ring, size, 1, self.error_head[o], b)
            if not outlier:
                self.average(self.errors, ring + memory.whole(b) % size, missed[a], self.error_filled[o])
        self.error_head[o] = b

    def clear(self, ring: Singles, o: int, size: int, every: int, head: float, b: float) -> None:
        """Forget what stands where the bins after the newest one so far, up to b, come to be.

        Of a ring, which begins at o, each so many numbers belong together.
        """
        for k in range(memory.whole(max(head + 1.0, b - float(size) + 1.0)), memory.whole(b) + 1):
            ring[o + k % size * every] = NAN

    def carry(self, o: int, ring: int, width: float, b: float) -> None:
        """Let what is usual at the slots of a gap, before the bin b, stand as it was a period before."""
        size, back = self.n_values, self.period[o] / width
        for k in range(memory.whole(max(self.head[o] + 1.0, b - float(size) + 1.0)), memory.whole(b)):
            usual = self.look(self.kept, ring, size, N_KEPT, float(k - 1), float(k) - back)
            self.kept[ring + k % size * N_KEPT] = usual

    def average(self, ring: Singles, at: int, x: float, filled: float) -> None:
        """Let x count in the mean that stands at a place; NaN does not."""
        if x == x:
            mean = float(ring[at])
            ring[at] = mean + (x - mean) / filled if mean == mean else x

    def look(self, ring: Singles, o: int, size: int, every: int, head: float, p: float) -> float:
        """Return what a ring has at the place p, in bins; NaN if nothing."""
        self.find(size, head, p)
        return self.found(ring, o, every)

    def find(self, size: int, head: float, p: float) -> None:
        """Find the bins of a ring that a place lies between: `low` and `high`, and its share of the way."""
        self.low = NOWHERE
        self.high = NOWHERE
        if p >= 0.0 and p > head - float(size) and p < head + 1.0:
            low = float(memory.whole(p))
            at = memory.whole(p) % size
            self.share = p - low
            if low > head - float(size):
                self.low = at
            if low < head:
                self.high = at + 1 if at + 1 < size else 0

    def found(self, ring: Singles, o: int, every: int) -> float:
        """Return what a ring has at the place found last."""
        before = NAN
        after = NAN
        if self.low != NOWHERE:
            before = float(ring[o + self.low * every])
        if self.high != NOWHERE:
            after = float(ring[o + self.high * every])
        if self.share < EXACT or after != after:
            return before
        if self.share > 1.0 - EXACT or before != before:
            return after
        return before + self.share * (after - before)

    def back(self, row: int, k: int, ahead: float, target: float) -> float:
        """Return the last moment that is whole periods before a target, and no later than its forecast, which
        was made so long ahead.
        """
        period = self.period[row * self.n + k]
        before = math.ceil(ahead / period - EXACT) * period if ahead > period else period
        slot = target - before
        return self.like(slot, ahead, target) if self.has_calendar and period == WEEK else slot

    def like(self, slot: float, ahead: float, target: float) -> float:
        """Return the slot of the last day that was like the target's: a holiday is like a Sunday.

        slot: whole weeks before the target.
        """
        if self.calendar.is_holiday(target):
            weekday = math.floor(target / DAY) + 4.0  # 1970 began on a Thursday
            since = DAY * (weekday - 7.0 * math.floor(weekday / 7.0))  # since Sunday
            return target - since if since > 0.0 and since >= ahead else slot - since
        for _ in range(3):
            if self.calendar.is_holiday(slot):
                slot -= WEEK
        return slot

    def look_up(self, row: int, k: int, which: int, time: float) -> None:
        """Find `value` and `usual`, levels, of a moment in the k-th period's memory.

        which: of the two moments that are kept, 0 or 1.  For many horizons one of both is the same.
        """
        m = 2 * k + which
        if self.moments[m] != time:
            o, base = row * self.n + k, self.base[row]
            ring = o * self.n_values * N_KEPT
            self.find(self.n_values, self.head[o], (time - self.origin[row]) / self.width[k])
            self.moments[m] = time
            self.values[m] = base + self.found(self.kept, ring, N_KEPT)
            self.usuals[m] = base + self.found(self.kept, ring + 1, N_KEPT)
            if self.values[m] != self.values[m]:  # there was a gap
                self.values[m] = self.usuals[m]
        self.value, self.usual = self.values[m], self.usuals[m]

    def error_at(self, row: int, k: int, i: int, time: float) -> float:
        """Return what a moment was missed by, forecast over the i-th horizon."""
        o = row * self.n + k
        ring = (o * self.n_anchors + self.anchor[i]) * self.n_errors
        self.find(self.n_errors, self.error_head[o], (time - self.origin[row]) / self.error_width[k])
        return self.found(self.errors, ring, 1)
