"""The unit that a stream's changes are measured in, how even they are, and its values with lone spikes held
back.

Source: Geary 1935 (the mean size of deviations beside their root mean square tells heavy tails).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Floats, Runs, advance, previous
from ewad.numeric.rows import RowState

# The scale is slow on purpose: about the last 10,000 samples. A window's own deviation would blow up on
# near-constant stretches.
SCALE_BETA = 0.9999
# A change of more scales than this is doubted, if it is also as many times as large as the last few moves: a
# stream that hardly ever moves is not doubted whenever it does. The value is believed if the next one lies
# nearer to it than to what was believed before: a spike is gone with the next sample, a step or a change of
# unit has come.
DOUBT_LIMIT = 20.0
# Such a change counts for the scale as no more than this: one spike would widen it for 10,000 samples. Pulses
# more often than each 49 samples still do, and come to be believed. From the third in a row on it is twice as
# much each time: the stream moves otherwise now.
LONE_LIMIT = 7.0
# Where about the last 1 / (1 - 0.9) = 10 moves were smaller than a twentieth of the scale, as after a change
# of unit, it is measured anew from here on. Samples that do not move at all tell nothing.
QUIET_BETA, QUIET = 0.9, 20.0
# Values this near to each other, as a share of them, are the same: means of equal values, or what a sensor
# has computed, may differ in the last bits. A unit is no finer either.
ROUNDING = 2.0**-46
# Differences of computed values that are smaller than this, in the unit that they are measured in, are none
# either: sums in another order differ by as much.
NOTHING = 1e-9
# The mean square of normal moves, to the square of the mean of their sizes.
NORMAL = math.pi / 2.0

Size = TypeVar("Size", float, Floats)


def least(level: Size, unit: Size) -> Size:
    """Return the least difference of computed values that is one; what is smaller is rounding.

    level: the values, such as forecasts and what came.  unit: what their differences are measured in. A sum
    or an order of magnitude that is scale-free would make as much of rounding as of a difference.
    """
    return ROUNDING * abs(level) + NOTHING * unit


def without_rounding(difference: Floats, smallest: Floats | float) -> Floats:
    """Return the differences, those below the smallest set to 0 in place; NaN stays."""
    difference[np.abs(difference) < smallest] = 0.0
    return difference


class Believed(NamedTuple):
    """What is made of each sample, (n,) each.

    steady: the value as believed.  expected: where the stream is expected to stay: at the value; if that is
    doubted, as far towards it as doubted values have proved true.  scale: 1 where nothing has moved yet, and
    no finer than the value's rounding.
    evenness: the square of the moves' mean size, to their mean square, as a multiple of what it is of normal
    moves; 1 at most, and where nothing has moved. It is small where few moves make the scale, as in values of
    coarse steps.
    """

    steady: Floats
    expected: Floats
    scale: Floats
    evenness: Floats


class RobustScale(RowState):
    """Values without those that nothing confirms, and the root mean square of their moves.

    State, (n_streams,) each: steady: the last value as believed.  last: as it came.  square, size, weight:
    what the scale is made of, sums of moves squared, of moves and of ones.  recent: what the last moves alone
    would make of it, squared.  streak: samples in a row that came by too large a change.  stayed, returned:
    how often what was doubted proved true, and how often not.
    """

    steady: Floats
    last: Floats
    square: Floats
    size: Floats
    weight: Floats
    recent: Floats
    streak: NDArray[np.int64]
    stayed: NDArray[np.int64]
    returned: NDArray[np.int64]

    def __init__(self, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        for name in ("steady", "last", "square", "size", "weight", "recent"):
            self.add_rows(name)
        for name in ("streak", "stayed", "returned"):
            self.add_rows(name, dtype=np.int64)

    def update(self, runs: Runs, known: NDArray[np.bool_], value: Floats) -> Believed:
        """Return what is believed after each sorted sample.

        known: (n,) whether the sample continues its stream; one that does not is believed as it is.
        """
        if len(value) == 1:  # quicker with numbers
            return self._update_one(runs.series.item(), bool(known[0]), value.item())
        steady, expected, square, size, weight, recent = self._columns(runs, known, value)
        for mine, column in (
            (self.steady, steady),
            (self.last, value),
            (self.square, square),
            (self.size, size),
            (self.weight, weight),
            (self.recent, recent),
        ):
            mine[runs.rows] = runs.last(column)
        root = np.sqrt(square / np.maximum(weight, 1.0))
        moves = root > 0.0
        evenness = np.ones_like(root)
        np.divide(size, weight * root, out=evenness, where=moves)
        evenness = np.minimum(NORMAL * evenness * evenness, 1.0)
        scale = np.maximum(np.where(moves, root, 1.0), ROUNDING * np.abs(value))
        return Believed(steady, expected, scale, evenness)

    def _update_one(self, row: int, known: bool, value: float) -> Believed:
        """As `update`, of one sample."""
        stream = self._stream(row)
        stream.take(value, known)
        self.steady[row], self.last[row] = stream.steady, value
        self.square[row], self.size[row] = stream.square, stream.size
        self.weight[row], self.recent[row] = stream.weight, stream.recent
        self.streak[row], self.stayed[row], self.returned[row] = stream.streak, stream.stayed, stream.returned
        scale = math.sqrt(stream.square / max(stream.weight, 1.0))
        evenness = min(NORMAL * (stream.size / (stream.weight * scale)) ** 2, 1.0) if scale > 0.0 else 1.0
        scale = max(scale or 1.0, ROUNDING * abs(value))
        return Believed(*np.array((stream.steady, stream.expected, scale, evenness)).reshape(4, 1))

    def _stream(self, row: int) -> _Stream:
        """Return the numbers of a row."""
        return _Stream(
            self.steady.item(row),
            self.last.item(row),
            self.square.item(row),
            self.size.item(row),
            self.weight.item(row),
            self.recent.item(row),
            self.streak.item(row),
            self.stayed.item(row),
            self.returned.item(row),
        )

    def _columns(self, runs: Runs, known: NDArray[np.bool_], value: Floats) -> tuple[Floats, ...]:
        """Return steady, expected, square, size, weight and recent after each sample."""
        move = np.abs(value - previous(value, self.steady[runs.rows], runs))
        move[move <= ROUNDING * np.abs(value)] = 0.0
        if not known.all():
            move = np.where(known, move, 0.0)
        move_squared = move * move
        sums = self._sums(runs, known, move, move_squared)
        columns = value.copy(), value.copy(), *sums
        odd = self._odd(runs, move_squared, *sums)
        if odd.any():
            for run in np.unique(runs.run[odd]).tolist():
                self._follow(runs, run, known, value, columns)
        return columns

    def _sums(
        self, runs: Runs, known: NDArray[np.bool_], move: Floats, move_squared: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return square, size, weight and recent after each sample, if nothing is odd."""
        decay = SCALE_BETA if known.all() else np.where(known, SCALE_BETA, 1.0)
        fading = np.where(move > 0.0, QUIET_BETA, 1.0)
        return (
            advance(decay, move_squared, self.square[runs.rows], runs),
            advance(decay, move, self.size[runs.rows], runs),
            advance(decay, known.astype(np.float64), self.weight[runs.rows], runs),
            advance(fading, (1.0 - QUIET_BETA) * move_squared, self.recent[runs.rows], runs),
        )

    def _odd(
        self, runs: Runs, move_squared: Floats, square: Floats, size: Floats, weight: Floats, recent: Floats
    ) -> NDArray[np.bool_]:
        """Return (n,) whether a sample is doubted, or the scale measured anew, or its run began so."""
        was_square = previous(square, self.square[runs.rows], runs)
        usual = was_square / np.maximum(previous(weight, self.weight[runs.rows], runs), 1.0)
        usual = np.maximum(usual, previous(recent, self.recent[runs.rows], runs))
        odd = (move_squared > DOUBT_LIMIT**2 * usual) & (was_square > 0.0)
        odd |= QUIET**2 * recent * weight < square
        odd[runs.start] |= self.streak[runs.rows] > 0
        return odd

    def _follow(
        self, runs: Runs, run: int, known: NDArray[np.bool_], value: Floats, columns: tuple[Floats, ...]
    ) -> None:
        """Write what `update` finds for one run that has something odd, sample by sample."""
        row, members = runs.series[run], slice(int(runs.start[run]), int(runs.end[run]) + 1)
        stream = self._stream(int(row))
        followed = []
        for x, here in zip(value[members].tolist(), known[members].tolist(), strict=True):
            stream.take(x, here)
            followed.append(stream.columns)
        self.streak[row], self.stayed[row], self.returned[row] = stream.streak, stream.stayed, stream.returned
        for column, those in zip(columns, zip(*followed, strict=True), strict=True):
            column[members] = those


