"""Forecasts whose truth is still to come, each kept until the sample that it was made for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.kernels.forecaster import ForecasterKernel
from ewad.kernels.memory import Floats
from ewad.numeric.rows import RowState


class _OfPending:
    """Hands what is pending to its kernel."""

    def __init__(self, kernel: ForecasterKernel) -> None:
        self.bind = kernel.bind_pending


class Pending(RowState):
    """What is pending of every stream: for each horizon h in h places, by turns.

    forecasts: (n_streams, sum of horizons, width) as `ForecasterKernel` has its columns; NaN where there is
    none. widths: (n_streams, sum of horizons, 2) the half-widths given out, where there are intervals.
    """

    forecasts: Floats
    widths: Floats

    def __init__(
        self, horizons: Sequence[int], kernel: ForecasterKernel, intervals: bool, n_streams: int = 0
    ) -> None:
        super().__init__(n_streams)
        self.add_rows("forecasts", sum(horizons), kernel.width, fill=np.nan)
        if intervals:
            self.add_rows("widths", sum(horizons), 2, fill=np.nan)
        self.work_with(_OfPending(kernel))
