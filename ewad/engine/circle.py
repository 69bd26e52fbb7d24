"""Values on a circle, such as the direction of the wind: they go the short way round.

A stream's value becomes the one nearest to its last among those that mean the same: after 350, 10 is 370.
So averages, forecasts and errors are those of a line. What is told of them lies on the circle again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ewad.engine.batch import Batch, Results

if TYPE_CHECKING:
    from ewad.engine.group import Group


def nearest(value: float, last: float, period: float) -> float:
    """Return what means the same as value, nearest to last."""
    return last + math.remainder(value - last, period)


def observe_on_circle(group: Group, batch: Batch, observe: Callable[[Batch], Results]) -> Results:
    """Let a group take in values of a circle, sample by sample: each stands beside its stream's last one."""
    period = group.settings.period
    assert period is not None  # noqa: S101 (who calls has looked)
    accepted = [np.zeros(0, dtype=np.int64)]
    found = []
    for i, (row, value) in enumerate(zip(batch.stream.tolist(), batch.value.tolist(), strict=True)):
        known = 0 <= row < len(group.count) and group.count[row] > 0 and math.isfinite(value)
        turned = nearest(value, float(group.value[row]), period) if known else value
        one = slice(i, i + 1)
        origin = None if batch.origin is None else batch.origin[one]
        part = Batch(
            batch.group, batch.stream[one], batch.time[one], np.array([turned]), batch.arrival, origin
        )
        results = observe(part)
        accepted.append(results.accepted + i)
        found.append(results.found)
    results = Results(np.concatenate(accepted), np.concatenate([group.no_results, *found]), group.settings)
    for told in (results.mean, results.forecast, results.lower, results.upper):
        if told is not None:
            told %= period  # a view of what was found
    return results
