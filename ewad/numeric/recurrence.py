"""First-order recurrences of many series at once: y[j] = decay[j] * y[j-1] + increment[j].

The samples of a batch are put side by side, series after series (`Runs`), and every recurrence of
every series is then advanced by the same few array operations, whether the batch holds one busy
series or a thousand quiet ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Kind = TypeVar("Kind", bound=np.generic)

# A radix sort serves 16-bit keys and is several times quicker than the merge sort of wider ones.
_RADIX_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Runs:
    """The samples of a batch, sorted by series; within a series they keep their order of arrival.

    order: (n,) position in the batch of each sorted sample.
    series: (k,) the series of each run, ascending.
    start, end, length: (k,) first and last sorted sample of each run, and how many.
    run: (n,) the run of each sorted sample.  rank: (n,) its place in that run, from 0.
    """

    order: Integers
    series: Integers
    start: Integers
    end: Integers
    length: Integers
    run: Integers
    rank: Integers
    longest: int

    @classmethod
    def of(cls, series: NDArray[np.integer]) -> Runs:
        """Return the runs of series: (n,) non-negative integers."""
        n = len(series)
        if n == 0:
            none = np.zeros(0, dtype=np.int64)
            return cls(none, none, none, none, none, none, none, 0)
        key = series.astype(np.uint16) if series.max() < _RADIX_LIMIT else series
        order = np.argsort(key, kind="stable")
        ordered = series[order]
        first = np.empty(n, dtype=bool)
        first[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
        start = np.flatnonzero(first)
        length = np.diff(start, append=n)
        run = np.cumsum(first) - 1
        rank = np.arange(n) - start[run]
        series_of_run = ordered[start].astype(np.int64)
        return cls(order, series_of_run, start, start + length - 1, length, run, rank, int(length.max()))

    def spread(self, values: NDArray[Kind]) -> NDArray[Kind]:
        """Return (n,) the value of each sample's run; values: (k,)."""
        return values if self.longest == 1 else values[self.run]

    def inverse(self) -> Integers:
        """Return (n,) the sorted position of each sample of the batch."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(len(self.order))
        return inverse


def previous(values: Floats, first: Floats, runs: Runs) -> Floats:
    """Return (n,), for each sorted sample, the value one sample earlier in its series.

    values: (n,), sorted.  first: (k,) what came before the first sample of each run.
    """
    if runs.longest == 1:
        return first
    shifted = np.empty_like(values)
    shifted[1:] = values[:-1]
    shifted[runs.start] = first
    return shifted


def advance(decay: Floats | float, increment: Floats, carry: Floats, runs: Runs) -> Floats:
    """Return y: (n,) of y[j] = decay[j] * y[j-1] + increment[j], with y[-1] = carry for each run.

    decay: (n,), sorted, or one number.  increment: (n,), sorted.  carry: (k,).  None is changed.
    The affine steps are composed by recursive doubling (Hillis & Steele 1986): log2(longest run)
    passes, no division, so nothing over- or underflows that the plain loop would not.
    """
    if runs.longest == 1:
        return increment + decay * carry
    result = increment.copy()
    result[runs.start] += (decay if isinstance(decay, float) else decay[runs.start]) * carry
    reach = 1
    if isinstance(decay, float) and len(runs.start) == 1:
        while reach < runs.longest:
            result[reach:] += decay * result[:-reach]
            decay *= decay
            reach *= 2
        return result
    factor = np.full_like(increment, decay)
    factor[runs.start] = 0.0  # cuts the recurrence between runs
    while reach < runs.longest:
        result[reach:] += factor[reach:] * result[:-reach]
        factor[reach:] *= factor[:-reach]
        reach *= 2
    return result
