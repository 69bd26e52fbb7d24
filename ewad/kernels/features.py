"""What the experts see of a sample: lags, and with all features also averages, level and calendar."""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample
from ewad.kernels.scale import ScaleKernel
from ewad.kernels.seasons import SeasonsKernel

# Features are bounded: an outlier says that something happened, not how much to multiply it by.
LAG_LIMIT = 4.0
LEVEL_LIMIT = 8.0
# The averages and the level follow no single change further than so many scales, and none of so many as are
# outliers: a step, or two spikes in a row, would otherwise be in them for thousands of samples.
JUMP_LIMIT = 10.0
OUTLIER_LIMIT = 20.0
# A target of more scales than this, times the root of its horizon, teaches no more than that.
TARGET_LIMIT = 5.0
# A linear model of few features gains by their products. The level and the newest lag mean other things in
# summer than in winter, and large deviations from the averages revert at another pace than small ones.
CROSSED = 0.4
DAY = 86_400.0
CIRCLE = 2.0 * math.pi

# The context of a sample: the week's first harmonic, deviations from the averages, two harmonics of the day
# or of the season, the year's first, the level, the year's second; and behind them, where there is a memory
# of seasons, the changes around the same slot a season before.
WEEK = 0
DEVIATIONS = 2
SEASON = 5
YEAR = 9
LEVEL = 11
YEAR_SHAPE = 12
N_CONTEXT = 14
N_AVERAGES = 3


