"""The experts that learn nothing: the last value, and the value a season before."""

from __future__ import annotations

from ewad.kernels.experts.base import Expert
from ewad.kernels.memory import Floats
from ewad.kernels.sample import Sample
from ewad.kernels.seasons import SeasonsKernel


class PersistenceKernel(Expert):
    """What is will be."""

    def __init__(self, n_horizons: int) -> None:
        Expert.__init__(self)
        self.n_horizons = n_horizons

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write the change that leads to the last value."""
        for i in range(self.n_horizons):
            out[at + i] = (s.value - s.expected) / s.scale


class SeasonalNaiveKernel(Expert):
    """What was a season ago will be again; the last value, where none is known."""

    def __init__(self, n_horizons: int, seasons: SeasonsKernel) -> None:
        """seasons: which has seen the sample before this expert is asked."""
        Expert.__init__(self)
        self.n_horizons, self.seasons = n_horizons, seasons

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write the changes that lead to the values a season before the targets."""
        for i in range(self.n_horizons):
            before = self.seasons.before[i]
            if before != before:
                s.silent[at + i] = 1
                before = s.value
            out[at + i] = (before - s.expected) / s.scale
