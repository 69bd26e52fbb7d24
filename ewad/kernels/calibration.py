"""How far to follow a forecast away from persistence: not at all where chance could have made it look right.

On a random walk nothing can be learnt, yet of several forecasts by many features one looks right for a while.
So what forecasts promised is regressed on what came. A forecast is followed from 1.7 standard errors of that
regression on, from 2.7 on by its whole slope: what promises twice of what comes is followed half.
Sources: Mincer & Zarnowitz 1969 (the slope of a forecast, here without an intercept); White 1980 (its
standard error where noise comes and goes); Lo & MacKinlay 1988 (the variance ratio: how far changes over many
steps are sums of unrelated changes over one, and how it scatters).
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats
from ewad.kernels.sample import Sample

# Changes are bounded, in scales times the root of the horizon: a spike must not outweigh the whole record.
CHANGE_LIMIT = 3.0
# A jump to where a stream has been before, so many samples ago or more, is no accident: a tank is filled up
# again, and forecasts that followed its fall lose by it. It counts as far as this.
WIDE = 30.0
SETTLED = 100
# Values that hardly ever move have no level that they keep to, nor a season of a year.
EVEN = 0.05
# Trust grows from 0 to 1 over the last standard error before this many.
CHANCE = 2.7
# Whether there is anything in the forecasts is asked of about the last 5,000 samples, how much of it of the
# last 250, and of the last third of them while they are few.
RECORD_BETA = 0.9998
RECENT_BETA = 0.996
YOUNG = 3.0
# Sums of squares forget slowly that a pattern has stopped. So what was farther off than persistence in 96 %
# of about the last 50 samples is not followed, from 90 % on less: by the sum of 1 where it was farther off,
# and of -1 where not. What promises nothing is neither, nor is what was twice as far as what came.
LOST_BETA = 0.98
LOST = 46.0
LOSING = 6.0
# A slope is as large as half a standard error above it allows: few samples are no reason to hold back.
BENEFIT = 0.5
# Who has only seen a stream keep to a range can't know whether it comes back from outside, or has stepped
# to a new level. So from there a forecast goes back by no more than so much of the range's width; or so many
# scales, where that is more, as after a change of unit.
BACK = 0.75
BACK_SCALES = 3.0
# Samples more than half a day apart may have a season that takes a year: it has to be believed before it has
# been seen twice. In the first two years they are not held back while they keep to a level: while of 100
# walks, at any sample of theirs, one has so small a variance ratio.
DAY = 86_400.0
SEASONAL_INTERVAL = DAY / 2.0
TWO_YEARS = 2.0 * 365.25 * DAY
RARE = 2.33
# A record of hundreds of samples says hardly anything else after a few more: the share is worked out at each
# fourth sample of a stream, and stands until the next.
STANDS = 4
TINY = 1e-300

# The sums of a record.
PROMISED = 0
CAME = 1
AGREED = 2
SPREAD = 3
WEIGHT = 4
LATELY = 5
RIGHTLY = 6
LOSSES = 7
N_SUMS = 8
N_RANGES = 3


class CalibrationKernel:
    """The record of what forecasts of each stream and horizon promised, and what came.

    Rows: record: (8, n_horizons) discounted sums of promised**2, came**2, promised * came, its square, and of
    ones; then more quickly discounted ones of promised**2 and promised * came; then of 1 where persistence
    was nearer, of -1 where the forecast was.
    share: (n_horizons,) how much of its change a forecast is followed by.
    began: the time of the first sample, Unix seconds.
    low, high: (3,) the range of the stream: the one that counts, the one that will, and up to now.
    """

    def __init__(self, horizons: tuple[int, ...]) -> None:
        self.n, self.farthest = len(horizons), max(horizons[-1], SETTLED)
        # Each horizon is compared with the farthest one of half of it at most; 0: there is none.
        near = [max((other for other in horizons if 2 * other <= each), default=0) for each in horizons]
        at = [horizons.index(each) if each else i for i, each in enumerate(near)]
        self.arrays = np.array(horizons, dtype=np.float64), np.array(near, dtype=np.float64)
        self.horizons = memory.doubles(self.arrays[0])
        self.near = memory.doubles(self.arrays[1])
        self.places = np.array(at, dtype=np.int64)
        self.at = memory.integers(self.places)

    def bind(self, record: Floats, share: Floats, began: Floats, low: Floats, high: Floats) -> None:
        """Work on these arrays from now on."""
        self.record, self.share = memory.doubles(record), memory.doubles(share)
        self.began = memory.doubles(began)
        self.low, self.high = memory.doubles(low), memory.doubles(high)

    def observe(self, s: Sample, promised: Floats, came: Floats, smallest: float) -> None:
        """Call `take` for all horizons, and `work_out`, from Python.  promised, came: (n_horizons,)."""
        changes, moves = memory.doubles(promised), memory.doubles(came)
        self.bound(s)
        for i in range(self.n):
            self.take(s, i, changes[i], moves[i], self.seen(s, s.value), smallest)
        self.work_out(s)

    def take(self, s: Sample, i: int, promised: float, came: float, inside: int, smallest: float) -> None:
        """Note, for the i-th horizon, the change that was forecast for a sample, and the one that came.

        In scales times the root of the horizon; NaN: unknown.  inside: whether the stream had been before
        where it came from and where it is.  smallest: the least difference that is one.
        """
        known = 1.0 if promised + came == promised + came else 0.0
        if known > 0.0:
            promised = self.bounded(promised, smallest, CHANGE_LIMIT)
            came = self.bounded(came, smallest, WIDE if inside else CHANGE_LIMIT)
        else:
            promised = 0.0
            came = 0.0
        young = 1.0 - YOUNG / (float(s.number) + (YOUNG + 1.0))
        n, decay, quick = self.n, min(RECORD_BETA, young), min(RECENT_BETA, young)
        o = s.row * N_SUMS * n + i
        agreed = promised * came
        self.add(o + PROMISED * n, decay, promised * promised)
        self.add(o + CAME * n, decay, came * came)
        self.add(o + AGREED * n, decay, agreed)
        self.add(o + SPREAD * n, decay, agreed * agreed)
        self.add(o + WEIGHT * n, decay, known)
        self.add(o + LATELY * n, quick, promised * promised)
        self.add(o + RIGHTLY * n, quick, agreed)
        lost = 0.0
        nearer = promised - 2.0 * came  # times promised: the difference of squared errors
        if promised != 0.0 and abs(nearer) >= smallest:
            lost = 1.0 if promised * nearer > 0.0 else -1.0
        self.add(o + LOSSES * n, min(LOST_BETA, young), lost)

    def bounded(self, change: float, smallest: float, limit: float) -> float:
        """Return a change without rounding or excess."""
        if abs(change) < smallest:
            return 0.0
        return min(max(change, -limit), limit)

    def add(self, place: int, decay: float, term: float) -> None:
        """Add a term to a discounted sum."""
        self.record[place] = decay * self.record[place] + term

    def work_out(self, s: Sample) -> None:
        """Work the shares out, at each fourth sample of a stream, when all horizons have been noted."""
        self.widen(s)
        if s.number % STANDS:
            return
        if self.began[s.row] != self.began[s.row]:
            self.began[s.row] = s.time
        elapsed = s.time - self.began[s.row]
        unseen = 1 if elapsed > SEASONAL_INTERVAL * float(s.number) and elapsed < TWO_YEARS else 0
        if s.evenness < EVEN:
            unseen = 0
        for i in range(self.n):
            self.share[s.row * self.n + i] = self.share_of(s, i, unseen)

    def widen(self, s: Sample) -> None:
        """Let the range know of a sample. It counts from one farthest horizon later on, or two."""
        o = s.row * N_RANGES
        if s.number % self.farthest == 0:
            self.low[o] = self.low[o + 1]
            self.high[o] = self.high[o + 1]
            self.low[o + 1] = self.low[o + 2]
            self.high[o + 1] = self.high[o + 2]
        self.low[o + 2] = min(self.low[o + 2], s.steady)
        self.high[o + 2] = max(self.high[o + 2], s.steady)

    def bound(self, s: Sample) -> None:
        """Fill in the range of where the stream had been a farthest horizon before."""
        s.lowest = self.low[s.row * N_RANGES]
        s.highest = self.high[s.row * N_RANGES]

    def seen(self, s: Sample, last: float) -> int:
        """Return whether the stream had been where it is, and at `last`, a farthest horizon before."""
        return 1 if s.lowest <= min(s.value, last) and max(s.value, last) <= s.highest else 0

    def follow(self, s: Sample, i: int, change: float) -> float:
        """Return how much of a change, forecast for the i-th horizon, is followed."""
        above = 1 if s.value > s.highest and change < 0.0 else 0
        below = 1 if s.value < s.lowest and change > 0.0 else 0
        if (above or below) and s.lowest <= s.highest:  # else no range is known yet
            farthest = max(BACK * (s.highest - s.lowest), BACK_SCALES * s.scale)
            change = min(max(change, -farthest), farthest)
        return self.share[s.row * self.n + i] * change

    def share_of(self, s: Sample, i: int, unseen: int) -> float:
        """Return the share of the i-th horizon: trust, as evidence allows, times the slope.

        unseen: whether a season of a year may not have been seen twice.
        """
        n, horizon = self.n, self.horizons[i]
        o = s.row * N_SUMS * n + i
        weight = self.record[o + WEIGHT * n]
        # How large the variance of changes over a horizon is beside that of a walk of as large a mean move.
        # Not of as large a mean square: values in coarse steps move as far as they would in fine ones, but
        # by fewer and larger moves, whose mean square says too much.
        ratio = self.record[o + CAME * n] / max(weight, TINY) / s.evenness
        lost = self.record[o + LOSSES * n]
        followed = min(max((LOST - lost) / LOSING, 0.0), 1.0)
        if unseen and weight >= horizon and ratio < self.least_ratio(weight, horizon):
            return followed
        spread = self.overlaps(s, i, ratio) * self.record[o + SPREAD * n]
        agreed = self.record[o + AGREED * n]
        trust = min(max(agreed / math.sqrt(max(spread, TINY)) - (CHANCE - 1.0), 0.0), 1.0)
        lately = self.record[o + LATELY * n]
        error = math.sqrt(lately * spread / max(self.record[o + PROMISED * n], TINY))
        slope = (self.record[o + RIGHTLY * n] + BENEFIT * error) / max(lately, TINY)
        return trust * min(max(slope, 0.0), 1.0) * followed

    def overlaps(self, s: Sample, i: int, ratio: float) -> float:
        """Return how many times errors of forecasts h ahead overlap: h times in a walk, whose changes over h
        steps are sums of h unrelated ones; less where values come back to a level.

        ratio: of variances. It is too large for what moves in few large steps and still keeps to a level,
        such as the teeth of a saw. It holds only where changes go on to grow with the horizon, at half a
        walk's pace or more. It is too small for what has calmed down: the scale still knows of larger moves,
        the record, where it is of one step too, does not.
        """
        horizon, near = self.horizons[i], self.near[i]
        if self.horizons[0] == 1.0:
            ratio *= s.evenness / min(s.evenness, max(self.moved(s, 0), TINY))
        moved = self.moved(s, i)
        growth = 1.0 - near * self.moved(s, self.at[i]) / (horizon * max(moved, TINY))
        growth *= 2.0 * horizon / (horizon - near)
        return horizon * min(min(max(growth, moved), ratio), 1.0)

    def moved(self, s: Sample, i: int) -> float:
        """Return the mean square of the changes that came over the i-th horizon."""
        o = s.row * N_SUMS * self.n + i
        return self.record[o + CAME * self.n] / max(self.record[o + WEIGHT * self.n], TINY)

    def least_ratio(self, weight: float, horizon: float) -> float:
        """Return the variance ratio that one walk in 100 falls short of; weight: of the record.

        A young record weighs a sample by the cube of its number, so that the ratio of n samples has a
        variance of about 3 * horizon / n; its logarithm is nearly normal. Measured on walks of 8 to 170
        horizons.
        """
        n = max((YOUNG + 1.0) * weight, TINY)
        variance = math.log1p(3.0 * horizon / n)
        return math.exp(-0.5 * variance - RARE * math.sqrt(variance))
