"""Plateaus: where the cost no longer falls and the gradient shows no way out.

A plateau ends the moment the gradient grows: so a saddle is left, and so a training diverges. Neither is a
plateau, nor is a minimum distinguished from one: both are flat.
Source: A. Ng, Improving Deep Neural Networks, week 2, "The problem of local optima".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.memory import Floats


class PlateauState(NamedTuple):
    """What a detector remembers of each model: arrays of one shape, or plain numbers of a single model.

    weight, loss_sum, norm_sum: the averages of cost and gradient norm.  best: the loss that counts as
    progress to fall below.  lowest_norm: the least averaged gradient norm since.  stalled: updates since.
    """

    weight: Floats | float
    loss_sum: Floats | float
    norm_sum: Floats | float
    best: Floats | float
    lowest_norm: Floats | float
    stalled: NDArray[np.int64] | int


@dataclass(frozen=True, slots=True)
class PlateauDetector:
    """A plateau: in `patience` updates the smoothed loss has not fallen by `tolerance` of itself, and the
    smoothed gradient norm has not grown `growth` times above its lowest since.

    beta smooths both, bias-corrected. An update is a mini-batch, or the means of several.
    """

    patience: int = 50
    tolerance: float = 0.01
    growth: float = 2.0
    beta: float = 0.9

    def init(self, shape: int | tuple[int, ...] = ()) -> PlateauState:
        """Return the state before the first update."""
        if shape == ():
            return PlateauState(0.0, 0.0, 0.0, np.inf, np.inf, 0)
        zeros, far = np.zeros(shape), np.full(shape, np.inf)
        return PlateauState(zeros, zeros, zeros, far, far, np.zeros(shape, dtype=np.int64))

    def step(
        self, state: PlateauState, cost: Floats | float, gradient_norm: Floats | float
    ) -> tuple[NDArray[np.bool_] | bool, PlateauState]:
        """Return whether each model is on a plateau, and the advanced state; no argument is changed.

        cost, gradient_norm: finite, of the state's shape.
        """
        weight = self.beta * state.weight + 1.0
        loss_sum = self.beta * state.loss_sum + cost
        norm_sum = self.beta * state.norm_sum + gradient_norm
        loss, norm = loss_sum / weight, norm_sum / weight
        # best - tolerance * |best|, which is inf before the first update
        falls = loss < state.best * _choose(state.best < 0.0, 1.0 + self.tolerance, 1.0 - self.tolerance)
        best = _choose(falls, loss, state.best)
        lowest = _choose(falls | (norm < state.lowest_norm), norm, state.lowest_norm)
        stalled = _choose(falls, 0, state.stalled + 1)
        plateau = (stalled >= self.patience) & (norm <= self.growth * lowest)
        return plateau, PlateauState(weight, loss_sum, norm_sum, best, lowest, stalled)


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    """Return np.where(condition, yes, no), of numbers in a tenth of its time: those of a single model."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no
