"""Prediction intervals that keep their coverage whatever the errors do: adaptive conformal inference.

Each side of an interval is as wide as a quantile of the errors, tracked online: it widens by a step when a
value falls outside, and narrows by a small one when not, so that over time the share outside is what was
asked for. While more were inside of late, both narrow faster, and slower while there were less: where one
side is hardly ever missed, as of rain that is often none, the other makes up for it. A value that was
forecast exactly is inside of any interval and tells nothing of widths: it moves none.
Source: Gibbs & Candes 2021; Angelopoulos, Candes & Tibshirani 2023 (quantile tracking, error integration).
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

# A value outside widens its side by about this share; over the fourth root of the horizon, since what is
# learnt of a step comes as much later.
STEP = 0.015
# The first steps are larger: one over two horizons and a quarter of the forecasts scored so far.
EAGER = 0.25
# Widths follow the size of about the last 14 errors, times the fourth root of the horizon, since errors
# overlap far ahead: quick enough for noise that comes and goes, or has a season, so that the widths
# themselves, in such sizes, need only move slowly. No error counts as more than so many units: one spike
# would widen intervals for as long; larger errors the widths learn by themselves.
SIZE_MEMORY = 14.0
ERROR_LIMIT = 1.6
# In sizes of the errors: no narrower, no wider than this.
NARROWEST = 1e-3
WIDEST = 1e3
# A smaller error, in units, is none: it is but rounding.
EXACT = 1e-9
# Coverage is reported, and made up for, over about the last 1 / (1 - 0.995) = 200 scored intervals.
COVERAGE_BETA = 0.995


class IntervalsKernel:
    """The half-widths of every stream's intervals, below and above the forecast of each horizon.

    Rows: width: (n_horizons, 2) in root mean square errors.  square, square_weight: (n_horizons,) what those
    are made of.  scored: (n_horizons,) forecasts scored.  inside, weight: (n_horizons,) discounted sums of
    the intervals that held their value, and of all.
    """

    def __init__(self, coverage: float, horizons: tuple[int, ...]) -> None:
        """coverage: the share of values to fall inside, in (0, 1)."""
        self.coverage, self.n_horizons = coverage, len(horizons)
        self.outside = (1.0 - coverage) / 2.0  # on each side
        ahead = np.array(horizons, dtype=np.float64)
        slowness = ahead**0.25
        self.arrays = 2.0 * ahead, STEP / slowness, 1.0 - 1.0 / (SIZE_MEMORY * slowness)
        self.twice = memory.doubles(self.arrays[0])
        self.step_size = memory.doubles(self.arrays[1])
        self.size_beta = memory.doubles(self.arrays[2])
        self.below = self.above = 0.0

    def bind(
        self,
        width: Floats,
        scored: Integers,
        square: Floats,
        square_weight: Floats,
        inside: Floats,
        weight: Floats,
    ) -> None:
        """Work on these arrays from now on."""
        self.width, self.scored = memory.doubles(width), memory.integers(scored)
        self.square, self.square_weight = memory.doubles(square), memory.doubles(square_weight)
        self.inside, self.weight = memory.doubles(inside), memory.doubles(weight)

    def observe(
        self, row: int, i: int, error: float, unit: float, below: float, above: float
    ) -> tuple[float, float]:
        """Call `take`, from Python; return the half-widths in force after it."""
        self.take(row, i, error, unit, below, above)
        return self.below, self.above

    def take(self, row: int, i: int, error: float, unit: float, below: float, above: float) -> None:
        """Learn from an error of the i-th horizon; `below` and `above` are the half-widths in force after it.

        error: value - forecast made for it; NaN where there was none.  unit: of what order errors may be,
        such as the scale of the stream times the root of the horizon.  below, above: the half-widths that
        had been given out.
        """
        o = row * self.n_horizons + i
        size = self.size(o, i, error / unit) * unit
        known = 1 if error == error and below == below else 0
        step = 0.0
        if known and abs(error / unit) > EXACT:
            step = max(self.step_size[i], 1.0 / (self.twice[i] + EAGER * self.scored[o]))
        aim = self.outside - (1.0 - COVERAGE_BETA) * self.coverage * self.weight[o]
        share = max(aim + (1.0 - COVERAGE_BETA) * self.inside[o], 0.0)
        lower = 1.0 if -error > below else 0.0  # never of NaN
        upper = 1.0 if error > above else 0.0
        self.widen(2 * o, (lower - share) * step)
        self.widen(2 * o + 1, (upper - share) * step)
        held = 1.0 if known and lower + upper == 0.0 else 0.0
        self.inside[o] = COVERAGE_BETA * self.inside[o] + held
        self.weight[o] = COVERAGE_BETA * self.weight[o] + known
        self.scored[o] += known
        self.below = self.width[2 * o] * size
        self.above = self.width[2 * o + 1] * size

    def widen(self, place: int, by: float) -> None:
        """Move one half-width."""
        self.width[place] = min(max(math.exp(by) * self.width[place], NARROWEST), WIDEST)

    def size(self, o: int, i: int, relative: float) -> float:
        """Return the root mean square of the errors so far, 1 before the first.  relative: the newest, in
        units.
        """
        known = 1.0 if relative == relative else 0.0
        bounded = min(abs(relative), ERROR_LIMIT) if known > 0.0 else 0.0
        square = bounded * bounded + self.size_beta[i] * self.square[o]
        weight = known + self.size_beta[i] * self.square_weight[o]
        self.square[o] = square
        self.square_weight[o] = weight
        return math.sqrt(square / weight) if weight > 0.0 else 1.0
