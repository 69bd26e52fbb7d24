"""The learning rate in force after so many epochs and mini-batches."""

from __future__ import annotations

import math

from ewad.kernels import memory
from ewad.kernels.memory import Floats

PI = math.pi
KINDS = (
    "constant",
    "inverse_time",
    "exponential",
    "inverse_sqrt",
    "staircase",
    "manual",
    "cosine",
    "reduce_on_plateau",
)
INVERSE_TIME, EXPONENTIAL, INVERSE_SQRT, STAIRCASE, MANUAL, COSINE, REDUCE_ON_PLATEAU = range(1, len(KINDS))


class ScheduleKernel:
    """One schedule.

    kind: one of KINDS.  by_batch: whether mini-batches are counted, not epochs.  a, b: its constants.
    table: (2 n,) of a manual one: an epoch, the rate in force from it on, the next epoch ..., ascending.
    """

    def __init__(self, kind: str, a: float, b: float, by_batch: bool, table: Floats) -> None:
        self.kind, self.a, self.b = KINDS.index(kind), a, b
        self.reduces = 1 if self.kind == REDUCE_ON_PLATEAU else 0
        self.by_batch = 1 if by_batch else 0
        self.array, self.n_table = table, len(table)
        self.table = memory.doubles(table)

    def after(self, initial: float, epoch: int, batch: int) -> float:
        """Return `rate`."""
        return self.rate(initial, epoch, batch)

    def rate(self, initial: float, epoch: int, batch: int) -> float:
        """Return the rate after so many completed epochs (of REDUCE_ON_PLATEAU: plateaus) and
        mini-batches.
        """
        count = float(batch) if self.by_batch else float(epoch)
        if self.kind == INVERSE_TIME:
            return initial / (1.0 + self.a * count)
        if self.kind == EXPONENTIAL:
            return initial * math.pow(self.a, count)
        if self.kind == INVERSE_SQRT:
            return initial * self.a / math.sqrt(count + 1.0)
        if self.kind == STAIRCASE:
            return initial * math.pow(self.a, math.floor(count / self.b))
        if self.kind == COSINE:
            done = min(count / self.a, 1.0)
            return initial * (self.b + (1.0 - self.b) * (1.0 + math.cos(PI * done)) / 2.0)
        if self.kind == REDUCE_ON_PLATEAU:
            return initial * max(math.pow(self.a, count), self.b)
        if self.kind == MANUAL:
            return self.written_down(initial, count)
        return initial

    def written_down(self, initial: float, count: float) -> float:
        """Return the rate of the last entry of the table whose epoch has come; initial before the first."""
        rate = initial
        for i in range(0, self.n_table, 2):
            if self.table[i] <= count:
                rate = self.table[i + 1]
        return rate
