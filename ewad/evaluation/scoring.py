"""Forecasts held against what came: errors by step, coverage, and the Winkler score of intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ewad.evaluation.methods import Made
from ewad.evaluation.series import ScoredSeries
from ewad.kernels.memory import Floats

# What is summed of each origin and step.
KINDS = ("squared", "absolute", "inside", "width", "winkler", "repeated")


@dataclass(frozen=True, eq=False)
class Errors:
    """Means over the origins, (horizon,) each, by step.

    inside, width, winkler: of intervals; NaN where there are none.  repeated: the share of values that were
    the last one again. Where that is the forecast, any interval that holds its own forecast holds those: so
    much no coverage can fall short of.  n: origins.
    """

    squared: Floats
    absolute: Floats
    inside: Floats
    width: Floats
    winkler: Floats
    repeated: Floats
    n: int


def score(
    series: ScoredSeries, made: Iterable[Made], horizons: Sequence[int], coverage: float | None = None
) -> dict[int, Errors]:
    """Return for each horizon H the errors of the steps 1 to H, over the origins whose last step has come.

    coverage: what the intervals are to hold; None: there are none.  A step without a forecast is NaN.
    Winkler score: the width, and what a value outside is away, 2 / (1 - coverage) times; Winkler 1972.
    """
    sums = {horizon: np.zeros((len(KINDS), horizon)) for horizon in horizons}
    counts = dict.fromkeys(horizons, 0)
    for each in made:
        end = each.first + len(each.forecast)
        inside = np.flatnonzero((each.first <= series.origins) & (series.origins < end))
        for horizon in horizons:
            chosen = inside[series.origins[inside] + horizon < len(series.value)]
            if len(chosen):
                sums[horizon] += _summed(series, each, chosen, horizon, coverage)
                counts[horizon] += len(chosen)
    wanted = {horizon: int((series.origins + horizon < len(series.value)).sum()) for horizon in horizons}
    return {horizon: _means(sums[horizon], counts[horizon], wanted[horizon]) for horizon in horizons}


def _means(sums: Floats, n: int, wanted: int) -> Errors:
    """Return the means; NaN where not every origin had a forecast."""
    means = sums / n if n and n == wanted else np.full_like(sums, np.nan)
    return Errors(**dict(zip(KINDS, means, strict=True)), n=n)


def _summed(
    series: ScoredSeries, made: Made, chosen: np.ndarray, horizon: int, coverage: float | None
) -> Floats:
    """Return the sums over these origins, (len(KINDS), horizon).  chosen: (k,) indexes of origins."""
    origins, unit = series.origins[chosen], series.unit[chosen, None]
    rows, steps = origins - made.first, slice(0, horizon)
    came = series.value[origins[:, None] + np.arange(1, horizon + 1)]  # (k, horizon)
    error = (made.forecast[rows, steps] - came) / unit
    repeated = came == series.value[origins][:, None]
    parts = [error**2, np.abs(error)]
    if made.lower is None or made.upper is None or coverage is None:
        parts += [np.full_like(error, np.nan)] * 3
    else:
        lower, upper = made.lower[rows, steps], made.upper[rows, steps]
        outside = np.maximum(lower - came, 0.0) + np.maximum(came - upper, 0.0)
        width = (upper - lower) / unit
        parts += [(lower <= came) & (came <= upper), width, width + 2.0 / (1.0 - coverage) * outside / unit]
    return np.stack([np.sum(part, axis=0, dtype=np.float64) for part in [*parts, repeated]])


def ratio(error: Floats, of: Floats) -> Floats:
    """Return one error relative to another; where the other is 0, infinity, or 1 if both are."""
    nothing = np.where(np.isnan(error), np.nan, np.where(error > 0.0, np.inf, 1.0))
    return np.divide(error, of, out=nothing, where=of > 0.0)
