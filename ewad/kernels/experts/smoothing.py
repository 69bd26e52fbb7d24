"""Exponential smoothing: a level, and a damped trend, that each stream carries along.

Simple smoothing forecasts its level at all horizons; Holt's method adds the sum of a trend that fades by phi
a step. The smoothing weights are not estimated: each expert runs several of them side by side, and speaks
for the one whose one-step errors have been smallest of late.
Sources: Holt 1957, Forecasting seasonals and trends by exponentially weighted averages; Gardner & McKenzie
1985 (the damped trend).
"""

from __future__ import annotations

import numpy as np

from ewad.kernels import memory
from ewad.kernels.experts.base import Expert
from ewad.kernels.memory import Floats
from ewad.kernels.sample import Sample

# The weights of the newest value that run side by side; for each, what one step's change weighs in the trend.
ALPHAS = (0.1, 0.3, 0.6, 0.9)
BETAS = (0.05, 0.1, 0.2, 0.3)
N = 4
PHI = 0.9  # what is left of the trend a step later
# Squared errors are averaged over about the last 1 / (1 - 0.98) = 50 samples, none above so many scales.
ERROR_BETA = 0.98
ERROR_LIMIT = 10.0


class SesKernel(Expert):
    """Levels of each stream, on the values as believed.

    Rows: level, trend, loss: (4,) of each smoothing weight; the trend is 0.
    """

    def __init__(self, horizons: tuple[int, ...]) -> None:
        Expert.__init__(self)
        self.n_horizons = len(horizons)
        self.follows = 0.0  # how much of the trend is followed
        reach = [sum(PHI**step for step in range(1, horizon + 1)) for horizon in horizons]
        self.arrays = np.array(ALPHAS), np.array(BETAS), np.array(reach)
        self.alphas = memory.doubles(self.arrays[0])
        self.betas = memory.doubles(self.arrays[1])
        self.reach = memory.doubles(self.arrays[2])

    @staticmethod
    def rows() -> dict[str, int]:
        """Return the length of each array's row, by name."""
        return {"level": N, "trend": N, "loss": N}

    def bind(self, level: Floats, trend: Floats, loss: Floats) -> None:
        """Work on these arrays from now on."""
        self.level, self.trend = memory.doubles(level), memory.doubles(trend)
        self.loss = memory.doubles(loss)

    def learn(self, s: Sample) -> None:
        """Move each level, and trend, towards the newest value; the first one of a window is the level."""
        for i in range(N):
            k = s.row * N + i
            if s.position == 0:
                self.level[k] = s.steady
                self.trend[k] = 0.0
                self.loss[k] = 0.0
            expected = self.level[k] + PHI * self.trend[k]
            error = s.steady - expected
            miss = min(max(error / s.scale, -ERROR_LIMIT), ERROR_LIMIT)
            self.loss[k] = ERROR_BETA * self.loss[k] + miss * miss
            level = expected + self.alphas[i] * error
            self.trend[k] = PHI * self.trend[k] + self.follows * self.alphas[i] * self.betas[i] * error
            self.level[k] = level

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write the changes that lead to the level, and along the trend, of the best weight."""
        best = s.row * N
        for k in range(s.row * N, s.row * N + N):
            if self.loss[k] < self.loss[best]:
                best = k
        for i in range(self.n_horizons):
            out[at + i] = (self.level[best] + self.reach[i] * self.trend[best] - s.expected) / s.scale


class HoltKernel(SesKernel):
    """Levels and damped trends of each stream: rows as those of `SesKernel`."""

    def __init__(self, horizons: tuple[int, ...]) -> None:
        SesKernel.__init__(self, horizons)
        self.follows = 1.0
