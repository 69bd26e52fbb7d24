"""Values on a circle, such as the direction of the wind: they go the short way round.

A stream's value becomes the one nearest to its last among those that mean the same: after 350, 10 is 370.
So averages, forecasts and errors are those of a line. What is told of them lies on the circle again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ewad.engine.batch import Batch, Results


def nearest(value: float, last: float, period: float) -> float:
    """Return what means the same as value, nearest to last."""
    return last + math.remainder(value - last, period)


def observe_on_circle(
    batch: Batch, period: float, last: Callable[[int], float | None], observe: Callable[[Batch], Results]
) -> Results:
    """Return what is found of values on a circle, observed one by one: each beside its stream's last one.

    last: gives the value of a row's stream at that time, None before its first.
    """
    if not len(batch):
        return observe(batch)
    parts = []
    for place, (row, value) in enumerate(zip(batch.stream.tolist(), batch.value.tolist(), strict=True)):
        before = last(row) if math.isfinite(value) else None
        turned = value if before is None else nearest(value, before, period)
        parts.append(observe(_sample(batch, place, turned)))
    accepted = np.concatenate([part.accepted + place for place, part in enumerate(parts)])
    results = Results(accepted, np.concatenate([part.found for part in parts]), parts[0].settings)
    for told in (results.mean, results.forecast, results.lower, results.upper):
        if told is not None:
            told %= period  # a view of what was found
    return results


def _sample(batch: Batch, place: int, value: float) -> Batch:
    """Return the sample at this place as a batch, with another value."""
    one = slice(place, place + 1)
    origin = None if batch.origin is None else batch.origin[one]
    return replace(
        batch, stream=batch.stream[one], time=batch.time[one], value=np.array([value]), origin=origin
    )