class FeaturesKernel:
    """The windows of every stream, on the values as believed.

    Rows: count: samples ever.  position: samples since the window's (re)start.  history: (depth,) last
    values, newest last.  context: (ahead, width) what else was seen with each of the last samples, measured
    in units of the value.  level: the sum of all changes since the first value, as far as they are followed.
    sums: (3,) averages' sums of it; weights alike.
    """

    def __init__(
        self,
        lags: int,
        horizons: tuple[int, ...],
        full: bool,
        season: int,
        betas: Floats,
        spreads: Floats,
        seasons: SeasonsKernel | None,
    ) -> None:
        """season: samples a season; 0: the day is.  betas: of the three averages.  spreads: of the
        deviations from them, and of the level, in scales.  seasons: what is recalled from; None: nothing is.
        """
        self.lags, self.ahead, self.season = lags, max(horizons), season
        self.depth = lags + self.ahead
        self.full = 1 if full else 0
        self.seasons = seasons
        self.n_slots = 0 if seasons is None else self.seasons.n_slots
        self.width = N_CONTEXT + self.n_slots
        self.first = DEVIATIONS + self.n_slots if full else 0  # of the lags
        self.n_horizons = len(horizons)
        self.arrays = np.array(horizons, dtype=np.int64), betas, spreads, np.zeros(self.width)
        self.horizons = memory.integers(self.arrays[0])
        self.betas = memory.doubles(self.arrays[1])
        self.spreads = memory.doubles(self.arrays[2])
        self.now = memory.doubles(self.arrays[3])

    def bind(
        self,
        count: Integers,
        position: Integers,
        history: Floats,
        **further: Floats,
    ) -> None:
        """Work on these arrays from now on.  further: context, sums, weights and level, if there are any."""
        self.count, self.position = memory.integers(count), memory.integers(position)
        self.history = memory.doubles(history)
        if self.full:
            self.context, self.level = memory.doubles(further["context"]), memory.doubles(further["level"])
            self.sums, self.weights = memory.doubles(further["sums"]), memory.doubles(further["weights"])

    def write_examples(
        self, scale: ScaleKernel, s: Sample, times: Floats, values: Floats, X: Floats, Y: Floats
    ) -> int:
        """Take in the samples of one stream, row 0; return how many examples they complete.

        times, values: (n,).  X: (n, n_features), Y: (n, n_horizons): an example each is written, from the
        first on.
        """
        time, value = memory.readable(times), memory.readable(values)
        x, y, n = memory.doubles(X), memory.doubles(Y), 0
        n_x, n_y = X.shape[1], Y.shape[1]
        for i in range(len(times)):
            s.row = 0
            s.time = s.local = time[i]
            s.value = value[i]
            self.place(s, 0)
            scale.take(s)
            self.take(s)
            if self.n_slots:
                self.seasons.take(s)
            if s.ready:
                for k in range(n_x):
                    x[n * n_x + k] = s.x[k]
                for k in range(n_y):
                    y[n * n_y + k] = s.y[k]
                n += 1
        return n

    def observe(self, s: Sample, restart: bool) -> None:
        """Call `place` and `take`, from Python."""
        self.place(s, 1 if restart else 0)
        self.take(s)

    def place(self, s: Sample, restart: int) -> None:
        """Give a sample its number in its stream and its place in the window; restart: whether it begins a
        new one.
        """
        s.number = self.count[s.row]
        s.position = 0 if restart else self.position[s.row]
        self.count[s.row] = s.number + 1
        self.position[s.row] = s.position + 1
        s.warm = 1 if s.position >= self.lags else 0
        s.ready = 1 if s.position >= self.depth else 0

    def take(self, s: Sample) -> None:
        """Fill in what the experts see, and keep what later samples need."""
        depth, ahead, width = self.depth, self.ahead, self.width
        start = s.row * depth
        oldest = self.history[start]
        for i in range(depth - 1):
            self.history[start + i] = self.history[start + i + 1]
        self.history[start + depth - 1] = s.steady
        self.differences(s.x_now, start + ahead, self.history[start + ahead - 1], s.scale)
        if s.ready and self.foretold(s, start + self.lags - 1):
            self.differences(s.x, start, oldest, s.scale)
            self.targets(s, start + self.lags - 1)
        else:
            s.ready = 0
        if self.full:
            newest = start + depth - 1
            self.see(s, (self.history[newest] - self.history[newest - 1]) / s.scale)
            if self.n_slots:
                self.seasons.recall(s, self.lags, self.now, N_CONTEXT)
            example = s.row * ahead * width
            if s.ready:
                self.fill(s.x, self.context, example, s.scale)
            self.fill(s.x_now, self.now, 0, s.scale)
            for i in range((ahead - 1) * width):
                self.context[example + i] = self.context[example + i + width]
            for i in range(width):
                self.context[example + (ahead - 1) * width + i] = self.now[i]

    def differences(self, x: Floats, start: int, before: float, scale: float) -> None:
        """Write lags differences to x: of the values from history[start] on, the first from the value before
        it.
        """
        first, history = self.first, self.history
        x[first] = min(max((history[start] - before) / scale, -LAG_LIMIT), LAG_LIMIT)
        for i in range(1, self.lags):
            change = (history[start + i] - history[start + i - 1]) / scale
            x[first + i] = min(max(change, -LAG_LIMIT), LAG_LIMIT)

    def foretold(self, s: Sample, origin: int) -> int:
        """Return whether what came after history[origin] could be known of: no jump, as an outlier is, led
        on to where the stream had never been.

        Of the examples that a jump is in, the last one counts: in all it would be as if it came each time.
        """
        jump, history = OUTLIER_LIMIT * s.scale, self.history
        for i in range(origin + 1, origin + self.ahead):
            change, value = history[i + 1] - history[i], history[i + 1]
            if (change > jump and value > s.highest) or (change < -jump and value < s.lowest):
                return 0
        return 1

    def targets(self, s: Sample, origin: int) -> None:
        """Fill in the changes from history[origin], each up to its horizon."""
        for i in range(self.n_horizons):
            horizon = self.horizons[i]
            limit = TARGET_LIMIT * math.sqrt(float(horizon))
            change = (self.history[origin + horizon] - self.history[origin]) / s.scale
            s.y[i] = min(max(change, -limit), limit)

    def see(self, s: Sample, change: float) -> None:
        """Write the context of a sample to `now`.  change: in scales, since the one before."""
        row, now = s.row, self.now
        followed = min(max(change, -JUMP_LIMIT), JUMP_LIMIT)
        if abs(change) > OUTLIER_LIMIT or s.number == 0:
            followed = 0.0
        level = self.level[row] + followed * s.scale
        self.level[row] = level
        for i in range(N_AVERAGES):
            average = row * N_AVERAGES + i
            self.sums[average] = level + self.betas[i] * self.sums[average]
            self.weights[average] = 1.0 + self.betas[i] * self.weights[average]
            now[DEVIATIONS + i] = (level - self.sums[average] / self.weights[average]) / self.spreads[i]
        now[LEVEL] = level / self.spreads[N_AVERAGES]
        day = s.local / DAY
        angle = self.angle(day / 7.0)
        now[WEEK] = math.sin(angle)
        now[WEEK + 1] = math.cos(angle)
        angle = self.angle(day)
        if self.season > 0:
            angle = self.angle(float(s.number) / float(self.season))
        sine = math.sin(angle)
        cosine = math.cos(angle)
        now[SEASON] = sine
        now[SEASON + 1] = 2.0 * sine * cosine  # of twice the angle
        now[SEASON + 2] = cosine
        now[SEASON + 3] = cosine * cosine - sine * sine
        angle = self.angle(day / 365.25)
        sine = math.sin(angle)
        cosine = math.cos(angle)
        now[YEAR] = sine
        now[YEAR + 1] = cosine
        now[YEAR_SHAPE] = 2.0 * sine * cosine
        now[YEAR_SHAPE + 1] = cosine * cosine - sine * sine

    def angle(self, phase: float) -> float:
        """Return the angle of a phase, which is in periods."""
        return CIRCLE * (phase - math.floor(phase))

    def fill(self, x: Floats, context: Floats, at: int, scale: float) -> None:
        """Write what stands beside the lags to x: the week and the slots before them, the rest behind, and
        the crossed ones.
        """
        x[0] = context[at + WEEK]
        x[1] = context[at + WEEK + 1]
        for i in range(self.n_slots):
            change = context[at + N_CONTEXT + i] / scale
            x[DEVIATIONS + i] = min(max(change, -LAG_LIMIT), LAG_LIMIT)
        rest = self.first + self.lags - DEVIATIONS  # where the context's first entry would stand
        for i in range(DEVIATIONS, N_CONTEXT):
            x[rest + i] = context[at + i]
        for i in range(N_AVERAGES):
            deviation = x[rest + DEVIATIONS + i] / scale
            x[rest + DEVIATIONS + i] = min(max(deviation, -LAG_LIMIT), LAG_LIMIT)
        level = min(max(x[rest + LEVEL] / scale, -LEVEL_LIMIT), LEVEL_LIMIT)
        x[rest + LEVEL] = level
        newest = x[self.first + self.lags - 1]
        crossed = rest + N_CONTEXT
        for i in range(2):
            year = x[rest + YEAR + i]
            deviation = x[rest + DEVIATIONS + i]
            x[crossed + i] = CROSSED * (year * level)
            x[crossed + 2 + i] = CROSSED * (year * newest)
            x[crossed + 4 + i] = CROSSED * (deviation * deviation)
            x[crossed + 6 + i] = CROSSED * (deviation * abs(deviation))
