"""Forecasts of all streams of a group: forecast, score when the truth arrives, learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ewad.engine.learner import Learner
from ewad.engine.settings import ModelSettings
from ewad.numeric.experts import EXPERTS
from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.rows import Part, Removal, RowState
from ewad.numeric.windows import Windows

# A stream's scale, the root mean square of its differences, is slow on purpose: about its last 10,000
# samples. A window's own deviation would blow up on near-constant stretches.
SCALE_BETA = 0.9999
# Skill compares about the last 1 / (1 - 0.995) = 200 scored forecasts.
SKILL_BETA = 0.995


class Forecaster(RowState):
    """The model of a group at work: forecast = last value + scale * f(last differences / scale).

    An example pairs the differences up to `depth - lags` samples ago with what came since, so that no
    target is used before it has arrived.

    A window restarts where a stream has had a gap: forecasts are NaN until lags are full again, none made
    before is scored, no example and no difference spans the gap. What has been learnt stays.

    count: (n_streams,) samples ever.  position: (n_streams,) samples since the window's (re)start.
    history: (n_streams, depth) last values, newest last.  forecast: (n_streams, n_horizons), NaN while
    warming up.  pending: (n_streams, sum of horizons) forecasts whose truth is still to come: for each
    horizon h, h places, used in turn.  squared_error, squared_change: of the forecasts and of
    persistence, exponentially weighted.  difference_square, difference_weight: what the scale is made of.
    """

    count: Integers
    position: Integers
    history: Floats
    forecast: Floats
    pending: Floats
    squared_error: Floats
    squared_change: Floats
    difference_square: Floats
    difference_weight: Floats

    def __init__(self, settings: ModelSettings, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.settings = settings
        self.shared = settings.share == "group"
        self.horizons = settings.horizons
        self.depth = settings.lags + max(settings.horizons)
        n_horizons = len(settings.horizons)
        for name in ("count", "position"):
            self.add_rows(name, dtype=np.int64)
        self.add_rows("history", self.depth)
        for name in ("forecast", "squared_error", "squared_change"):
            self.add_rows(name, n_horizons, fill=np.nan if name == "forecast" else 0.0)
        self.add_rows("pending", sum(settings.horizons), fill=np.nan)
        for name in ("difference_square", "difference_weight"):
            self.add_rows(name)
        expert = EXPERTS[settings.expert](settings.lags, n_horizons, settings.hidden)
        self.learner = Learner(settings, expert, n_horizons, 1 if self.shared else n_streams)

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows streams."""
        super().grow(n_rows)
        if not self.shared:
            self.learner.grow(n_rows)

    def remove(self, removal: Removal) -> None:
        """Let rows go."""
        super().remove(removal)
        if not self.shared:
            self.learner.remove(removal)

    def parts(self, n_rows: int) -> list[Part]:
        """Return the parts of its state. Windows and scales outlive a change of the model, scores do not."""
        learner, model = self.learner, self.settings.layout
        window = self.part("window", "", n_rows, "count", "position", "history")
        scores = "forecast", "pending", "squared_error", "squared_change"
        return [
            window._replace(fit=self._fit_window),
            self.part("scale", "", n_rows, "difference_square", "difference_weight"),
            self.part("scores", model, n_rows, *scores),
            *learner.parts(model, learner.n_rows if self.shared else n_rows),
        ]

    def _fit_window(self, arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return windows of another depth as far as they reach: the newest values."""
        theirs = arrays["history"]
        reach = theirs.shape[1]
        if reach == self.depth:
            return arrays
        history = np.zeros((len(theirs), self.depth))
        kept = min(reach, self.depth)
        history[:, self.depth - kept :] = theirs[:, reach - kept :]
        position = np.minimum(arrays["position"], reach)
        return {"count": arrays["count"], "position": position, "history": history}

    def update(
        self, runs: Runs, value: Floats, restart: NDArray[np.bool_] | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Return forecasts (n, n_horizons), loss (n,) and learning rate (n,) after each sorted sample.

        value: (n,) sorted.  restart: (n,) sorted, whether the sample begins a new window; None: none does.
        """
        rows = runs.series
        position = self._positions(runs, restart)
        windows = Windows.of(self.history[rows], runs, value)
        scale = self._scale(runs, value - windows.back(1), position > 0)
        change, loss, rate = self._learn(runs, position >= self.depth, windows, scale)
        forecast = value[:, None] + change * scale[:, None]
        forecast[position < self.settings.lags] = np.nan
        self._score(runs, position, windows, value, forecast)
        self.count[rows] += runs.length
        self.position[rows] = position[runs.end] + 1
        self.history[rows] = windows.history(runs)
        self.forecast[rows] = forecast[runs.end]
        return forecast, loss, rate

    def skill(self) -> Floats:
        """Return 1 - MSE / MSE of persistence, (n_streams, n_horizons); NaN while there is no such ratio."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.squared_change > 0.0, 1.0 - self.squared_error / self.squared_change, np.nan)

    def _positions(self, runs: Runs, restart: NDArray[np.bool_] | None) -> Integers:
        """Return (n,) the place of each sorted sample in its window, from 0."""
        position = runs.spread(self.position[runs.series]) + runs.rank
        if restart is None or not restart.any():
            return position
        place = np.arange(len(restart))
        since = place - np.maximum.accumulate(np.where(restart, place, -1))  # the latest restart, of any run
        return np.where(since <= runs.rank, since, position)

    def _scale(self, runs: Runs, difference: Floats, known: NDArray[np.bool_]) -> Floats:
        """Return (n,) the root mean square of each stream's differences so far; 1 where that is zero."""
        rows = runs.series
        decay = SCALE_BETA if known.all() else np.where(known, SCALE_BETA, 1.0)
        square = advance(decay, np.where(known, difference, 0.0) ** 2, self.difference_square[rows], runs)
        weight = advance(decay, known.astype(np.float64), self.difference_weight[rows], runs)
        self.difference_square[rows] = square[runs.end]
        self.difference_weight[rows] = weight[runs.end]
        return np.where(square > 0.0, np.sqrt(square / np.maximum(weight, 1.0)), 1.0)

    def _learn(
        self, runs: Runs, ready: NDArray[np.bool_], windows: Windows, scale: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Train on sorted samples: each stream's own model in its order, a shared one in order of arrival."""
        if not self.shared:
            return self.learner.learn(runs.series[runs.run], ready, *self._examples(windows, scale))
        one = np.zeros(len(ready), dtype=np.int64)
        if len(runs.series) == 1:
            return self.learner.learn(one, ready, *self._examples(windows, scale))
        arrived = runs.inverse()
        examples = self._examples(windows.at(arrived), scale[arrived])
        change, loss, rate = self.learner.learn(one, ready[arrived], *examples)
        return change[runs.order], loss[runs.order], rate[runs.order]

    def _examples(self, windows: Windows, scale: Floats) -> tuple[Floats, Floats, Floats]:
        """Return X and Y of the examples that end with each sample, and the X of the forecast after it."""
        ahead = max(self.horizons)
        difference = windows.differences()  # (n, depth)
        difference /= scale[:, None]
        origin = windows.back(ahead)
        target = np.empty((len(scale), len(self.horizons)))
        for i, horizon in enumerate(self.horizons):
            target[:, i] = (windows.back(ahead - horizon) - origin) / scale
        return difference[:, : self.settings.lags], target, difference[:, ahead:]

    def _score(
        self, runs: Runs, position: Integers, windows: Windows, value: Floats, forecast: Floats
    ) -> None:
        """Hold each value against the forecast made for it, then put today's forecasts in their places."""
        stream = runs.series[runs.run]
        number = runs.spread(self.count[runs.series]) + runs.rank  # of each sample in its stream, from 0
        place = 0
        for i, horizon in enumerate(self.horizons):
            slot = place + number % horizon
            place += horizon
            predicted = self.pending[stream, slot]
            inside = np.flatnonzero(runs.rank >= horizon)  # forecast within this very batch
            predicted[inside] = forecast[inside - horizon, i]
            predicted[position < horizon] = np.nan  # made before the restart
            error, change = predicted - value, windows.back(horizon) - value
            known = ~np.isnan(error)
            decay = SKILL_BETA if known.all() else np.where(known, SKILL_BETA, 1.0)
            for sums, miss in ((self.squared_error, error), (self.squared_change, change)):
                squares = np.where(known, miss * miss, 0.0)
                sums[runs.series, i] = advance(decay, squares, sums[runs.series, i], runs)[runs.end]
            last = np.flatnonzero(runs.length[runs.run] - runs.rank <= horizon)
            self.pending[stream[last], slot[last]] = forecast[last, i]
