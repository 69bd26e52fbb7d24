"""A regression, for each horizon, on what the other experts say and what was at the same slots before.

Source: Wolpert 1992 (stacked generalisation); Haykin, Adaptive Filter Theory, ch. 10 (recursive least
squares).
"""

from __future__ import annotations

import numpy as np

from ewad.kernels import algebra, memory
from ewad.kernels.experts.base import Expert
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample
from ewad.kernels.slots import SlotsKernel

NAN = float("nan")
# What has learnt nothing yet is at the bound, in whatever order its trace is summed up.
AT_BOUND = 1.0 - 1e-9
# Features, targets and forecasts are bounded, in scales times the root of the horizon.
LIMIT = 10.0
BIAS = 0.3  # what stands for 1: an intercept is held back more than the experts
# About the last 2,000 samples count, and the last 5,000 of horizons of more than so many steps, each second
# of them: errors of those overlap, so that as many tell less.
FORGETTING = 0.9995
FAR_FORGETTING = 0.9998
FAR = 8
EACH = 2
# Far horizons of which none is more than so many times the first share a model: what they weigh is alike.
ALIKE = 1.25
# The columns of what is pending, as in ewad.kernels.forecaster.
FORECAST = 0
LAST = 1
MIXED = 2
SAID = 3
# Features of each period: how value and usual value changed from the slot of the forecast to the target's,
# what they were at the first of these, and the forecast's error at the other. After those: the newest error,
# and the intercept.
N_OF_PERIOD = 5
N_FURTHER = 2


def groups(horizons: tuple[int, ...]) -> list[int]:
    """Return the model of each horizon: far ones that are nearly alike share one."""
    group, first = [0], horizons[0]
    for each in horizons[1:]:
        alike = first > FAR and each <= ALIKE * first
        first = first if alike else each
        group.append(group[-1] + (0 if alike else 1))
    return group


