"""The loop over the samples of a batch, in their order, and what is known of each stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ewad.kernels import memory
from ewad.kernels.anomaly import AnomalyKernel
from ewad.kernels.averages import AverageKernel
from ewad.kernels.forecaster import ForecasterKernel
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.stuck import StuckKernel

NAN = float("nan")

# So many samples or more go by without the interpreter's lock. To wait for it may take 5 ms where others
# work: not worth it for a few.
RELEASED = 64
# Squares of values must not overflow.
VALUE_LIMIT = 1e150
UNKNOWN_ROW, IMPOSSIBLE = -2, -3
# Of the output before the averages: the time in force, the seconds since the sample before, the score.
COLUMNS = 3


class StreamsKernel:
    """The streams of a group: counts, newest times and values, and the averages.

    Rows, a number each: count: samples accepted.  time: the newest event time.  seen: when the last one
    arrived. value: the last one.  dropped: samples of the last batch, out of order.
    """

    def __init__(
        self,
        first: AverageKernel,
        n_averages: int,
        drops: bool,
        forecaster: ForecasterKernel | None,
        anomaly: AnomalyKernel,
        stuck: StuckKernel,
    ) -> None:
        """first: of the averages.  drops: whether samples out of order are dropped."""
        self.first = first
        self.forecasts = 0 if forecaster is None else 1
        self.forecaster = forecaster
        self.anomaly, self.stuck = anomaly, stuck
        self.behind = COLUMNS + 2 * n_averages
        self.drops = 1 if drops else 0
        self.dropped = 0

    def bind(self, count: Integers, time: Floats, seen: Floats, value: Floats) -> None:
        """Work on these arrays from now on."""
        self.count, self.time = memory.integers(count), memory.doubles(time)
        self.seen, self.value = memory.doubles(seen), memory.doubles(value)

    def observe(
        self,
        stream: NDArray[np.int32],
        time: Floats,
        value: Floats,
        origin: NDArray[np.int32] | None,
        arrival: float,
        n_streams: int,
        accepted: Integers,
        out: Floats,
        width: int,
    ) -> int:
        """Take in samples, n of each array; return how many were accepted.

        Of an unknown row, a time that is not finite, a value that is not within VALUE_LIMIT nothing is taken
        in: returns UNKNOWN_ROW or IMPOSSIBLE.
        origin: (n,) see `Batch`; None: all are samples.
        arrival: NaN where event time is all that there is.  accepted: (n,), out: (n, width), of which as many
        entries are written.
        """
        n = len(stream)
        self.stream, self.times, self.values = (
            memory.rows(stream),
            memory.readable(time),
            memory.readable(value),
        )
        self.has_points = 0 if origin is None else 1
        if origin is not None:
            self.origin = memory.rows(origin)
        wrong = self.check(n, n_streams)
        if wrong:
            return wrong
        self.accepted, self.out, self.width = memory.integers(accepted), memory.doubles(out), width
        self.dropped = 0
        if n < RELEASED:
            return self.take_all(n, arrival)
        held = memory.release_lock()
        m = self.take_all(n, arrival)
        memory.take_lock(held)
        return m

    def check(self, n: int, n_streams: int) -> int:
        """Return 0 if all samples can be taken in, or what is wrong."""
        for i in range(n):
            if self.stream[i] < 0 or self.stream[i] >= n_streams:
                return UNKNOWN_ROW
            if self.has_points and not 0 <= self.origin[i] <= self.most_origin():
                return IMPOSSIBLE
            if not (abs(self.values[i]) < VALUE_LIMIT and self.times[i] - self.times[i] == 0.0):
                return IMPOSSIBLE
        return 0

    def most_origin(self) -> int:
        """Return the greatest number that tells where an entry of a batch comes from."""
        return 2 * self.forecaster.n_sources if self.forecasts else 0

    def take_all(self, n: int, arrival: float) -> int:
        """Take in the samples one by one."""
        m = 0
        for i in range(n):
            if self.has_points and self.origin[i] > 0:
                self.forecaster.give(self.stream[i], self.origin[i], self.times[i], self.values[i])
            elif self.take(self.stream[i], self.times[i], self.values[i], arrival, m * self.width):
                self.accepted[m] = i
                m += 1
        return m

    def take(self, row: int, time: float, x: float, arrival: float, at: int) -> int:
        """Take in one sample, and write what stands after it to out[at:]; return whether it is accepted."""
        elapsed = 0.0
        if self.count[row] > 0:
            elapsed = time - self.time[row]
            if elapsed < 0.0:
                if self.drops:
                    self.dropped += 1
                    return 0
                time = self.time[row]
                elapsed = 0.0
        self.out[at] = time
        self.out[at + 1] = elapsed
        expected = NAN
        if self.forecasts:
            expected = self.forecaster.expects(row)
        if expected != expected:
            expected = self.first.expects(row)
        self.first.take(row, elapsed, x, self.out, at + COLUMNS)
        self.stuck.take(row, x, elapsed)
        if self.forecasts:
            self.forecaster.keep_step(self.stuck.usual(row))
            self.forecaster.take(row, time, x, elapsed, self.out, at + self.behind)
        self.out[at + 2] = self.anomaly.take(row, x, expected, elapsed)
        self.count[row] += 1
        self.time[row] = time
        self.value[row] = x
        self.seen[row] = time if arrival != arrival else arrival
        return 1
