"""The model of a group, at one sample: forecast, score when the truth arrives, learn.

forecast = expected value + scale * (what the experts say of features), mixed by their track record.
"""

from __future__ import annotations

import numpy as np

from ewad.kernels import memory
from ewad.kernels.calendar import CalendarKernel
from ewad.kernels.calibration import CalibrationKernel
from ewad.kernels.examples import ExamplesKernel
from ewad.kernels.experts.base import Expert
from ewad.kernels.experts.gradient import GradientExpert
from ewad.kernels.experts.stack import StackKernel
from ewad.kernels.external import ExternalKernel
from ewad.kernels.features import FeaturesKernel
from ewad.kernels.grid import GridKernel
from ewad.kernels.hedge import HedgeKernel
from ewad.kernels.inputs import InputsKernel
from ewad.kernels.intervals import IntervalsKernel
from ewad.kernels.memory import Floats
from ewad.kernels.sample import Sample
from ewad.kernels.scale import ScaleKernel
from ewad.kernels.seasons import SeasonsKernel

NAN = float("nan")
INFINITY = float("inf")
# Skill compares about the last 1 / (1 - 0.995) = 200 scored forecasts.
SKILL_BETA = 0.995
# Values this near to each other, as a share of them, are the same, and so are computed ones whose difference
# is below this in the unit that it is measured in: sums in another order differ by as much.
ROUNDING = 2.0**-46
NOTHING = 1e-9
JUMP = 10.0  # scales; less is no outlier, but what sums of changes are off by
# The columns of what is pending: the forecast, the last value when it was made, the mixture of the experts
# before it was held back, and what each of them said.
FORECAST = 0
LAST = 1
MIXED = 2
SAID = 3


class Parts:
    """The kernels that a forecaster consists of, None where it has none such."""

    def __init__(
        self,
        scale: ScaleKernel,
        features: FeaturesKernel,
        seasons: SeasonsKernel | None,
        examples: ExamplesKernel,
        experts: list[Expert],
        leader: GradientExpert | None,
        stack: StackKernel | None,
        hedge: HedgeKernel | None,
        calibration: CalibrationKernel | None,
        intervals: IntervalsKernel | None,
        grid: GridKernel | None,
        calendar: CalendarKernel | None,
        inputs: InputsKernel | None,
        external: ExternalKernel | None,
    ) -> None:
        """leader: the expert whose loss and learning rate stand for the model."""
        self.scale, self.features, self.seasons = scale, features, seasons
        self.examples, self.experts, self.leader, self.stack = examples, experts, leader, stack
        self.hedge, self.calibration, self.intervals, self.grid = hedge, calibration, intervals, grid
        self.calendar, self.inputs, self.external = calendar, inputs, external


