"""How each stream reports: how often, for how long the same value, and whether it ever was nearly as long."""

from __future__ import annotations

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers

INFINITY = float("inf")
# A stream is found to be stuck when it has reported the same value for so many samples at least, and this
# many times as often, and as long, as ever before; and only when it has been known for two days, so that it
# has rested at night, and for so many samples.
LEAST_RUN = 20.0
TIMES = 3.0
KNOWN_SECONDS = 172_800.0
KNOWN_SAMPLES = 200

# Samples usually come as about the last so many did; a gap counts as no more than this many steps.
STEP_MEMORY = 50.0
GAP = 3.0

# The columns of a rest.
RUN = 0  # samples since the value last changed
SECONDS = 1  # and the time since then
LONGEST_RUN = 2  # of rests that are over
LONGEST_SECONDS = 3
AGE = 4  # seconds since the first sample
LAST = 5  # the value
STEP = 6  # seconds between samples, as they usually come
COLUMNS = 7

# A new one, for Python, which does not see a compiled kernel's numbers.
REST = (0.0,) * COLUMNS
STEP_PLACE = STEP


class StuckKernel:
    """The rests of every stream. Rows: count: samples.  rest: (COLUMNS,) as above.  stuck: whether it is."""

    def __init__(self, after_seconds: float) -> None:
        """after_seconds: a stream is stuck when its value has been the same for so long; inf: where it rests
        as it never has.
        """
        self.after = after_seconds

    def bind(self, count: Integers, rest: Floats, stuck: Integers) -> None:
        """Work on these arrays from now on."""
        self.count, self.rest, self.stuck = (
            memory.integers(count),
            memory.doubles(rest),
            memory.integers(stuck),
        )

    def observe(self, row: int, x: float, elapsed: float) -> None:
        """Call `take`, from Python."""
        self.take(row, x, elapsed)

    def take(self, row: int, x: float, elapsed: float) -> None:
        """Take in a value of a stream, so many seconds after the one before."""
        r, o = self.rest, row * COLUMNS
        n = self.count[row]
        self.count[row] = n + 1
        r[o + AGE] += elapsed
        if r[o + STEP] > 0.0:
            off = min(elapsed, GAP * r[o + STEP]) - r[o + STEP]
            if off != 0.0:  # most streams are regular, and a division takes as long as four products
                r[o + STEP] += off / min(n + 0.0, STEP_MEMORY)
        else:
            r[o + STEP] = elapsed
        if n == 0 or x != r[o + LAST]:
            r[o + LONGEST_RUN] = max(r[o + LONGEST_RUN], r[o + RUN])
            r[o + LONGEST_SECONDS] = max(r[o + LONGEST_SECONDS], r[o + SECONDS])
            r[o + RUN] = 0.0
            r[o + SECONDS] = 0.0
            r[o + LAST] = x
            self.stuck[row] = 0
            return
        r[o + RUN] += 1.0
        r[o + SECONDS] += elapsed
        if r[o + SECONDS] >= self.after or (self.after == INFINITY and self.rests_anew(o, n)):
            self.stuck[row] = 1

    def usual(self, row: int) -> float:
        """Return the seconds between samples of a stream as they usually come; 0 before the second."""
        return self.rest[row * COLUMNS + STEP]

    def rests_anew(self, o: int, n: int) -> int:
        """Return whether a stream rests as it never has."""
        r = self.rest
        if n < KNOWN_SAMPLES or r[o + AGE] < KNOWN_SECONDS or r[o + RUN] < LEAST_RUN:
            return 0
        if r[o + RUN] < TIMES * r[o + LONGEST_RUN]:
            return 0
        return 1 if r[o + SECONDS] >= TIMES * r[o + LONGEST_SECONDS] else 0