class StackKernel(Expert):
    """A linear model for each horizon; far ones that are nearly alike share one.

    Rows: theta: (n_models, n).  covariance: (n_models, n (n + 1) / 2) the lower triangle, row by row.
    diverged: how often one was found without finite parameters and started anew.
    """

    def __init__(
        self,
        horizons: tuple[int, ...],
        anchors: tuple[int, ...],
        heard: tuple[int, ...],
        initial: Floats,
        mixed: bool,
        variance: float,
        slots: SlotsKernel,
    ) -> None:
        """heard: the places of the experts that are heard.  initial: (n_heard,) what those weigh at
        first.  mixed: whether the forecasts of several are.  variance: of the parameters of a model that has
        seen nothing.
        """
        Expert.__init__(self)
        self.slots, self.n_horizons, self.n_heard = slots, len(horizons), len(heard)
        self.n = self.n_heard + N_OF_PERIOD * slots.n + N_FURTHER
        self.n_covariance = self.n * (self.n + 1) // 2
        self.variance, self.trace = variance, float(self.n) * variance * AT_BOUND
        self.n_anchors = len(anchors)
        self.made = MIXED if mixed else FORECAST
        self.width = 0
        steps = np.array(horizons, dtype=np.int64)
        group = groups(horizons)
        size = np.array([group.count(each) for each in group], dtype=np.int64)
        paces = np.maximum(size, np.where(steps > FAR, EACH, 1))
        keeps = np.where(steps > FAR, FAR_FORGETTING, FORGETTING) ** (paces / size)
        self.n_models = group[-1] + 1
        at = np.array([horizons.index(each) for each in anchors], dtype=np.int64)
        self.numbers = steps, at, paces, np.array(heard, dtype=np.int64), np.array(group)
        self.horizons, self.anchors = memory.integers(steps), memory.integers(at)
        self.paces, self.heard = memory.integers(paces), memory.integers(self.numbers[3])
        self.group = memory.integers(self.numbers[4])
        start = np.concatenate([initial, np.zeros(self.n - self.n_heard)])
        n, roots = self.n, np.sqrt(np.array(horizons, dtype=np.float64))
        self.arrays = roots, keeps, np.zeros(n), np.zeros(n), start, np.zeros(len(at))
        self.roots, self.keeps = memory.doubles(roots), memory.doubles(self.arrays[1])
        self.x, self.px = memory.doubles(self.arrays[2]), memory.doubles(self.arrays[3])
        self.initial, self.missed = memory.doubles(start), memory.doubles(self.arrays[5])

    def bind(self, theta: Floats, covariance: Floats, diverged: Integers) -> None:
        """Work on these arrays from now on."""
        self.theta, self.covariance = memory.doubles(theta), memory.doubles(covariance)
        self.diverged = memory.integers(diverged)

    def follow(self, forecasts: Floats, width: int, places: Integers) -> None:
        """Learn from what is pending there from now on.  width: of each forecast's columns.  places:
        (n_horizons,) where what was forecast for the sample at hand lies.
        """
        self.pending, self.width = memory.doubles(forecasts), width
        self.places = memory.integers(places)

    def learn(self, s: Sample) -> None:
        """Learn from what came of forecasts for this sample, and remember it."""
        self.slots.see(s)
        for i in range(self.n_horizons):
            due = 1 if (s.number + i) % self.paces[i] == 0 and s.position >= self.horizons[i] else 0
            if due and s.value == s.steady:
                self.update(s, i)
        for a in range(self.n_anchors):
            i = self.anchors[a]
            self.missed[a] = NAN
            if s.position >= self.horizons[i]:
                pending, limit = self.places[i] * self.width, LIMIT * s.scale * self.roots[i]
                promised = self.pending[pending + self.made] - self.pending[pending + LAST]
                error = self.moved(s, i) - promised
                if error == error:
                    self.missed[a] = min(max(error, -limit), limit)
        self.slots.keep(s, self.missed)

    def moved(self, s: Sample, i: int) -> float:
        """Return the change that came over the i-th horizon, but for outliers; NaN: it is not known."""
        return self.slots.now - self.slots.level_before(s, self.horizons[i])

    def feature(self, change: float, unit: float) -> float:
        """Return a change in units, bounded; 0 where it is not known."""
        if change != change:
            return 0.0
        return min(max(change / unit, -LIMIT), LIMIT)

    def hear(self, pending: int, last: float, unit: float) -> int:
        """Fill in what the experts had said; return whether any had."""
        said = 1 if self.n_heard == 0 else 0
        for e in range(self.n_heard):
            change = self.pending[pending + SAID + self.heard[e]] - last
            if change == change:
                said = 1
            self.x[e] = self.feature(change, unit)
        return said

    def remember(self, s: Sample, i: int, unit: float, level: float, target: float) -> None:
        """Fill in what the memory has for a target.  level: from which it is forecast."""
        row, at = s.row, self.n_heard
        ahead = float(self.horizons[i]) * self.slots.step
        for k in range(at, self.n):
            self.x[k] = 0.0
        for k in range(self.slots.n if self.slots.step > 0.0 else 0):
            if self.slots.period[row * self.slots.n + k] > 0.0:
                slot = self.slots.back(row, k, ahead, target)
                self.slots.look_up(row, k, 0, slot)
                value, usual = self.slots.value, self.slots.usual
                self.slots.look_up(row, k, 1, slot - ahead)
                self.x[at] = self.feature(value - self.slots.value, unit)
                self.x[at + 1] = self.feature(usual - self.slots.usual, unit)
                self.x[at + 2] = self.feature(self.slots.value - level, unit)
                self.x[at + 3] = self.feature(self.slots.usual - level, unit)
                self.x[at + 4] = self.feature(self.slots.error_at(row, k, i, slot), unit)
                if k == 0:
                    self.x[self.n - 2] = self.feature(self.slots.error_at(row, k, i, target - ahead), unit)
            at += N_OF_PERIOD
        self.x[self.n - 1] = BIAS

    def update(self, s: Sample, i: int) -> None:
        """Learn from the sample what the features of its forecast over the i-th horizon were worth."""
        pending = self.places[i] * self.width
        last = self.pending[pending + LAST]
        unit = s.scale * self.roots[i]
        level = self.slots.level_before(s, self.horizons[i])
        if last == last and level == level and self.hear(pending, last, unit):
            self.remember(s, i, unit, level, self.slots.clock)
            self.fit(s.model, i, self.feature(self.moved(s, i), unit))

    def fit(self, model: int, i: int, y: float) -> None:
        """Learn from an example: x, and y of it. A rank-one update.

        Nothing is forgotten while the trace of the covariance is above that of a model that has seen nothing.
        """
        o, n, x, px = model * self.n_models + self.group[i], self.n, self.x, self.px
        p, theta, total = o * self.n_covariance, o * self.n, 0.0
        diagonal = p
        for k in range(n):
            total += self.covariance[diagonal + k]
            diagonal += k + 1
        keep = self.keeps[i] if total < self.trace else 1.0
        algebra.symmetric_product(self.covariance, p, x, 0, n, px)
        variance = algebra.dot(x, 0, px, 0, n) + keep
        error = y - algebra.dot(x, 0, self.theta, theta, n)
        algebra.add_multiple(error / variance, px, 0, self.theta, theta, n)
        algebra.symmetric_update(self.covariance, p, px, -1.0 / variance, 1.0 / keep, n)
        size = algebra.dot(self.theta, theta, self.theta, theta, n)
        if size - size != 0.0:  # not finite
            self.diverged[model] += 1
            self.start_anew(o)

    def start_anew(self, o: int) -> None:
        """Let a model forget what it knew."""
        place = o * self.n_covariance
        for i in range(self.n):
            self.theta[o * self.n + i] = self.initial[i]
            for j in range(i):
                self.covariance[place + j] = 0.0
            self.covariance[place + i] = self.variance
            place += i + 1

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write what the models make of what the experts before this one have written to out."""
        for i in range(self.n_horizons):
            unit = s.scale * self.roots[i]
            for e in range(self.n_heard):
                said = self.heard[e] * self.n_horizons + i
                change = s.expected - s.value + s.scale * out[said]
                self.x[e] = 0.0 if s.silent[said] else self.feature(change, unit)
            target = self.slots.clock + float(self.horizons[i]) * self.slots.step
            self.remember(s, i, unit, self.slots.now, target)
            theta = (s.model * self.n_models + self.group[i]) * self.n
            made = algebra.dot(self.x, 0, self.theta, theta, self.n)
            made = min(max(made, -LIMIT), LIMIT) * unit
            out[at + i] = (made + s.value - s.expected) / s.scale
