"""The examples that the experts of a model learn from: each one at once, or a whole mini-batch together."""

from __future__ import annotations

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample


class ExamplesKernel:
    """What there is to learn from at a sample: `n` examples, from the place `first` of x and y on.

    Rows, where examples wait until a mini-batch is full: x: (size, n_x), y: (size, n_y).  collected: how many
    wait.
    """

    def __init__(self, n_x: int, n_y: int, size: int) -> None:
        """size: how many examples are learnt from together; 1: none has to wait, and there are no rows."""
        self.n_x, self.n_y, self.size = n_x, n_y, size
        self.n = self.first = 0

    def bind(self, x: Floats, y: Floats, collected: Integers) -> None:
        """Work on these arrays from now on."""
        self.x, self.y = memory.doubles(x), memory.doubles(y)
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
            self.x[place * n_x + i] = s.x[i]
        for h in range(n_y):
            self.y[place * n_y + h] = s.y[h]
        self.collected[row] += 1
        if self.collected[row] == self.size:
            self.collected[row] = 0
            self.n, self.first = self.size, row * self.size
