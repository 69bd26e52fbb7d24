"""How good forecasts turned out to be: sums of their errors, block by block of each stream's samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ewad.kernels import memory
from ewad.kernels.grid import GridKernel
from ewad.kernels.memory import Booleans, Floats, Integers

NAN = float("nan")
# A stream's samples are summed in at most so many blocks: the part that is scored begins where one does, so
# that it is chosen to 1 / 64 of the samples or better, in bounded memory.
BLOCKS = 128
# What is summed: see `ewad.numeric.scores.SUMS`.
N_SUMS = 13
# Local coverage is that of windows of so many intervals in a row.
WINDOW = 100.0
# A window is well covered within a tenth of what was asked for, and a bit: sums of decimals are not exact.
LOCALLY = 0.1 + 1e-9
N_MADE = 3  # forecast, lower and upper end


class ScoresKernel:
    """Forecasts held against what came. Rows: see `Scores`."""

    def __init__(self, horizons: tuple[int, ...], ago: tuple[int, ...], depth: int, coverage: float) -> None:
        """ago: how many samples before the target the seasonal naive forecast lies; 0: there is none.
        depth: of the history.  coverage: what intervals are to hold.
        """
        self.coverage = coverage
        self.n, self.depth, self.places = len(horizons), depth, sum(horizons)
        steps = np.array(horizons, dtype=np.int64)
        self.arrays = steps, np.cumsum(steps) - steps, np.array(ago, dtype=np.int64)
        self.horizons = memory.integers(self.arrays[0])
        self.first_place = memory.integers(self.arrays[1])
        self.ago = memory.integers(self.arrays[2])
        self.nothing = np.full(self.n * N_MADE, np.nan)

    def bind(
        self,
        count: Integers,
        position: Integers,
        size: Integers,
        sums: Floats,
        history: Floats,
        pending: Floats,
        window: Floats,
        worst: Floats,
    ) -> None:
        """Work on these arrays from now on."""
        self.count, self.position = memory.integers(count), memory.integers(position)
        self.size, self.sums = memory.integers(size), memory.doubles(sums)
        self.history, self.pending = memory.doubles(history), memory.doubles(pending)
        self.window, self.worst = memory.doubles(window), memory.doubles(worst)

    def take_all(self, stream: NDArray[np.int32], value: Floats, made: Floats, restart: Booleans) -> None:
        """Take in samples: see `Scores.update`."""
        rows, values = memory.rows(stream), memory.readable(value)
        said, anew = memory.readable(made), memory.booleans(restart)
        for i in range(len(stream)):
            self.take(rows[i], values[i], said, i * self.n * N_MADE, 1 if anew[i] else 0)

    def take_on_grid(
        self, grid: GridKernel, stream: NDArray[np.int32], time: Floats, value: Floats, made: Floats
    ) -> None:
        """Take in the intervals that samples close.

        Of those that one sample closes, the forecast after the last alone is seen.
        """
        rows, times, values = memory.rows(stream), memory.readable(time), memory.readable(value)
        said, nothing = memory.readable(made), memory.readable(self.nothing)
        for i in range(len(stream)):
            closed = grid.take(rows[i], times[i], values[i])
            for k in range(closed):
                anew = grid.anew if k == 0 else 0
                if k + 1 < closed:
                    self.take(rows[i], grid.value, nothing, 0, anew)
                else:
                    self.take(rows[i], grid.value, said, i * self.n * N_MADE, anew)

    def take(self, row: int, x: float, made: Floats, at: int, restart: int) -> None:
        """Take in a sample; made[at:]: (n_horizons, 3) what is forecast after it."""
        number = self.count[row]
        position = 0 if restart else self.position[row]
        self.count[row] = number + 1
        self.position[row] = position + 1
        if number >= BLOCKS * self.size[row]:
            self.halve(row)
        start = row * self.depth
        step = abs(x - self.history[start + self.depth - 1])
        for i in range(self.n):
            horizon = self.horizons[i]
            place = (row * self.places + self.first_place[i] + number % horizon) * N_MADE
            if position >= horizon:
                o = ((row * BLOCKS + number // self.size[row]) * self.n + i) * N_SUMS
                self.score(row, i, o, x, place, step, 1 if position >= self.ago[i] else 0)
            for k in range(N_MADE):
                self.pending[place + k] = made[at + i * N_MADE + k]
        for i in range(self.depth - 1):
            self.history[start + i] = self.history[start + i + 1]
        self.history[start + self.depth - 1] = x

    def score(self, row: int, i: int, o: int, x: float, place: int, step: float, seasonal: int) -> None:
        """Add what is to be said of one forecast to sums[o:]."""
        sums, end = self.sums, (row + 1) * self.depth
        error = x - self.pending[place]
        low, high = self.pending[place + 1], self.pending[place + 2]
        if error == error:
            last = x - self.history[end - self.horizons[i]]
            sums[o] += 1.0
            sums[o + 1] += error * error
            sums[o + 2] += abs(error)
            sums[o + 3] += step
            sums[o + 4] += last * last
            if seasonal and self.ago[i] > 0:
                same = x - self.history[end - self.ago[i]]
                sums[o + 5] += error * error
                sums[o + 6] += same * same
        if high - low == high - low:
            inside = 1.0 if low <= x <= high else 0.0
            sums[o + 7] += 1.0
            sums[o + 8] += inside
            sums[o + 9] += high - low
            sums[o + 10] += high - low + 2.0 / (1.0 - self.coverage) * max(low - x, x - high, 0.0)
            self.look(row * self.n + i, o, inside)

    def look(self, at: int, o: int, inside: float) -> None:
        """Add to the window that is being filled; where it is full, note its coverage in sums[o:]."""
        window = self.window
        window[2 * at] += 1.0
        window[2 * at + 1] += inside
        if window[2 * at] >= WINDOW:
            share = window[2 * at + 1] / WINDOW
            self.sums[o + 11] += 1.0
            self.sums[o + 12] += 1.0 if abs(share - self.coverage) < LOCALLY else 0.0
            self.worst[o // N_SUMS] = min(self.worst[o // N_SUMS], share)
            window[2 * at] = 0.0
            window[2 * at + 1] = 0.0

    def halve(self, row: int) -> None:
        """Make blocks twice as long: two of them become one."""
        width = self.n * N_SUMS
        o = row * BLOCKS * width
        for block in range(BLOCKS // 2):
            for k in range(width):
                first = o + 2 * block * width + k
                self.sums[o + block * width + k] = self.sums[first] + self.sums[first + width]
        for k in range(BLOCKS // 2 * width, BLOCKS * width):
            self.sums[o + k] = 0.0
        first = row * BLOCKS * self.n
        for block in range(BLOCKS):
            for i in range(self.n):
                two = first + 2 * block * self.n + i
                one = 1.0
                if block < BLOCKS // 2:
                    one = min(self.worst[two], self.worst[two + self.n])
                self.worst[first + block * self.n + i] = one
        self.size[row] *= 2
