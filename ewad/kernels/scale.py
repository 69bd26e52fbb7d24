"""The unit that a stream's changes are measured in, how even they are, and its values with lone spikes held
back.

Source: Geary 1935 (the mean size of deviations beside their root mean square tells heavy tails).
"""

from __future__ import annotations

import math

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample

# The scale is slow on purpose: about the last 10,000 samples. A window's own deviation would blow up on
# near-constant stretches.
SCALE_BETA = 0.9999
# A change of more scales than this is an outlier, if it is also as many times as large as the last few
# moves: a stream that hardly ever moves is not an outlier whenever it does. The value is believed if the
# next one lies nearer to it than to what was believed before: a spike is gone with the next sample, a step
# or a change of unit has come.
OUTLIER_LIMIT = 20.0
# Such a change counts for the scale as no more than this: one spike would widen it for 10,000 samples. Pulses
# more often than each 49 samples still do, and come to be believed. From the third in a row on it is twice as
# much each time: the stream's typical step has changed.
LONE_LIMIT = 7.0
MOST_DOUBLED = 1000.0
# Where about the last 1 / (1 - 0.9) = 10 moves were smaller than a tenth of the scale, as after a change
# of unit, it is measured anew from here on. Samples that do not move at all tell nothing.
QUIET_BETA = 0.9
QUIET = 10.0
# Values this near to each other, as a share of them, are the same: means of equal values, or what a sensor
# has computed, may differ in the last bits. A unit is no finer either.
ROUNDING = 2.0**-46
# The mean square of normal moves, to the square of the mean of their sizes.
NORMAL = math.pi / 2.0


class ScaleKernel:
    """What is believed of each stream, and the root mean square of its moves.

    Rows, a number each: steady: the last value as believed.  last: as it came.  square, size, weight: what
    the scale is made of, sums of moves squared, of moves and of ones.  recent: what the last moves alone
    would make of it, squared.  streak: samples in a row that came by too large a change.  stayed, returned:
    how often an outlier proved true, and how often not.
    """

    def bind(
        self,
        steady: Floats,
        last: Floats,
        square: Floats,
        size: Floats,
        weight: Floats,
        recent: Floats,
        streak: Integers,
        stayed: Integers,
        returned: Integers,
    ) -> None:
        """Work on these arrays from now on."""
        self.steady, self.last = memory.doubles(steady), memory.doubles(last)
        self.square, self.size = memory.doubles(square), memory.doubles(size)
        self.weight, self.recent = memory.doubles(weight), memory.doubles(recent)
        self.streak, self.stayed = memory.integers(streak), memory.integers(stayed)
        self.returned = memory.integers(returned)

    def observe(self, s: Sample) -> None:
        """Call `take`, from Python."""
        self.take(s)

    def take(self, s: Sample) -> None:
        """Find what is to be made of a sample; one that does not continue its stream is believed as it is.

        Fills steady: the value as believed.  expected: where the stream is expected to stay: at the value;
        of an outlier, as far towards it as outliers have proved true.  scale: 1 where nothing has moved yet,
        and no finer than the value's rounding.
        evenness: the square of the moves' mean size, to their mean square, as a multiple of what it is of
        normal moves; 1 at most, and where nothing has moved. It is small where few moves make the scale, as
        in values of coarse steps.
        """
        row = s.row
        x = s.value
        known = 1 if s.position > 0 else 0
        move = 0.0
        if known:
            move = abs(x - self.steady[row])
            if move <= ROUNDING * abs(x):
                move = 0.0
        scale = math.sqrt(self.square[row] / max(self.weight[row], 1.0))
        usual = max(scale, math.sqrt(self.recent[row]))
        wild = 1 if scale > 0.0 and move > OUTLIER_LIMIT * usual else 0
        stays = 1 if abs(x - self.last[row]) + ROUNDING * abs(x) < move else 0
        self.streak[row] = self.streak[row] + 1 if wild else 0
        if stays:
            self.stayed[row] += 1
        elif known and not wild and self.last[row] != self.steady[row]:
            self.returned[row] += 1
        if not wild or stays:
            self.steady[row] = x
        if wild:
            doubled = min(max(float(self.streak[row]) - 2.0, 0.0), MOST_DOUBLED)
            most = LONE_LIMIT * scale * math.pow(2.0, doubled)
            if move > most:
                move = most
        self.last[row] = x
        if known:
            self.count(row, move)
        self.tell(s)

    def count(self, row: int, move: float) -> None:
        """Let the scale know of a move."""
        square = SCALE_BETA * self.square[row] + move * move
        size = SCALE_BETA * self.size[row] + move
        weight = SCALE_BETA * self.weight[row] + 1.0
        if move > 0.0:
            recent = QUIET_BETA * self.recent[row] + (1.0 - QUIET_BETA) * move * move
            self.recent[row] = recent
            if QUIET * QUIET * recent * weight < square:
                square = move * move
                size = move
                weight = 1.0
        self.square[row] = square
        self.size[row] = size
        self.weight[row] = weight

    def tell(self, s: Sample) -> None:
        """Fill in what is believed of the sample."""
        row = s.row
        s.steady = self.steady[row]
        s.expected = s.value
        if s.value != s.steady:
            trust = (self.stayed[row] + 1.0) / (self.stayed[row] + self.returned[row] + 1.0)
            s.expected = s.steady + trust * (s.value - s.steady)
        scale = math.sqrt(self.square[row] / max(self.weight[row], 1.0))
        s.evenness = 1.0
        if scale > 0.0:
            mean = self.size[row] / (self.weight[row] * scale)
            s.evenness = min(NORMAL * (mean * mean), 1.0)
        else:
            scale = 1.0
        s.scale = max(scale, ROUNDING * abs(s.value))
