"""The rows of regressions on what the other experts say: see `ewad.kernels.experts.stack`."""

from __future__ import annotations

import numpy as np

from ewad.kernels.experts.stack import StackKernel
from ewad.kernels.memory import Floats, Integers
from ewad.numeric.experts import EXTERNAL_EXPERTS, FIXED_EXPERTS, INPUTS, STREAM_EXPERTS
from ewad.numeric.rows import Part, RowState
from ewad.numeric.slots import Slots

# What squared parameters cost: those of the experts, as far as they differ from an equal share of each.
RIDGE = 20.0

UNHEARD = (*FIXED_EXPERTS, *EXTERNAL_EXPERTS, INPUTS)


class Stack(RowState):
    """Linear models of what the experts say and the memory holds, one for each horizon; see `StackKernel`."""

    theta: Floats
    covariance: Floats
    diverged: Integers

    def __init__(
        self, horizons: tuple[int, ...], heard: tuple[str, ...], mixed: bool, slots: Slots, n_models: int
    ) -> None:
        """heard: the names of the experts before this one; those that learn have an equal share at first.

        Fixed ones are not heard: the memory has what they say, and steps do not reach it. Nor is what others
        tell: where it is of no use the stack would pay for it.
        """
        super().__init__(n_models)
        places = tuple(e for e, name in enumerate(heard) if name not in UNHEARD)
        learns = np.array([float(heard[e] not in STREAM_EXPERTS) for e in places])
        initial = learns / max(learns.sum(), 1.0)
        self.step = StackKernel(horizons, slots.anchors, places, initial, mixed, 1.0 / RIDGE, slots.step)
        n, n_y = self.step.n, self.step.n_models
        start = np.concatenate([initial, np.zeros(n - len(places))])
        self.add_rows("theta", n_y, n, fill=np.tile(start, (n_y, 1)))
        self.add_rows("covariance", n_y, n * (n + 1) // 2, fill=(np.eye(n) / RIDGE)[np.tril_indices(n)])
        self.add_rows("diverged", dtype=np.int64)
        self.work_with(self.step)

    def parts(self, meaning: str, n_rows: int) -> list[Part]:
        """Return the parts of its state; meaning: that of the parameters."""
        return [self.part("parameters", meaning, n_rows)]
