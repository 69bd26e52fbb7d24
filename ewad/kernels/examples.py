"""The examples that the experts of a model learn from: each one at once, or a whole mini-batch together."""

from __future__ import annotations

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Integers, Singles
from ewad.kernels.sample import Sample


class ExamplesKernel:
    """What there is to learn from at a sample: `n` examples, x: (n, n_x), and y: (n, n_y).

    Rows, where examples wait until a mini-batch is full: waiting_x: (size, n_x), waiting_y: (size, n_y).
    collected: how many wait.
    """

    def __init__(self, n_x: int, n_y: int, size: int) -> None:
        """size: how many examples are learnt from together; 1: none has to wait, and there are no rows."""
        self.n_x, self.n_y, self.size = n_x, n_y, size
        self.n = 0
        self.arrays = np.zeros(size * n_x), np.zeros(size * n_y)
        self.x, self.y = memory.doubles(self.arrays[0]), memory.doubles(self.arrays[1])

    def bind(self, waiting_x: Singles, waiting_y: Singles, collected: Integers) -> None:
        """Work on these arrays from now on."""
        self.waiting_x, self.waiting_y = memory.singles(waiting_x), memory.singles(waiting_y)
        self.collected = memory.integers(collected)

    def observe(self, s: Sample) -> None:
        """Call `take`, from Python."""
        self.take(s)

    def take(self, s: Sample) -> None:
        """Take in the example that the sample completes, if it does."""
        self.n = 0
        if not s.ready:
            return
        if self.size == 1:
            self.x, self.y, self.n = s.x, s.y, 1
            return
        row, n_x, n_y = s.model, self.n_x, self.n_y
        place = row * self.size + self.collected[row]
        for i in range(n_x):
            self.waiting_x[place * n_x + i] = s.x[i]
        for h in range(n_y):
            self.waiting_y[place * n_y + h] = s.y[h]
        self.collected[row] += 1
        if self.collected[row] == self.size:
            self.collected[row] = 0
            self.fill(row * self.size)
            self.n = self.size

    def fill(self, first: int) -> None:
        """Let what has waited from the place `first` on be what there is to learn from."""
        for k in range(self.size * self.n_x):
            self.x[k] = float(self.waiting_x[first * self.n_x + k])
        for k in range(self.size * self.n_y):
            self.y[k] = float(self.waiting_y[first * self.n_y + k])
