"""The rows of linear models by recursive least squares, and of what follows streams by a few numbers."""

from __future__ import annotations

import numpy as np

from ewad.engine.examples import WaitingExamples
from ewad.kernels.experts.recursive import RecursiveKernel
from ewad.kernels.memory import Floats, Integers
from ewad.numeric.experts import STREAM_EXPERTS
from ewad.numeric.rows import Part, RowState

# What an example weighs after each later one: about the last 10,000 count.
FORGETTING = 0.9999


class RecursiveLearner(RowState):
    """n_rows linear models with an intercept.

    The parameters stand still within a mini-batch, as with every learner.

    theta: (n_models, n_x + 1, n_y), the intercept last.  covariance: (n_models, (n_x + 1) (n_x + 2) / 2) the
    lower triangle, row by row.
    diverged: how often a model was found without finite parameters and started anew.
    """

    theta: Floats
    covariance: Floats
    diverged: Integers

    def __init__(
        self, examples: WaitingExamples, start: int, n_x: int, n_y: int, ridge: float, n_models: int
    ) -> None:
        """examples: what the models learn from.  start: the first feature that they see.  ridge: what squared
        parameters cost.
        """
        super().__init__(n_models)
        n = n_x + 1
        self.add_rows("theta", n, n_y)
        self.add_rows("covariance", n * (n + 1) // 2, fill=(np.eye(n) / ridge)[np.tril_indices(n)])
        self.add_rows("diverged", dtype=np.int64)
        self.step = RecursiveKernel(examples.step, start, n_x, n_y, 1.0 / ridge, FORGETTING**examples.size)
        self.work_with(self.step)

    def parts(self, meaning: str, n_rows: int) -> list[Part]:
        """Return the parts of its state; meaning: that of the parameters."""
        return [self.part("parameters", meaning, n_rows)]


class StreamExpert(RowState):
    """What follows each stream by a few numbers of its own: an expert of STREAM_EXPERTS. Rows: the
    kernel's.
    """

    def __init__(self, name: str, horizons: tuple[int, ...], n_streams: int) -> None:
        super().__init__(n_streams)
        kernel = STREAM_EXPERTS[name]
        for array, length in kernel.rows().items():
            self.add_rows(array, length)
        self.step = kernel(horizons)
        self.work_with(self.step)

    def parts(self, meaning: str, n_rows: int) -> list[Part]:
        """Return the parts of its state."""
        return [self.part("parameters", meaning, n_rows)]
