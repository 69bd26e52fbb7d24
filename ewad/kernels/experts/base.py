"""What every expert is: it learns from samples, and says how a stream will have changed up to each
horizon.
"""

from __future__ import annotations

from ewad.kernels import memory
from ewad.kernels.memory import Floats
from ewad.kernels.sample import Sample


class Expert:
    """The rows of one kind of forecast, of streams or of models; `next` is another kind, its own if there is
    none.
    """

    def __init__(self) -> None:
        self.next = self
        self.more = 0

    def then(self, other: Expert) -> None:
        """Let another expert be asked after this one."""
        self.next = other
        self.more = 1

    def teach(self, s: Sample) -> None:
        """Call `learn`, from Python."""
        self.learn(s)

    def say(self, s: Sample, out: Floats) -> None:
        """Call `forecast`, from Python.  out: (n_horizons,)."""
        self.forecast(s, memory.doubles(out), 0)

    def learn(self, s: Sample) -> None:
        """Learn from a sample, which is complete."""

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write forecasts to out[at:], (n_horizons,): changes from the value expected to stay, in scales.

        Where one is not the expert's own word, but the last value for want of it, s.silent[at:] is set to 1.
        """
