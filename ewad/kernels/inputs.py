"""What other streams of the group had when a stream had its samples: features of the expert "inputs".

A stream sees the last values of its inputs that came before its own sample, never a later one. So what it
sees depends on the order of the samples alone, whatever batches they come in.
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample

NAN = float("nan")
# Of each input: so many of its last changes, each between two samples of the stream, and how far it is from
# its averages over about 10 and 100 of them. Those deviations are of the order of 1 in so many changes.
LAGS = 8
N_AVERAGES = 2
N_OF_INPUT = LAGS + N_AVERAGES
SHAPE = LAGS, N_AVERAGES, N_OF_INPUT  # for who owns the rows: the others are known to kernels alone
BETAS = np.array([0.9, 0.99])
SPREADS = np.array([3.0, 7.0])
# Features are bounded: an outlier says that something happened, not how much to multiply it by.
LIMIT = 4.0
# The usual size of a change is that of about the last 1,000; no change counts as more than so many of it.
SIZE_BETA = 0.999
CHANGE_LIMIT = 5.0


class InputsKernel:
    """The inputs of every stream.

    Rows: links: (n,) the rows of the streams that are inputs, -1 where there is none.  last: the last value
    of each stream, NaN before the first.  history: (n, depth, 3) what each input had at the stream's last
    samples, as rings: its value, NaN where there was none, and the deviations from its averages.
    sums, weights: (n, 2) of those averages.  square, square_weight: (n,) of the changes.
    """

    def __init__(self, n: int, base: int, ahead: int) -> None:
        """n: inputs a stream.  base: the first of the features that are theirs.  ahead: farthest horizon."""
        self.n, self.base, self.ahead = n, base, ahead
        self.depth = ahead + LAGS + 1
        self.arrays = BETAS.copy(), SPREADS.copy()
        self.betas, self.spreads = memory.doubles(self.arrays[0]), memory.doubles(self.arrays[1])

    def bind(
        self,
        links: Integers,
        last: Floats,
        history: Floats,
        sums: Floats,
        weights: Floats,
        square: Floats,
        square_weight: Floats,
    ) -> None:
        """Work on these arrays from now on."""
        self.links, self.last = memory.integers(links), memory.doubles(last)
        self.history = memory.doubles(history)
        self.sums, self.weights = memory.doubles(sums), memory.doubles(weights)
        self.square, self.square_weight = memory.doubles(square), memory.doubles(square_weight)

    def note(self, row: int, x: float) -> None:
        """Note the value of a stream, which may be an input of others."""
        self.last[row] = x

    def take(self, s: Sample) -> None:
        """Look at the inputs of a sample's stream, and write their features behind those of the stream."""
        for j in range(self.n):
            at = s.row * self.n + j
            if s.position == 0:
                self.forget(at)
            link = self.links[at]
            value = NAN
            if link >= 0:
                value = self.last[link]
            self.keep(s, at, value)
            size = 0.0
            if self.square_weight[at] > 0.0:
                size = math.sqrt(self.square[at] / self.square_weight[at])
            first = self.base + j * N_OF_INPUT
            self.fill(s.x_now, first, at, s.number, size)
            if s.ready:
                self.fill(s.x, first, at, s.number - self.ahead, size)

    def forget(self, at: int) -> None:
        """Let what was before a gap of the stream be unknown."""
        for k in range(self.depth):
            self.history[3 * (at * self.depth + k)] = NAN

    def place(self, at: int, number: int) -> int:
        """Return where what an input had at a sample begins; number: of the sample in its stream."""
        return 3 * (at * self.depth + number % self.depth)

    def keep(self, s: Sample, at: int, value: float) -> None:
        """Remember what an input has at this sample; NaN: it has nothing."""
        place = self.place(at, s.number)
        self.history[place] = value
        self.history[place + 1] = 0.0
        self.history[place + 2] = 0.0
        if value != value:
            return
        before = NAN
        if s.position > 0:
            before = self.history[self.place(at, s.number - 1)]
        if before == before:
            square = (value - before) * (value - before)
            if self.square[at] > 0.0:
                square = min(square, CHANGE_LIMIT * CHANGE_LIMIT * self.square[at] / self.square_weight[at])
            self.square[at] = square + SIZE_BETA * self.square[at]
            self.square_weight[at] = 1.0 + SIZE_BETA * self.square_weight[at]
        for i in range(N_AVERAGES):
            average = at * N_AVERAGES + i
            self.sums[average] = value + self.betas[i] * self.sums[average]
            self.weights[average] = 1.0 + self.betas[i] * self.weights[average]
            self.history[place + 1 + i] = value - self.sums[average] / self.weights[average]

    def fill(self, x: Floats, first: int, at: int, number: int, size: float) -> None:
        """Write an input's features at a sample to x[first:].  size: of its usual change; 0: it is still."""
        for k in range(N_OF_INPUT):
            x[first + k] = 0.0
        now = self.history[self.place(at, number)]
        if size > 0.0 and now == now:
            for i in range(N_AVERAGES):
                deviation = self.history[self.place(at, number) + 1 + i] / (self.spreads[i] * size)
                x[first + LAGS + i] = min(max(deviation, -LIMIT), LIMIT)
            for k in range(LAGS):
                before = NAN
                if number > k:
                    before = self.history[self.place(at, number - k - 1)]
                change = (now - before) / size
                now = before
                if change == change:
                    x[first + k] = min(max(change, -LIMIT), LIMIT)
