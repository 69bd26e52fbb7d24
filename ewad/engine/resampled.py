"""The regular grid of a model that sees the intervals which samples close, instead of the samples."""

from __future__ import annotations

from ewad.engine.settings import MAX_HELD, ModelSettings
from ewad.numeric.grid import Grid


def grid_of(model: ModelSettings) -> Grid | None:
    """Return the grid that a model is set to, None if it sees samples."""
    if model.every_seconds is None:
        return None
    max_gap = model.max_gap_seconds
    if max_gap is None:
        max_gap = min(model.lags, MAX_HELD) * model.every_seconds
    return Grid(model.every_seconds, model.resample, max_gap)
