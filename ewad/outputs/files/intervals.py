"""Results sample by sample -> results interval by interval: what a model on a regular grid saw and said."""

from __future__ import annotations

import numpy as np

from ewad.engine.resampled import grid_of
from ewad.engine.settings import ModelSettings
from ewad.numeric.grid import Closed, Grid
from ewad.outputs.files.rows import Table


class Intervals:
    """The closed intervals of one stream, from the rows of its results as they come.

    A row stands in the middle of its interval: `value` is what the model saw, a forecast is the one made when
    it closed, and anything else as it was after its last sample. After a gap that the grid does not bridge
    come rows without a value, as many as hold forecasts made before it.
    """

    def __init__(self, model: ModelSettings) -> None:
        """Raises ValueError for a model without a grid."""
        grid = grid_of(model)
        if grid is None:
            raise ValueError("model: expected one on a grid")
        grid.grow(1)
        self._grid: Grid = grid
        self._ahead = max(model.horizons)
        self._last: Table | None = None  # the row of the newest sample
        self._began = np.nan  # when the newest closed interval did

    def take(self, table: Table) -> Table:
        """Return the rows of the intervals that these rows close; there may be none."""
        last = self._last or {name: column[:1] for name, column in table.items()}
        time = np.maximum.accumulate(np.maximum(table["time"], last["time"]))
        closed = self._grid.update(np.zeros(len(time), dtype=np.int64), time, table["value"])
        sample = closed.sample
        # a forecast is seen after the last of those that one sample closes
        made = np.append(sample[1:] != sample[:-1], True)[: len(sample)]
        before = {name: np.append(last[name], column[:-1]) for name, column in table.items()}
        rows = {
            name: np.where(made, column[sample], np.nan) if _is_forecast(name) else before[name][sample]
            for name, column in table.items()
        }
        rows |= {"time": closed.time + self._grid.every_seconds / 2.0, "value": closed.value}
        self._last = {name: column[-1:] for name, column in (table | {"time": time}).items()}
        return self._with_gaps(rows, closed)

    def _with_gaps(self, rows: Table, closed: Closed) -> Table:
        """Return the rows with empty ones where a gap lies before an interval."""
        every = self._grid.every_seconds
        since = np.diff(closed.time, prepend=self._began)
        empty = np.where(closed.restart, np.nan_to_num(np.round(since / every) - 1.0), 0.0)
        n_empty = np.minimum(empty, self._ahead).astype(np.int64)
        if len(closed.time):
            self._began = closed.time[-1]
        if not n_empty.any():
            return rows
        at = np.repeat(np.arange(len(n_empty)), n_empty)
        number = np.arange(len(at)) - np.repeat(np.cumsum(n_empty) - n_empty, n_empty)
        nothing = {name: np.full(len(at), np.nan) for name in rows}
        nothing["time"] = (rows["time"] - since)[at] + (number + 1) * every
        return {name: np.insert(column.astype(float), at, nothing[name]) for name, column in rows.items()}


def _is_forecast(name: str) -> bool:
    return name.startswith(("forecast_", "lower_", "upper_"))
