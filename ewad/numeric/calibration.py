"""The rows of what forecasts promised, and what came: see `ewad.kernels.calibration`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.kernels.calibration import CalibrationKernel
from ewad.kernels.memory import Floats
from ewad.numeric.rows import RowState


class Calibration(RowState):
    """The record of what forecasts of each stream and horizon promised, and what came; see
    `CalibrationKernel`.
    """

    record: Floats
    share: Floats
    began: Floats
    low: Floats
    high: Floats

    def __init__(self, horizons: Sequence[int], n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.add_rows("record", 8, len(horizons))
        self.add_rows("share", len(horizons))
        self.add_rows("began", fill=np.nan)
        self.add_rows("low", 3, fill=np.inf)
        self.add_rows("high", 3, fill=-np.inf)
        self.step = CalibrationKernel(tuple(horizons))
        self.work_with(self.step)

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Move when each stream began."""
        self.began[...] = np.minimum(self.began + seconds, now)
