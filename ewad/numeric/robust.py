"""The rows of what is believed of streams, and of the scale of their moves: see `ewad.kernels.scale`."""

from __future__ import annotations

from ewad.kernels.memory import Floats, Integers
from ewad.kernels.scale import ScaleKernel
from ewad.numeric.rows import RowState


class RobustScale(RowState):
    """Values without those that nothing confirms, and the root mean square of their moves; see
    `ScaleKernel`.
    """

    steady: Floats
    last: Floats
    square: Floats
    size: Floats
    weight: Floats
    recent: Floats
    streak: Integers
    stayed: Integers
    returned: Integers

    def __init__(self, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        for name in ("steady", "last", "square", "size", "weight", "recent"):
            self.add_rows(name)
        for name in ("streak", "stayed", "returned"):
            self.add_rows(name, dtype="int64")
        self.step = ScaleKernel()
        self.work_with(self.step)