@dataclass(slots=True)
class _Stream:
    """One row of the state."""

    steady: float
    last: float
    square: float
    size: float
    weight: float
    recent: float
    streak: int
    stayed: int
    returned: int

    @property
    def expected(self) -> float:
        """As `Believed` has it; before anything was doubted all that comes is expected to stay."""
        trust = (self.stayed + 1.0) / (self.stayed + self.returned + 1.0)
        return self.last if self.last == self.steady else self.steady + trust * (self.last - self.steady)

    @property
    def columns(self) -> tuple[float, ...]:
        """What `RobustScale._columns` has of it."""
        return self.steady, self.expected, self.square, self.size, self.weight, self.recent

    def take(self, x: float, known: bool) -> None:
        """Take in one sample."""
        change = x - self.steady if known else 0.0
        if abs(change) <= ROUNDING * abs(x):
            change = 0.0
        scale = math.sqrt(self.square / max(self.weight, 1.0))
        doubted, stays = self.last != self.steady, abs(x - self.last) + ROUNDING * abs(x) < abs(change)
        move, usual = abs(change), max(scale, math.sqrt(self.recent))
        wild = scale > 0.0 and move > DOUBT_LIMIT * usual
        self.streak = self.streak + 1 if wild else 0
        if wild:
            move = min(move, LONE_LIMIT * scale * 2.0 ** min(max(self.streak - 2, 0), 1000))
        if stays:
            self.stayed += 1
        elif doubted and known and not wild:
            self.returned += 1
        if not wild or stays:
            self.steady = x
        self.last = x
        if known:
            self._count(move)

    def _count(self, move: float) -> None:
        """Let the scale know of a move."""
        self.square = SCALE_BETA * self.square + move * move
        self.size = SCALE_BETA * self.size + move
        self.weight = SCALE_BETA * self.weight + 1.0
        if move > 0.0:
            self.recent = QUIET_BETA * self.recent + (1.0 - QUIET_BETA) * move * move
            if QUIET**2 * self.recent * self.weight < self.square:
                self.square, self.size, self.weight = move * move, move, 1.0
