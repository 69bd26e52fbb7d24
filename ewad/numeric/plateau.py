"""Plateaus: where the cost no longer falls and the gradient shows no way out.

A plateau ends the moment the gradient grows: so a saddle is left, and so a training diverges. Neither is a
plateau, nor is a minimum distinguished from one: both are flat.
Source: A. Ng, Improving Deep Neural Networks, week 2, "The problem of local optima".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.memory import Floats, Integers
from ewad.kernels.plateau import PlateauKernel


class PlateauState(NamedTuple):
    """What a detector remembers of each model, (n_models,).

    weight, loss_sum, norm_sum: the averages of cost and gradient norm.  best: the loss that counts as
    progress to fall below.  lowest_norm: the least averaged gradient norm since.  stalled: updates since.
    """

    weight: Floats
    loss_sum: Floats
    norm_sum: Floats
    best: Floats
    lowest_norm: Floats
    stalled: Integers


@dataclass(frozen=True, slots=True)
class PlateauDetector:
    """A plateau: in `patience` updates the smoothed loss has not fallen by `tolerance` of itself, and the
    smoothed gradient norm has not grown `growth` times above its lowest since.

    beta smooths both, bias-corrected. An update is a mini-batch, or the means of several. The formula is in
    ewad.kernels.plateau.
    """

    patience: int = 50
    tolerance: float = 0.01
    growth: float = 2.0
    beta: float = 0.9

    def kernel(self) -> PlateauKernel:
        """Return what watches many models, update by update."""
        return PlateauKernel(self.patience, self.tolerance, self.growth, self.beta)

    def init(self, n_models: int = 1) -> PlateauState:
        """Return the state before the first update."""
        weight, loss_sum, norm_sum = np.zeros((3, n_models))
        best, lowest_norm = np.full((2, n_models), np.inf)
        return PlateauState(weight, loss_sum, norm_sum, best, lowest_norm, np.zeros(n_models, dtype=np.int64))

    def step(
        self, state: PlateauState, cost: Floats | float, gradient_norm: Floats | float
    ) -> tuple[NDArray[np.bool_], PlateauState]:
        """Return whether each model is on a plateau, (n_models,), and the advanced state.

        cost, gradient_norm: finite, (n_models,), or a number for all. No argument is changed.
        """
        state = PlateauState._make(array.copy() for array in state)
        flat = np.empty(len(state.weight), dtype=np.bool_)
        kernel = self.kernel()
        kernel.bind(*state)
        kernel.step_all(_spread(cost, flat.shape), _spread(gradient_norm, flat.shape), flat)
        return flat, state


def _spread(numbers: Floats | float, shape: tuple[int, ...]) -> Floats:
    return np.array(np.broadcast_to(numbers, shape), dtype=np.float64)
