"""The times that forecasts are for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ewad.engine.settings import ModelSettings


def times_ahead(model: ModelSettings, made: float, step: float | None) -> list[float | None]:
    """Return the time of each horizon's forecast, Unix seconds; None while the step is not known.

    made: the time of the sample behind which they were made.  step: seconds between samples, as they usually
    come; of a grid it is its own, and a forecast is for the middle of an interval.
    """
    every = model.every_seconds
    if every is None:
        return [None if step is None else made + horizon * step for horizon in model.horizons]
    origin = (math.floor(made / every) - 0.5) * every
    return [origin + horizon * every for horizon in model.horizons]


def usual(steps: Sequence[float]) -> float | None:
    """Return the median of the positive ones, None without any."""
    found = sorted(step for step in steps if step > 0.0)
    middle = len(found) // 2
    if not found:
        return None
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2
