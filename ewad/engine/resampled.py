"""A forecaster on a regular grid: it sees the intervals that samples close, instead of the samples."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ewad.engine.batch import Forecasts
from ewad.engine.forecaster import Forecaster
from ewad.engine.settings import MAX_HELD, ModelSettings
from ewad.numeric.grid import Grid
from ewad.numeric.recurrence import Floats, Integers, Runs

OF_THE_MODEL = ("loss", "learning_rate")


def grid_of(model: ModelSettings) -> Grid | None:
    """Return the grid that a model is set to, None if it sees samples."""
    if model.every_seconds is None:
        return None
    max_gap = model.max_gap_seconds
    if max_gap is None:
        max_gap = min(model.lags, MAX_HELD) * model.every_seconds
    return Grid(model.every_seconds, model.resample, max_gap)


def on_grid(grid: Grid, forecaster: Forecaster, runs: Runs, time: Floats, value: Floats) -> Forecasts:
    """Let the model see the intervals that these sorted samples close.

    Return what is in force after each sample: what stood after the last closed interval of its stream; loss
    and rate after the last one of its model. After a gap no forecast is, until lags are full again.
    """
    rows = runs.series
    before = forecaster.standing(rows)
    closed = grid.update(runs, time, value)
    after = before
    if len(closed.value):
        after = forecaster.update(closed.runs, closed.time, closed.value, closed.restart)
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(Forecasts)):
        place = closed.latest_of_all if forecaster.shared and name in OF_THE_MODEL else closed.latest
        was, is_now = getattr(before, name), getattr(after, name)
        found[name] = None if was is None else _in_force(was, is_now, place, runs)
        if was is not None and name not in OF_THE_MODEL:
            found[name][closed.fresh] = np.nan
    forecasts = Forecasts(**found)
    forecaster.let_stand(runs, forecasts)
    return forecasts


def _in_force(before: Floats, after: Floats, place: Integers, runs: Runs) -> Floats:
    """Return the entry of after at each sample's place, or, at -1, that of before for its run."""
    chosen: Floats = after[place]
    none = np.flatnonzero(place < 0)
    chosen[none] = before[runs.run[none]]
    return chosen
