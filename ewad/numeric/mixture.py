"""The rows of the experts' track record: see `ewad.kernels.hedge`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.kernels.hedge import HedgeKernel
from ewad.kernels.memory import Floats
from ewad.numeric.rows import RowState


class Hedge(RowState):
    """The track record of every expert for each stream and horizon; see `HedgeKernel`."""

    record: Floats
    weight: Floats
    lately: Floats
    lately_weight: Floats

    def __init__(self, horizons: Sequence[int], n_experts: int, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.add_rows("record", len(horizons), n_experts)
        self.add_rows("weight", len(horizons))
        self.add_rows("lately", len(horizons), n_experts)
        self.add_rows("lately_weight", len(horizons))
        self.step = HedgeKernel(tuple(horizons), n_experts)
        self.work_with(self.step)

    def shares(self) -> Floats:
        """Return the weights in force, (n_streams, n_horizons, n_experts)."""
        shares = np.empty(self.record.shape)
        self.step.write_shares(self.n_rows, shares)
        return shares
