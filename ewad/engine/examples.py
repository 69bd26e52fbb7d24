"""The rows of the examples that wait until a mini-batch of their model is full."""

from __future__ import annotations

import numpy as np

from ewad.kernels.examples import ExamplesKernel
from ewad.kernels.memory import Integers, Singles
from ewad.numeric.rows import Part, RowState


class WaitingExamples(RowState):
    """What all experts of a model learn from; see `ExamplesKernel`.

    size: how many are learnt from together; where it is 1, there are no rows.
    """

    waiting_x: Singles
    waiting_y: Singles
    collected: Integers

    def __init__(self, n_x: int, n_y: int, size: int, n_models: int = 0) -> None:
        super().__init__(n_models)
        self.size = size
        self.step = ExamplesKernel(n_x, n_y, size)
        if size > 1:
            self.add_rows("waiting_x", size, n_x, dtype=np.float32)
            self.add_rows("waiting_y", size, n_y, dtype=np.float32)
            self.add_rows("collected", dtype=np.int64)
            self.work_with(self.step)

    def parts(self, model: str, n_rows: int) -> list[Part]:
        """Return the parts of its state, if there are any; model: what the features mean."""
        if self.size == 1:
            return []
        return [self.part("mini-batch", f"batch_size={self.size}, {model}", n_rows)]
