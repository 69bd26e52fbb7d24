"""Forecasts held against what came: errors by step, coverage, and the Winkler score of intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ewad.evaluation.methods import Made
from ewad.evaluation.series import ScoredSeries
from ewad.kernels.memory import Floats
from ewad.numeric.scores import LOCALLY, WINDOW

# What is summed of each origin and step.
KINDS = ("squared", "absolute", "inside", "width", "winkler", "repeated")
INSIDE = KINDS.index("inside")


@dataclass(frozen=True, eq=False)
class Errors:
    """Means over the origins, (horizon,) each, by step.

    inside, width, winkler: of intervals; NaN where there are none.  repeated: the share of values that were
    the last one again. Where that is the forecast, any interval that holds its own forecast holds those: so
    much no coverage can fall short of.  local: of windows of 100 intervals in a row, made after as many
    origins, the share whose coverage is within .1 of what was asked for; NaN of fewer.  n: origins.
    """

    squared: Floats
    absolute: Floats
    inside: Floats
    width: Floats
    winkler: Floats
    repeated: Floats
    local: Floats
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
    held: dict[int, list[Floats]] = {horizon: [] for horizon in horizons}
    for each in made:
        end = each.first + len(each.forecast)
        inside = np.flatnonzero((each.first <= series.origins) & (series.origins < end))
        for horizon in horizons:
            chosen = inside[series.origins[inside] + horizon < len(series.value)]
            if len(chosen):
                parts = _parts(series, each, chosen, horizon, coverage)
                sums[horizon] += [np.sum(part, axis=0, dtype=np.float64) for part in parts]
                held[horizon].append(parts[INSIDE])
                counts[horizon] += len(chosen)
    wanted = {horizon: int((series.origins + horizon < len(series.value)).sum()) for horizon in horizons}
    return {
        horizon: _means(
            sums[horizon], _local(held[horizon], horizon, coverage), counts[horizon], wanted[horizon]
        )
        for horizon in horizons
    }


def _means(sums: Floats, local: Floats, n: int, wanted: int) -> Errors:
    """Return the means; NaN where not every origin had a forecast."""
    means = sums / n if n and n == wanted else np.full_like(sums, np.nan)
    return Errors(**dict(zip(KINDS, means, strict=True)), local=local, n=n)


def _local(held: Sequence[Floats], horizon: int, coverage: float | None) -> Floats:
    """Return the share of windows that are well covered, by step, (horizon,).

    held: (k, horizon) each: whether the values after k origins were inside.
    """
    inside = np.concatenate([*held, np.zeros((0, horizon))])
    n_windows = len(inside) // WINDOW
    if coverage is None or not n_windows:
        return np.full(horizon, np.nan)
    shares = inside[: n_windows * WINDOW].reshape(n_windows, WINDOW, horizon).mean(axis=1)
    known = np.isfinite(shares).all(axis=0)
    return np.where(known, (np.abs(shares - coverage) < LOCALLY).mean(axis=0), np.nan)


def _parts(
    series: ScoredSeries, made: Made, chosen: np.ndarray, horizon: int, coverage: float | None
) -> list[Floats]:
    """Return what is summed of these origins, by KINDS, (k, horizon) each.  chosen: (k,) their indexes."""
    origins, unit = series.origins[chosen], series.unit[chosen, None]
    rows, steps = origins - made.first, slice(0, horizon)
    came = series.value[origins[:, None] + np.arange(1, horizon + 1)]  # (k, horizon)
    error = (made.forecast[rows, steps] - came) / unit
    repeated = (came == series.value[origins][:, None]).astype(np.float64)
    parts = [error**2, np.abs(error)]
    if made.lower is None or made.upper is None or coverage is None:
        parts += [np.full_like(error, np.nan)] * 3
    else:
        lower, upper = made.lower[rows, steps], made.upper[rows, steps]
        outside = np.maximum(lower - came, 0.0) + np.maximum(came - upper, 0.0)
        width = (upper - lower) / unit
        held = ((lower <= came) & (came <= upper)).astype(np.float64)
        parts += [held, width, width + 2.0 / (1.0 - coverage) * outside / unit]
    return [*parts, repeated]


def ratio(error: Floats, of: Floats) -> Floats:
    """Return one error relative to another; where the other is 0, infinity, or 1 if both are."""
    nothing = np.where(np.isnan(error), np.nan, np.where(error > 0.0, np.inf, 1.0))
    return np.divide(error, of, out=nothing, where=of > 0.0)
