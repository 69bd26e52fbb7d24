"""Plateaus, update by update: what each model's detector remembers, and its verdict.

`ewad.numeric.plateau` says what a plateau is, and where that comes from.
"""

from __future__ import annotations

from ewad.kernels import memory
from ewad.kernels.memory import Booleans, Floats, Integers

INF = float("inf")


class PlateauKernel:
    """The detector's constants: see `ewad.numeric.plateau.PlateauDetector`."""

    def __init__(self, patience: int, tolerance: float, growth: float, beta: float) -> None:
        self.patience, self.tolerance, self.growth, self.beta = patience, tolerance, growth, beta

    def bind(
        self,
        weight: Floats,
        loss_sum: Floats,
        norm_sum: Floats,
        best: Floats,
        lowest_norm: Floats,
        stalled: Integers,
    ) -> None:
        """Work on these arrays from now on, (n_models,) each: see `ewad.numeric.plateau.PlateauState`."""
        self.arrays = weight, loss_sum, norm_sum, best, lowest_norm, stalled
        self.weight, self.loss_sum = memory.doubles(weight), memory.doubles(loss_sum)
        self.norm_sum, self.best = memory.doubles(norm_sum), memory.doubles(best)
        self.lowest_norm, self.stalled = memory.doubles(lowest_norm), memory.integers(stalled)

    def step_all(self, costs: Floats, gradient_norms: Floats, flat: Booleans) -> None:
        """Take an update of each model in, and write whether it is on a plateau to flat: (n_models,) all."""
        cost, norm = memory.readable(costs), memory.readable(gradient_norms)
        found = memory.booleans(flat)
        for row in range(len(costs)):
            found[row] = self.step(row, cost[row], norm[row])

    def step(self, row: int, cost: float, gradient_norm: float) -> int:
        """Take an update of a model in; return 1 if it is on a plateau."""
        self.weight[row] = self.beta * self.weight[row] + 1.0
        self.loss_sum[row] = self.beta * self.loss_sum[row] + cost
        self.norm_sum[row] = self.beta * self.norm_sum[row] + gradient_norm
        loss = self.loss_sum[row] / self.weight[row]
        norm = self.norm_sum[row] / self.weight[row]
        best = self.best[row]
        # best - tolerance * |best|, which is inf before the first update
        if loss < best * (1.0 + self.tolerance if best < 0.0 else 1.0 - self.tolerance):
            self.best[row] = loss
            self.lowest_norm[row] = norm
            self.stalled[row] = 0
        else:
            self.lowest_norm[row] = min(norm, self.lowest_norm[row])
            self.stalled[row] += 1
        return 1 if self.stalled[row] >= self.patience and norm <= self.growth * self.lowest_norm[row] else 0

    def forget(self, row: int) -> None:
        """Let a model be as before its first update."""
        self.weight[row] = 0.0
        self.loss_sum[row] = 0.0
        self.norm_sum[row] = 0.0
        self.best[row] = INF
        self.lowest_norm[row] = INF
        self.stalled[row] = 0
