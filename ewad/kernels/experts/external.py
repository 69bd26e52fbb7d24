"""The expert that says what another program has forecast."""

from __future__ import annotations

import numpy as np

from ewad.kernels import memory
from ewad.kernels.experts.base import Expert
from ewad.kernels.external import ExternalKernel
from ewad.kernels.memory import Floats
from ewad.kernels.sample import Sample

# Nobody's forecast is farther off than so many scales: it stays a number that others can be mixed with.
FARTHEST = 1e6


class ExternalExpert(Expert):
    """One source's forecasts; where it has none for a target, the mean of the experts that learn.

    So its weight stays where it is while it says nothing: it loses by that what those lose.
    """

    def __init__(
        self, source: int, store: ExternalKernel, horizons: tuple[int, ...], learners: list[int]
    ) -> None:
        """learners: the places, among the experts before this one, of those that learn."""
        Expert.__init__(self)
        self.source, self.store, self.n_horizons = source, store, len(horizons)
        self.n_learners = len(learners)
        self.arrays = np.array(horizons, dtype=np.float64), np.array(learners, dtype=np.int64)
        self.horizons, self.learners = memory.doubles(self.arrays[0]), memory.integers(self.arrays[1])

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write the changes that lead to the values that were forecast for the targets."""
        n = self.n_horizons
        for i in range(n):
            value = self.store.value(s.row, self.source, self.store.ahead(s.time, self.horizons[i]))
            change = (value - s.expected) / s.scale
            if value == value:
                out[at + i] = min(max(change, -FARTHEST), FARTHEST)
            elif self.n_learners == 0:
                out[at + i] = (s.value - s.expected) / s.scale
                s.silent[at + i] = 1
            else:
                total = 0.0
                for k in range(self.n_learners):
                    total += out[self.learners[k] * n + i]
                out[at + i] = total / self.n_learners
