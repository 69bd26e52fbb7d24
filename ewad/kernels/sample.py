"""A sample on its way through a model, and all that has been found out about it so far."""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory


class Sample:
    """The sample that a model is at. One object serves all of them, one after another.

    row: of its stream.  model: of the model that forecasts it.  number: in its stream, position: in its
    window, both from 0.  time: Unix seconds.  local: what clocks on the wall show.  value: as it came.
    steady, expected, scale, evenness: see `ScaleKernel`.
    lowest, highest: the range of where the stream had been, a farthest horizon before; without bounds where
    nobody keeps it.
    warm: whether there are lags enough to forecast from.  ready: whether it completes an example: x,
    (n_features,), where that begins, and y, (n_horizons,), what came of it.  x_now: the features at this
    sample. silent: (n_experts * n_horizons,) 1 where what an expert forecasts is not its own word.
    """

    def __init__(self, n_features: int, n_horizons: int, n_experts: int) -> None:
        self.arrays = np.zeros(n_features), np.zeros(n_features), np.zeros(n_horizons)
        self.flags = np.zeros(n_experts * n_horizons, dtype=np.int64)
        self.x = memory.doubles(self.arrays[0])
        self.x_now = memory.doubles(self.arrays[1])
        self.y = memory.doubles(self.arrays[2])
        self.silent = memory.integers(self.flags)
        self.row = self.model = self.number = self.position = 0
        self.warm = self.ready = 0
        self.time = self.local = self.value = self.steady = self.expected = self.scale = self.evenness = 0.0
        self.lowest, self.highest = -math.inf, math.inf
