"""How rarely a quiet stream does what it has just done: 1 is once in 1,000 samples, 2 once in a million.

Several parts of a stream's behaviour are held against their own long record: the error of what had been
expected of the value, alone and over 5 and 20 samples; the level of the last 20 values; the spread of the
last 100 errors. Each is measured in its own standard deviations, z. What of the logarithm of 0.3 + z stands
above its 95 % quantile is taken for exponential, so that tails may be as heavy as a power: that says how
rare a z is, beyond what was ever seen too. The rarest part counts, and to it is added how rare it is that
this stream leaves the range of all its values.

Each alarm makes a stream's score stricter for a while, so that in the long run no stream has more than one
in 1,000 samples, whatever its errors are like.
Source: Hill 1975 (tails); Siffer et al. 2017 (streaming peaks over threshold); Gibbs & Candes 2021 (a rate
that is kept by moving the bar).
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

NAN = float("nan")

# Parts, and after the last of them the one without a record of its own.
ERRORS = 3
LEVEL = 3
SPREAD = 4
PARTS = 5
OUTSIDE = 5
SPANS = (1.0, 5.0, 20.0)  # samples that the parts of errors go over
# What the newest sample weighs in a mean of about the last 20 or 100 ones. Reciprocals, here and below: a
# division takes as long as four products.
LEVEL_WEIGHT = 1.0 / 20.0
SPREAD_WEIGHT = 1.0 / 100.0

# A record weighs about this many last samples, so that a stream may become another one.
LONG = 10_000.0
LONG_WEIGHT = 1.0 / LONG
YOUNG = 10_000
# No score before so many samples; outside of a range is nothing before so many.
WARM = 100
RANGE_WARM = 20
# From so many samples on, no deviation counts as more than so many standard deviations: one fault would
# otherwise hide the next.
BOUNDED = 20
BOUND = 4.0
# Of squared errors, in mean squares: none counts as more in the spread; and what keeps its logarithm finite.
ENERGY_LIMIT = 25.0
SMALL = 1e-3
# The deviation of what has never deviated so far, and the largest that there is.
UNHEARD = 100.0
LARGEST = 1e12
# A smaller error, as a share of the value, is none: it is but rounding.
ROUNDING = 2.0**-46
# How far out of the range of all values, as a share of it, a value is outside of it.
BEYOND = 0.01
# Of late are the last so many samples, where it is asked how often a stream leaves its range.
OFTEN_WEIGHT = 1.0 / 1000.0

# The tail: the logarithm of 1 + z / KNEE, beyond its quantile that a share of TAIL exceeds, is exponential.
# Below it no logarithm is taken: nothing there is rare.
KNEE = 0.3
STEEPNESS = 1.0 / KNEE
TAIL = 0.05
COMMON = math.log(1.0 / TAIL)
UNIT = math.log(1000.0)
UNIT_WEIGHT = 1.0 / UNIT
COMMON_RARITY = COMMON / UNIT
# Before anything is known: a quantile and a mean excess, as if of so many samples.
FIRST_QUANTILE = 2.7
FIRST_EXCESS = 0.25
KNOWN = 20.0
PACE = 3.0
LEAST_QUANTILE = 1.01
LEAST_EXCESS = 0.05
EXCESS_BOUND = 10.0  # mean excesses

# What an alarm adds to the bar, which comes down by a thousandth of it a sample. An anomaly is over after
# REFRACTORY samples and `calm_seconds` without another high score.
STRICTER = 0.1
RELIEF = 1e-4
REFRACTORY = 20

# The columns of a record.
RECENT = 0  # the mean error over each span
SQUARE = 3  # its mean square
NOW = 6  # the level of late
LEVEL_MEAN = 7  # of the level: mean and mean squared deviation
ENERGY = 9  # the mean of the last squared errors, in mean squares
SPREAD_MEAN = 10
HIGHEST = 12
LOWEST = 13
LEAVES = 14  # the share of samples outside of the range
QUANTILE = 15  # of each part
EXCESS = 20
BAR = 25
SCORE = 26
PEAK = 27
HELD = 28
CALM = 29
WIDTH = 30

# The same for Python, which does not see a compiled kernel's numbers: where some stand, and a new record.
PLACES = {"score": SCORE, "peak": PEAK, "held": HELD}
NEW = {SCORE: NAN, HELD: -1.0}
NEW.update({QUANTILE + part: FIRST_QUANTILE for part in range(PARTS)})
NEW.update({EXCESS + part: FIRST_EXCESS for part in range(PARTS)})
RECORD = tuple(NEW.get(place, 0.0) for place in range(WIDTH))


class AnomalyKernel:
    """The record of every stream and its score. Rows:

    count: samples in the record.  record: (WIDTH,) as above; SCORE: of the newest sample, NaN before WARM.
    PEAK: the highest of the anomaly that lasts, 0 if none does.  HELD, CALM: seconds for which the score has
    been above 1, or not.  left: after how many samples the anomaly may be over, 0: there is none.
    alarms: anomalies so far.  reason: the part that was the rarest in the last one.
    """

    def __init__(
        self, direction: int, least: float, least_share: float, hold_seconds: float, calm_seconds: float
    ) -> None:
        """direction: of deviations that count: 1 up, -1 down, 0 both.  least, least_share: smaller ones do
        not count, in the stream's unit and as a share of what was expected.  hold_seconds: for how long a
        score has to be above 1, before there is an anomaly.  calm_seconds: and not, before it is over.
        """
        self.direction, self.least, self.least_share = direction, least, least_share
        self.choosy = 0 if direction == 0 and least == 0.0 and least_share == 0.0 else 1
        self.hold, self.calm = hold_seconds, calm_seconds
        self.span_weights = 1.0 / np.array(SPANS)
        self.span_weight = memory.doubles(self.span_weights)
        self.share = self.square = 1.0
        self.pace = self.best = self.common = 0.0
        self.part = 0

    def bind(
        self, count: Integers, record: Floats, left: Integers, alarms: Integers, reason: Integers
    ) -> None:
        """Work on these arrays from now on."""
        self.count, self.record = memory.integers(count), memory.doubles(record)
        self.left, self.alarms = memory.integers(left), memory.integers(alarms)
        self.reason = memory.integers(reason)

    def observe(self, row: int, x: float, expected: float, elapsed: float) -> float:
        """Call `take`, from Python."""
        return self.take(row, x, expected, elapsed)

    def take(self, row: int, x: float, expected: float, elapsed: float) -> float:
        """Take in a value of a stream; return its score.

        expected: before it came, NaN if nothing was.  elapsed: seconds since the value before.
        """
        r, o = self.record, row * WIDTH
        n = self.count[row]
        self.count[row] = n + 1
        self.share = LONG_WEIGHT  # of one sample in a record: young ones weigh all alike
        self.pace = PACE * LONG_WEIGHT
        if n < YOUNG:
            self.share = 1.0 / (n + 1.0)
            self.pace = PACE * max(1.0 / (n + KNOWN), LONG_WEIGHT)
        self.best = 0.0
        self.common = 0.0
        self.part = 0
        error = x - expected
        if abs(error) <= ROUNDING * abs(x):
            error = 0.0
        if error == error:
            self.take_error(o, n, error, expected)
        level = r[o + NOW] + (x - r[o + NOW]) * max(self.share, LEVEL_WEIGHT)
        usual = r[o + LEVEL_MEAN]
        r[o + NOW] = level
        self.weigh(o, LEVEL, n, self.deviation(o + LEVEL_MEAN, n, level), level - usual, usual)
        if self.best == 0.0:
            self.best = COMMON_RARITY * math.sqrt(self.common)
        novelty = self.leave(o, n, x)
        if self.choosy and not self.counts(x - usual, usual):
            novelty = 0.0
        if novelty > self.best:
            self.part = OUTSIDE
        score = max(self.best + novelty - r[o + BAR], 0.0)
        if n + 1 < WARM:
            return NAN
        self.decide(row, score, elapsed)
        r[o + SCORE] = score
        return score

    def take_error(self, o: int, n: int, error: float, expected: float) -> None:
        """Hold an error, and what it makes of the last ones, against the record."""
        r = self.record
        for k in range(ERRORS):
            share = max(self.share, self.span_weight[k])
            recent = r[o + RECENT + k] + (error - r[o + RECENT + k]) * share
            r[o + RECENT + k] = recent
            self.weigh(o, k, n, self.size(o + SQUARE + k, n, recent), recent, expected)
        square = r[o + SQUARE]
        if square > 0.0:
            energy = min(error * error / square, ENERGY_LIMIT)
            r[o + ENERGY] += (energy - r[o + ENERGY]) * max(self.share, SPREAD_WEIGHT)
            off = self.deviation(o + SPREAD_MEAN, n, math.log(r[o + ENERGY] + SMALL))
            if self.direction == 0:
                by = math.sqrt(r[o + ENERGY] * square) if self.choosy else 0.0
                self.weigh(o, SPREAD, n, off, by, expected)

    def size(self, place: int, n: int, y: float) -> float:
        """Return y**2, to be measured in `square`, the mean square of those before, record[place:]; add it
        to them.
        """
        square = self.record[place]
        off = y * y
        bounded = off
        self.square = square
        if square > 0.0:
            if n >= BOUNDED:
                bounded = min(off, BOUND * BOUND * square)
        else:
            self.square = 1.0
            if off > 0.0:
                off = UNHEARD * UNHEARD
        self.record[place] = square + (bounded - square) * self.share
        return off

    def deviation(self, place: int, n: int, y: float) -> float:
        """Return the square of how far y is off the mean of those before, to be measured in `square`; add it
        to them.

        record[place:]: their mean and mean squared deviation.
        """
        square = self.record[place + 1]
        step = y - self.record[place]
        off = step * step
        bounded = off
        self.square = square
        if square > 0.0:
            if n >= BOUNDED and off > BOUND * BOUND * square:
                bounded = BOUND * BOUND * square
                step = math.copysign(BOUND * math.sqrt(square), step)
        else:
            self.square = 1.0
            off = UNHEARD * UNHEARD if abs(step) > ROUNDING * abs(y) else 0.0
        share = self.share
        self.record[place] += share * step
        self.record[place + 1] = square + share * ((1.0 - share) * bounded - square)
        return off

    def weigh(self, o: int, k: int, n: int, off: float, by: float, around: float) -> None:
        """Let the k-th part be as rare as its deviation is, whose square is off, measured in `square`.

        by: how far it is off what is usual, around.
        """
        r = self.record
        quantile = r[o + QUANTILE + k]
        knee = KNEE * (quantile - 1.0)  # the deviation at the quantile
        ratio = off / (knee * knee * self.square)
        step = -TAIL
        if ratio > 1.0:
            self.hear(o, k, n, off, by, around)
            step = 1.0 - TAIL
        elif not self.choosy or self.counts(by, around):
            self.common = max(self.common, ratio)
        r[o + QUANTILE + k] = max(quantile * (1.0 + self.pace * step), LEAST_QUANTILE)

    def hear(self, o: int, k: int, n: int, off: float, by: float, around: float) -> None:
        """Take in a deviation of the k-th part that is beyond its quantile."""
        r = self.record
        quantile, excess = r[o + QUANTILE + k], r[o + EXCESS + k]
        z = min(math.sqrt(off / self.square), LARGEST)
        beyond = math.log((1.0 + z * STEEPNESS) / quantile)
        rarity = (COMMON + beyond / excess) * UNIT_WEIGHT
        if rarity > self.best and self.counts(by, around):
            self.best = rarity
            self.part = k
        heard = min(beyond, EXCESS_BOUND * excess)
        exceeded = TAIL * min(n + KNOWN, LONG)
        r[o + EXCESS + k] = max(excess + (heard - excess) / exceeded, LEAST_EXCESS)

    def counts(self, by: float, around: float) -> int:
        """Return whether such a deviation counts, by direction and size."""
        if by * self.direction < 0.0:
            return 0
        return 1 if abs(by) >= self.least and abs(by) >= self.least_share * abs(around) else 0

    def leave(self, o: int, n: int, x: float) -> float:
        """Return how rare it is that the stream leaves its range, if x does, else 0; x widens it."""
        r = self.record
        highest, lowest = r[o + HIGHEST], r[o + LOWEST]
        if n == 0:
            highest = x
            lowest = x
        beyond = max(x - highest, lowest - x)
        r[o + HIGHEST] = max(highest, x)
        r[o + LOWEST] = min(lowest, x)
        if n < RANGE_WARM:
            return 0.0
        novelty = 0.0
        leaves = 0.0
        if beyond > BEYOND * (highest - lowest) and beyond > ROUNDING * abs(x):
            novelty = -math.log(max(r[o + LEAVES], 1.0 / (n + 1.0))) * UNIT_WEIGHT
            novelty *= min((n + 1.0) * OFTEN_WEIGHT, 1.0)  # any value may leave a young range
            leaves = 1.0
        r[o + LEAVES] += (leaves - r[o + LEAVES]) * max(self.share, OFTEN_WEIGHT)
        return novelty

    def decide(self, row: int, score: float, elapsed: float) -> None:
        """Begin an anomaly, let it last, or end it."""
        r, o = self.record, row * WIDTH
        lasted = self.left[row]
        if score > 1.0:
            r[o + HELD] = 0.0 if r[o + HELD] < 0.0 else r[o + HELD] + elapsed
            r[o + CALM] = 0.0
            if lasted > 0 or r[o + HELD] >= self.hold:
                self.left[row] = REFRACTORY
        else:
            r[o + HELD] = -1.0
            r[o + CALM] += elapsed
            if lasted > 1 or (lasted == 1 and r[o + CALM] >= self.calm):
                self.left[row] = lasted - 1
        if self.left[row] == 0:
            r[o + PEAK] = 0.0
        elif score > r[o + PEAK]:
            r[o + PEAK] = score
            self.reason[row] = self.part
        bar = r[o + BAR] - RELIEF
        if lasted == 0 and self.left[row] > 0:
            self.alarms[row] += 1
            bar += STRICTER
        r[o + BAR] = max(bar, 0.0)
