"""When a forecast crosses a threshold: the path of the forecasts themselves is followed, not a line.

So a tank that is refilled each week, or a disk that is cleaned each night, is forecast to cross only if what
the model knows of its turns says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.memory import Floats


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value that a stream is not to come to, from below (above = True) or from above."""

    name: str
    above: bool
    value: float


class Crossing(NamedTuple):
    """When streams cross a threshold, (n,) each, in steps from the last sample; NaN: not while forecast.

    0: they are past it.  earliest: when the first bound of the interval crosses it, latest: when both have.
    """

    expected: Floats
    earliest: Floats
    latest: Floats


def crossing(
    threshold: Threshold,
    horizons: Floats,
    last: Floats,
    forecast: Floats,
    lower: Floats | None = None,
    upper: Floats | None = None,
) -> Crossing:
    """Return when streams cross a threshold.

    horizons: (h,) ascending, in steps.  last: (n,) the last values.  forecast, lower, upper: (n, h); without
    bounds, earliest and latest are not known. Between two horizons the path is straight.
    """
    sign = 1.0 if threshold.above else -1.0
    near, far = (upper, lower) if threshold.above else (lower, upper)
    unknown = np.full_like(forecast, np.nan)

    def first(path: Floats | None) -> Floats:
        past = sign * (np.column_stack([last, unknown if path is None else path]) - threshold.value)
        return _first(past, np.concatenate([[0.0], horizons]))

    return Crossing(first(forecast), first(near), first(far))


def _first(past: Floats, at: Floats) -> Floats:
    """Return where each path, (n, k) at k places, is first at 0 or above; NaN where it never is."""
    reached: NDArray[np.bool_] = past >= 0.0  # never of NaN
    index = np.argmax(reached, axis=1)
    rows = np.arange(len(past))
    before = np.maximum(index - 1, 0)
    rise, width = past[rows, index] - past[rows, before], at[index] - at[before]
    with np.errstate(invalid="ignore", divide="ignore"):
        back = np.where(rise > 0.0, past[rows, index] / rise, 0.0) * width  # NaN before: from there on
    return np.where(reached.any(axis=1), at[index] - back, np.nan)