class ForecasterKernel:
    """The kernels of a model, and what is told of its streams.

    Rows: forecast, lower, upper: (n_horizons,) NaN while warming up.  squared_error, squared_change:
    (n_horizons,) of the forecasts and of persistence, exponentially weighted.
    What is pending, for each horizon h in h places by turns, until the sample that it was made for:
    forecasts: (places, width) as above.  widths: (places, 2) the half-widths given out.

    lowest, highest: what is told stays within; what is learnt from, pending and scored does not.
    """

    def __init__(
        self,
        parts: Parts,
        sample: Sample,
        horizons: tuple[int, ...],
        shared: bool,
        max_gap: float,
        n_experts: int,
    ) -> None:
        """shared: whether one model forecasts all streams.  max_gap: in seconds; the window restarts after
        more.
        """
        self.parts, self.s = parts, sample
        self.scale, self.features = parts.scale, parts.features
        self.has_seasons = 0 if parts.seasons is None else 1
        self.seasons = parts.seasons
        self.examples = parts.examples
        self.first = parts.experts[0]
        for expert, other in zip(parts.experts[:-1], parts.experts[1:], strict=True):
            expert.then(other)
        self.has_leader = 0 if parts.leader is None else 1
        self.leader = parts.leader
        self.has_stack = 0 if parts.stack is None else 1
        self.stack = parts.stack
        self.mixes = 0 if parts.hedge is None else 1
        self.hedge = parts.hedge
        self.calibrates = 0 if parts.calibration is None else 1
        self.calibration = parts.calibration
        self.has_intervals = 0 if parts.intervals is None else 1
        self.intervals = parts.intervals
        self.on_grid = 0 if parts.grid is None else 1
        self.grid = parts.grid
        self.has_calendar = 0 if parts.calendar is None else 1
        self.calendar = parts.calendar
        self.has_inputs = 0 if parts.inputs is None else 1
        self.inputs = parts.inputs
        self.n_sources = 0 if parts.external is None else parts.external.n
        self.external = parts.external
        self.shared, self.max_gap = 1 if shared else 0, max_gap
        self.lowest, self.highest = -INFINITY, INFINITY
        self.n_horizons, self.n_experts = len(horizons), n_experts
        self.width = SAID + n_experts if self.mixes else MIXED
        self.places = sum(horizons)
        steps = np.array(horizons, dtype=np.int64)
        self.arrays = steps, np.cumsum(steps) - steps, np.sqrt(np.array(horizons, dtype=np.float64))
        self.roots = memory.doubles(self.arrays[2])
        self.horizons = memory.integers(self.arrays[0])
        self.first_place = memory.integers(self.arrays[1])
        self.scratch = np.zeros(n_experts * len(horizons)), np.zeros(n_experts), np.zeros(len(horizons))
        self.due = np.zeros(len(horizons), dtype=np.int64)
        self.place = memory.integers(self.due)
        self.changes = memory.doubles(self.scratch[0])
        self.errors = memory.doubles(self.scratch[1])
        self.made = memory.doubles(self.scratch[2])
        self.columns = self.n_horizons * (3 if self.has_intervals else 1) + 2

    def bind(
        self, forecast: Floats, lower: Floats, upper: Floats, squared_error: Floats, squared_change: Floats
    ) -> None:
        """Work on these arrays from now on."""
        self.forecast, self.lower = memory.doubles(forecast), memory.doubles(lower)
        self.upper = memory.doubles(upper)
        self.squared_error, self.squared_change = (
            memory.doubles(squared_error),
            memory.doubles(squared_change),
        )

    def bind_pending(self, forecasts: Floats, widths: Floats | None = None) -> None:
        """Work on these arrays of what is pending from now on."""
        self.forecasts = memory.doubles(forecasts)
        if self.has_stack:
            self.stack.follow(forecasts, self.width, self.due)
        if widths is not None:
            self.widths = memory.doubles(widths)

    def expects(self, row: int) -> float:
        """Return the forecast of the next sample; NaN while there is none, or none of one step."""
        return self.forecast[row * self.n_horizons] if self.horizons[0] == 1 else NAN

    def give(self, row: int, origin: int, time: float, value: float) -> None:
        """Take in a point of a forecast that another program has made; origin: see `Batch`."""
        self.external.give(row, (origin - 1) >> 1, origin & 1, time, value)

    def keep_step(self, seconds: float) -> None:
        """Note how often the stream at hand has samples, as a rule."""
        if self.n_sources:
            self.external.step = seconds

    def take(self, row: int, time: float, x: float, elapsed: float, out: Floats, at: int) -> None:
        """Take in a sample of a stream, and write what stands after it to out[at:].

        forecasts, lower and upper ends (n_horizons each; the ends only where there are intervals), the
        model's loss and learning rate.
        """
        if self.has_inputs:
            self.inputs.note(row, x)
        if self.on_grid:
            closed = self.grid.take(row, time, x)
            for k in range(closed):
                self.see(self.s, row, self.grid.begins(k), self.grid.value, self.grid.anew if k == 0 else 0)
            if self.grid.restart[row]:  # after a gap no forecast stands, until lags are full again
                self.forget(row)
        else:
            self.see(self.s, row, time, x, 1 if elapsed > self.max_gap else 0)
        n, o = self.n_horizons, row * self.n_horizons
        for i in range(n):
            out[at + i] = self.forecast[o + i]
            if self.has_intervals:
                out[at + n + i] = self.lower[o + i]
                out[at + 2 * n + i] = self.upper[o + i]
        end = at + self.columns
        out[end - 2] = NAN
        out[end - 1] = NAN
        if self.has_leader:
            model = 0 if self.shared else row
            out[end - 2] = self.leader.loss(model)
            out[end - 1] = self.leader.rate(model)

    def forget(self, row: int) -> None:
        """Let no forecast stand."""
        o = row * self.n_horizons
        for i in range(self.n_horizons):
            self.forecast[o + i] = NAN
            self.lower[o + i] = NAN
            self.upper[o + i] = NAN

    def see(self, s: Sample, row: int, time: float, x: float, restart: int) -> None:
        """Let the model see a value of a stream: learn from it, and forecast what comes after."""
        s.row = row
        s.model = 0 if self.shared else row
        s.time = time
        s.local = self.calendar.local(time) if self.has_calendar else time
        s.value = x
        self.features.place(s, restart)
        self.scale.take(s)
        if self.calibrates:
            self.calibration.bound(s)
        self.features.take(s)
        if self.has_inputs:
            self.inputs.take(s)
        if self.has_seasons:
            self.seasons.take(s)
        self.examples.take(s)
        for k in range(self.n_experts * self.n_horizons):
            s.silent[k] = 0
        self.find_places(s)
        self.consult(self.first, 0)
        for i in range(self.n_horizons):
            self.made[i] = self.mix(s, i) if self.mixes else self.made_by(0, i)
        if self.calibrates:
            self.calibration.work_out(s)
        for i in range(self.n_horizons):
            self.tell(s, i, self.follow(s, i))

    def consult(self, expert: Expert, at: int) -> None:
        """Let an expert, and all after it, learn from the sample and say what comes after it."""
        expert.learn(self.s)
        if self.s.warm:
            expert.forecast(self.s, self.changes, at)
        if expert.more:
            self.consult(expert.next, at + self.n_horizons)

    def made_by(self, expert: int, i: int) -> float:
        """Return what an expert forecasts for the i-th horizon; NaN while the window is not full."""
        if self.s.warm:
            return self.s.expected + self.s.scale * self.changes[expert * self.n_horizons + i]
        return NAN

    def find_places(self, s: Sample) -> None:
        """Find where what is pending for this sample lies: `place`, for each horizon."""
        start = s.row * self.places
        for i in range(self.n_horizons):
            self.place[i] = start + self.first_place[i] + s.number % self.horizons[i]

    def smallest(self, i: int) -> float:
        """Return the least difference of values, over the i-th horizon, that is one: no rounding."""
        return ROUNDING * abs(self.s.value) + NOTHING * (self.s.scale * self.roots[i])

    def difference(self, before: float, smallest: float) -> float:
        """Return how far the value is from another one, computed before; 0 where that is but rounding."""
        difference = self.s.value - before
        return 0.0 if abs(difference) < smallest else difference

    def mix(self, s: Sample, i: int) -> float:
        """Return the experts' forecasts for the i-th horizon mixed, and learn from those made for this
        sample.

        An outlier does not count in the experts' track record: neither how they forecast it, nor what they
        make of it.
        """
        unit = s.scale * self.roots[i]  # what errors are measured in
        smallest = self.smallest(i)
        pending = self.place[i] * self.width
        outlier = 1 if s.value != s.steady else 0
        counts = 1 if s.position >= self.horizons[i] and not outlier else 0  # nor what was made before a gap
        last = self.forecasts[pending + LAST]
        inside = self.calibration.seen(s, last) if self.calibrates else 0
        jump = self.jump(s, i, last) if counts and self.has_stack and not inside else 0.0
        for e in range(self.n_experts):
            said = self.forecasts[pending + SAID + e]
            self.errors[e] = self.difference(said + jump, smallest) / unit if counts else NAN
        self.hedge.take(s.row, i, float(s.number), self.errors)
        mixed = 0.0
        for e in range(self.n_experts):
            made = self.made_by(e, i)
            mixed += self.hedge.shares[e] * made
            silent = s.silent[e * self.n_horizons + i]
            self.forecasts[pending + SAID + e] = NAN if outlier or silent else made
        if self.calibrates:
            promised = NAN
            came = NAN
            if counts:
                promised = (self.forecasts[pending + MIXED] - last) / unit
                came = (s.value - last - jump) / unit
            self.calibration.take(s, i, promised, came, inside, smallest / unit)
        self.forecasts[pending + MIXED] = NAN if outlier else mixed
        return mixed

    def jump(self, s: Sample, i: int, last: float) -> float:
        """Return what outliers have in the change over the i-th horizon, 0 if it is little.

        From or to where the stream had never been nobody could know of them.
        """
        jump = s.value - last - self.stack.moved(s, i)
        return jump if abs(jump) > JUMP * s.scale else 0.0

    def follow(self, s: Sample, i: int) -> float:
        """Return the forecast of the i-th horizon: what was made, as far as it is to be followed.

        After an outlier a stream is forecast to stay where such values are expected to.
        """
        made = self.made[i]
        if self.mixes and s.warm and s.value != s.steady:
            return s.expected
        if self.calibrates:
            return s.value + self.calibration.follow(s, i, made - s.value)
        return made

    def tell(self, s: Sample, i: int, forecast: float) -> None:
        """Let a forecast, and its interval, stand for the sample's stream and the i-th horizon.

        What had been forecast for the sample is scored, and gives its place to what is forecast now.
        """
        place = self.place[i]
        o, pending = s.row * self.n_horizons + i, place * self.width
        made_before = 1 if s.position >= self.horizons[i] else 0  # not before the window began
        error = NAN
        if made_before:
            error = self.difference(self.forecasts[pending + FORECAST], self.smallest(i))
        if error == error:
            change = self.difference(self.forecasts[pending + LAST], self.smallest(i))
            self.squared_error[o] = error * error + SKILL_BETA * self.squared_error[o]
            self.squared_change[o] = change * change + SKILL_BETA * self.squared_change[o]
        self.forecasts[pending + FORECAST] = forecast
        self.forecasts[pending + LAST] = s.value
        self.forecast[o] = self.within(forecast)
        if self.has_intervals:
            below = NAN
            above = NAN
            if made_before:
                below = self.widths[2 * place]
                above = self.widths[2 * place + 1]
            self.intervals.take(s.row, i, error, s.scale * self.roots[i], below, above)
            self.widths[2 * place] = self.intervals.below
            self.widths[2 * place + 1] = self.intervals.above
            self.lower[o] = self.within(forecast - self.intervals.below)
            self.upper[o] = self.within(forecast + self.intervals.above)

    def within(self, told: float) -> float:
        """Return what is told, or the bound that it lies beyond; NaN is neither below nor above."""
        if told < self.lowest:
            return self.lowest
        return self.highest if told > self.highest else told
