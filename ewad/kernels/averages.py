"""Exponentially weighted averages, bias-corrected: one step a sample.

The course's v = beta * v + (1 - beta) * x, corrected by 1 - beta**t, is the weighted mean of all samples
with weights beta**age; both forms are kept here as one: the mean, and the weight it stands on. Of a held
value its time counts instead of its samples: each weighs what 0.5**(age / half_life) comes to while it stood.
Source: A. Ng, Improving Deep Neural Networks, week 2 (bias correction); West 1979 (weighted updates).
"""

from __future__ import annotations

import math

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

NAN = float("nan")
LN2 = math.log(2.0)
# Of a whole series so many segments are averaged at once, if each is so many windows of 1 / (1 - beta)
# samples long: means from different starts are equal, to the last bit, after some 40.
SEGMENTS = 4
LONG = 200.0


class AverageKernel:
    """The averages of all streams under one decay; `next` is that of another decay.

    Rows, a number each: weight: the sum of w, the weights of the samples so far (0: none yet).  pairs: the
    sum of w_i * w_j over i != j, which is weight**2 - sum of w**2 without its cancellation.  mean: the sum
    of w * x / weight.  scatter: the sum of w * (x - mean)**2.  held: of held values alone, the last one. It
    has no weight yet; pairs are weight**2 there, as time has no number of samples to correct for.
    """

    def __init__(
        self, beta: float, half_life_seconds: float, holds: bool, follower: AverageKernel | None
    ) -> None:
        """beta: NaN where the past decays by half in each half_life_seconds instead.  holds: whether a value
        stands until the next one.
        """
        self.beta = beta
        self.holds = 1 if holds else 0
        self.pace = -1.0 / half_life_seconds
        self.counted = self.paired = self.share = self.spread = NAN  # as `divide` has left them
        self.next = self if follower is None else follower
        self.follows = self.more = 0 if follower is None else 1

    def bind(
        self, weight: Floats, pairs: Floats, mean: Floats, scatter: Floats, held: Floats | None = None
    ) -> None:
        """Work on these arrays from now on; held: those that hold values have it."""
        if held is not None:
            self.held = memory.doubles(held)
        self.weight, self.pairs = memory.doubles(weight), memory.doubles(pairs)
        self.mean, self.scatter = memory.doubles(mean), memory.doubles(scatter)

    def take_all(self, stream: Integers, elapsed: Floats, value: Floats, out: Floats) -> None:
        """Take in samples, (n,) each, in their order; out: (n, 2) as `take` writes it, and no other
        decay's.
        """
        self.more = 0
        rows, seconds, values = memory.integers(stream), memory.readable(elapsed), memory.readable(value)
        found = memory.doubles(out)
        for i in range(len(stream)):
            self.take(rows[i], seconds[i], values[i], found, 2 * i)
        self.more = self.follows

    def smooth(self, value: Floats, out: Floats) -> None:
        """Write the mean after each sample of a whole series to out, (n,) both: as `take` has it, to the bit.

        Each mean waits for the one before. So the series is cut into segments, which are averaged side by
        side as if each were a series of its own. Then the true mean at the end of each goes on into the next
        one, until it is what stands there already: from there on all is.
        """
        n = len(value)
        x, means = memory.readable(value), memory.doubles(out)
        held = memory.release_lock()
        at = self.settle(x, means, n)
        size = (n - at) // SEGMENTS
        if size * (1.0 - self.beta) > LONG:
            self.average_segments(x, means, at, size)
            at += size
            for _ in range(SEGMENTS - 1):
                self.go_on(x, means, at, at + size, 1)
                at += size
        self.go_on(x, means, at, n, 0)
        memory.take_lock(held)

    def settle(self, x: Floats, means: Floats, n: int) -> int:
        """Average from the first sample on, until a sample changes the weight no more; return how many it
        took.
        """
        weight = 0.0
        for i in range(n):
            past = self.beta * weight
            if 1.0 + past == weight:
                return i
            weight = 1.0 + past
            self.share = 1.0 / weight
            means[i] = toward(means[i - 1] if i > 0 else x[i], x[i], self.share)
        return n

    def average_segments(self, x: Floats, means: Floats, first: int, size: int) -> None:
        """Average SEGMENTS segments of so many samples; the first goes on, the others start anew."""
        share = self.share
        a, b, c = first, first + size, first + 2 * size
        d = first + 3 * size
        mean, second, third, fourth = means[a - 1], x[b], x[c], x[d]
        for i in range(size):
            mean = toward(mean, x[a + i], share)
            second = toward(second, x[b + i], share)
            third = toward(third, x[c + i], share)
            fourth = toward(fourth, x[d + i], share)
            means[a + i] = mean
            means[b + i] = second
            means[c + i] = third
            means[d + i] = fourth

    def go_on(self, x: Floats, means: Floats, first: int, end: int, known: int) -> None:
        """Average these samples; known: means stand there already, and the first that is right ends it."""
        if first == end:
            return
        share, mean = self.share, means[first - 1]
        for i in range(first, end):
            mean = toward(mean, x[i], share)
            if known and mean == means[i] and mean != 0.0:  # zeros may differ in their signs
                return
            means[i] = mean

    def expects(self, row: int) -> float:
        """Return what this average would say the next value is: itself; NaN before the first sample."""
        return self.mean[row] if self.weight[row] > 0.0 else NAN

    def take(self, row: int, elapsed: float, x: float, out: Floats, at: int) -> None:
        """Take in a sample of a row, x, so many seconds after its last one.

        Writes mean and standard deviation (NaN before two samples) to out[at:at + 2], those of the other
        decays behind it.
        """
        if self.holds:
            self.hold(row, elapsed, x, out, at)
        else:
            self.count_in(row, elapsed, x, out, at)
        if self.more:
            self.next.take(row, elapsed, x, out, at + 2)

    def hold(self, row: int, elapsed: float, x: float, out: Floats, at: int) -> None:
        """Take in the time that the last value stood; x stands from now on."""
        stood = -math.expm1(elapsed * self.pace * LN2)  # what that time weighs
        past = (1.0 - stood) * self.weight[row]
        weight = stood + past
        if self.weight[row] == 0.0:  # no time has counted yet
            self.mean[row] = self.held[row] if weight > 0.0 else x
        elif weight > 0.0:
            deviation = self.held[row] - self.mean[row]
            self.mean[row] += deviation * stood / weight
            self.scatter[row] = (
                deviation * deviation * stood * past / weight + (1.0 - stood) * self.scatter[row]
            )
        self.weight[row] = weight
        self.pairs[row] = weight * weight
        self.held[row] = x
        out[at] = self.mean[row]
        out[at + 1] = NAN
        if weight > 0.0:
            out[at + 1] = math.sqrt(self.scatter[row] / weight)

    def count_in(self, row: int, elapsed: float, x: float, out: Floats, at: int) -> None:
        """Take in a sample: each weighs one when it comes."""
        decay = self.beta
        if decay != decay:
            decay = math.exp2(elapsed * self.pace)
        past = decay * self.weight[row]  # what all earlier samples weigh now
        weight = 1.0 + past
        pairs = 2.0 * past + decay * decay * self.pairs[row]
        if weight != self.counted or pairs != self.paired:
            self.divide(weight, pairs)
        centre = self.mean[row]
        if self.weight[row] == 0.0:
            centre = x
        deviation = x - centre
        mean = toward(centre, x, self.share)
        if self.beta == 0.0:
            mean = x  # without memory a mean is the sample itself, to the last bit
        scatter = deviation * deviation * (past * self.share) + decay * self.scatter[row]
        self.weight[row] = weight
        self.mean[row] = mean
        self.pairs[row] = pairs
        self.scatter[row] = scatter
        out[at] = mean
        out[at + 1] = math.sqrt(scatter * self.spread)

    def divide(self, weight: float, pairs: float) -> None:
        """Work out what is divided by weight and by pairs: with beta, they soon stay what they are.

        share: of the newest sample.  spread: that times scatter is the variance, in its unbiased form,
        scatter / (weight - sum of w**2 / weight); NaN before two samples.
        """
        self.counted, self.paired = weight, pairs
        self.share = 1.0 / weight
        self.spread = weight / pairs if pairs > 0.0 else NAN


def toward(mean: float, x: float, share: float) -> float:
    """Return the mean with x in it, which weighs this share: of deviations, exact on constant input."""
    return mean + (x - mean) * share
