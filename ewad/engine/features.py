"""What the experts see: lags, and with `features = "full"` also averages, level and calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine.settings import ModelSettings
from ewad.numeric.calendar import DAY, harmonics
from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.robust import DOUBT_LIMIT, Believed
from ewad.numeric.rows import Part, RowState
from ewad.numeric.seasons import Seasons
from ewad.numeric.windows import Windows, positions

# Features are bounded: an outlier says that something happened, not how much to multiply it by.
LAG_LIMIT = 4.0
LEVEL_LIMIT = 8.0
_LAG_BOUNDS, _LEVEL_BOUNDS = ((np.array(-limit), np.array(limit)) for limit in (LAG_LIMIT, LEVEL_LIMIT))
# The averages and the level follow no single change further than so many scales, and none of so many as are
# doubted: a step, or two spikes in a row, would otherwise be in them for thousands of samples.
JUMP_LIMIT = 10.0
# A target of more scales than this, times the root of its horizon, teaches no more than that.
TARGET_LIMIT = 5.0
# How far the value is from its averages over about 10, 100 and 500 samples, and from where it began.
AVERAGE_BETAS = np.array([0.9, 0.99, 0.998])
# Each deviation from an average, and the level, is of the order of 1 in these many scales.
SPREADS = np.array([3.0, 7.0, 16.0, 5.0])

# The columns of the context, beside the lags that stand between the first two and the rest.
_WEEK = slice(0, 2)
_DEVIATIONS = slice(2, 5)  # in units of the value, and so of the scale
_SEASON = slice(5, 9)  # two harmonics of the day, or of the season that is set
_YEAR = slice(9, 11)
_LEVEL = 11  # in units of the value
_YEAR_SHAPE = slice(12, 14)  # the year's second harmonic
_N_CONTEXT = 14
# What only the seasonal expert sees, beside the newest lags and the context: a linear model of few features
# gains by their products. The level and the newest lag mean other things in summer than in winter, and
# large deviations from the averages revert at another pace than small ones.
_SEASONAL_LAGS = 2
_N_CROSSED = 8
CROSSED = 0.4


class Samples(NamedTuple):
    """A batch as it goes through a forecaster, sorted, (n,) each.

    time: Unix seconds.  value: as it came.  number: of each sample in its stream, from 0.  position: in its
    window.
    """

    runs: Runs
    time: Floats
    value: Floats
    number: Integers
    position: Integers


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of the features an expert sees."""

    start: int
    stop: int

    @property
    def n(self) -> int:
        """How many."""
        return self.stop - self.start

    def of(self, X: Floats) -> Floats:
        """Return a view of these columns of X: (n, n_features)."""
        return X[:, self.start : self.stop]


def n_features(lags: int, features: str) -> int:
    """Return how many columns all experts but the seasonal one see."""
    return lags if features == "lags" else lags + _YEAR.stop


def columns(settings: ModelSettings, seasonal: bool) -> Columns:
    """Return the columns of the seasonal expert, or of the others."""
    if seasonal:
        return Columns(2 + max(0, settings.lags - _SEASONAL_LAGS), settings.lags + _N_CONTEXT + _N_CROSSED)
    return Columns(0, n_features(settings.lags, settings.features))


@dataclass(frozen=True, slots=True)
class Examples:
    """X: (n, n_x) the features where each sample's example begins.  Y: (n, n_horizons) its targets.

    X_now: (n, n_x) the features at the sample.  fixed: name -> the forecasts that need no learning,
    (n, n_horizons), or (n, 1) the same for all. All in scales, relative to the steady value;
    `fixed` to the one expected to stay.  no_season: (n, n_horizons) where the seasonal naive forecast is but
    the last value, since none a season before is known; None: nowhere.
    """

    X: Floats
    Y: Floats
    X_now: Floats
    fixed: dict[str, Floats]
    no_season: NDArray[np.bool_] | None


class Features(RowState):
    """The windows of every stream, on the values as believed (`RobustScale`).

    count: (n_streams,) samples ever.  position: (n_streams,) samples since the window's (re)start.
    history: (n_streams, depth) last values, newest last.  context: (n_streams, ahead, 14) what else was
    seen with each of the last samples.  level: (n_streams,) the sum of all changes since the first value, as
    far as they are followed.  sums: (n_streams, 3) averages' sums of it; weights alike.
    """

    count: Integers
    position: Integers
    history: Floats
    context: Floats
    sums: Floats
    weights: Floats
    level: Floats

    def __init__(self, settings: ModelSettings, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self._settings = settings
        self._ahead = max(settings.horizons)
        self._target_ago = self._ahead - np.array(settings.horizons)
        self._target_limit = TARGET_LIMIT * np.sqrt(settings.horizons)
        self.depth = settings.lags + self._ahead
        self.seasons: Seasons | None = None
        if settings.season is not None or "seasonal_naive" in settings.experts:
            self.seasons = Seasons(settings.horizons, settings.season, n_streams)
        for name in ("count", "position"):
            self.add_rows(name, dtype=np.int64)
        self.add_rows("history", self.depth)
        self._full = settings.features == "full"
        if self._full:
            self.add_rows("context", self._ahead, _N_CONTEXT)
            self.add_rows("sums", len(AVERAGE_BETAS))
            self.add_rows("weights", len(AVERAGE_BETAS))
            self.add_rows("level")

    def parts(self, n_rows: int) -> list[Part]:
        """Return the parts of its state. Windows outlive a change of the model."""
        window = self.part("window", self._settings.grid, n_rows, "count", "position", "history")
        parts = [window._replace(fit=self._fit_window)]
        if self._full:
            settings = self._settings
            meaning = f"ahead={self._ahead}" + (f", season={settings.season}" if settings.season else "")
            meaning += f", {settings.grid}" if settings.grid else ""
            parts.append(self.part("context", meaning, n_rows, "context", "level", "sums", "weights"))
        if self.seasons is not None:
            meaning = f"season={self._settings.season}"  # the same for all horizons
            meaning += f", {self._settings.grid}" if self._settings.grid else ""
            parts.append(self.seasons.part("season", meaning, n_rows))
        return parts

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

    def place(
        self, runs: Runs, time: Floats, value: Floats, restart: NDArray[np.bool_] | None = None
    ) -> Samples:
        """Count sorted samples in, and return them with the places they have in their streams and windows.

        restart: (n,) sorted, whether the sample begins a new window; None: none does.
        """
        rows = runs.rows
        if len(value) == 1:  # quicker with numbers
            row = rows.start if isinstance(rows, slice) else rows.item()
            at, place = self.count.item(row), self.position.item(row)
            if restart is not None and restart[0]:
                place = 0
            self.count[row], self.position[row] = at + 1, place + 1
            return Samples(runs, time, value, np.array([at]), np.array([place]))
        number = runs.spread(self.count[rows]) + runs.rank
        position = positions(self.position[rows], runs, restart)
        self.count[rows] += runs.length
        self.position[rows] = runs.last(position) + 1
        return Samples(runs, time, value, number, position)

    def update(self, samples: Samples, believed: Believed) -> Examples:
        """Return the examples of the samples, and keep what later ones need."""
        runs = samples.runs
        steady, scale = believed.steady, believed.scale
        windows = Windows.of(self.history[runs.rows], runs, steady)
        settings, ahead = self._settings, self._ahead
        difference = windows.differences(settings.lags + ahead)
        difference /= scale[:, None] if len(scale) > 1 else scale.reshape(())  # quicker without axes
        if self._full:
            moved = _followed(difference[:, -1]) * scale
        _bound(difference, *_LAG_BOUNDS)
        X, X_now = difference[:, : settings.lags], difference[:, ahead:]
        if self._full:
            context = self._see(runs, samples.time, samples.number, moved)
            before = Windows.of(self.context[runs.rows], runs, context)
            X, X_now = self._with(X, before.back(ahead), scale), self._with(X_now, context, scale)
            before.keep(self.context, runs)
        Y = self._targets(windows, scale)
        fixed, no_season = self._fixed(samples, believed)
        windows.keep(self.history, runs)
        return Examples(X, Y, X_now, fixed, no_season)

    def _targets(self, windows: Windows, scale: Floats) -> Floats:
        if len(scale) == len(self._target_limit) == 1:  # quicker with numbers
            last, before = windows.values.item(-1), windows.values.item(-1 - self._ahead)
            limit = self._target_limit.item()
            return np.array([[min(max((last - before) / scale.item(), -limit), limit)]])
        target = windows.back_all(self._target_ago)
        target -= windows.back(self._ahead)[:, None]
        target /= scale[:, None]
        return _bound(target, -self._target_limit, self._target_limit)

    def _fixed(
        self, samples: Samples, believed: Believed
    ) -> tuple[dict[str, Floats], NDArray[np.bool_] | None]:
        """Return the forecasts of the last value, and of the value a season before; where there is none."""
        runs, time, value, number, position = samples
        expected, scale = believed.expected, believed.scale
        last = (value - expected) / scale
        fixed = {"persistence": last[:, None]}
        if self.seasons is not None:
            before = self.seasons.update(runs, time, number, position, believed.steady)
            same = (before - expected[:, None]) / scale[:, None]
            unknown = np.isnan(same)
            fixed["seasonal_naive"] = np.where(unknown, last[:, None], same)
            if unknown.any():
                return fixed, unknown
        return fixed, None

    def _see(self, runs: Runs, time: Floats, number: Integers, moved: Floats) -> Floats:
        """Return the context of each sample, (n, 14), its measured part in units of the value.

        moved: (n,) the change that came with it, as far as it is followed.
        """
        rows = runs.rows
        level = advance(1.0, moved * (number > 0), self.level[rows], runs)
        sums = advance_all(AVERAGE_BETAS, level, self.sums[rows], runs)
        weights = advance_all(AVERAGE_BETAS, np.ones(len(level)), self.weights[rows], runs)
        self.level[rows], self.sums[rows] = runs.last(level), runs.last(sums)
        self.weights[rows] = runs.last(weights)
        day, season = time / DAY, self._settings.season
        context = np.empty((len(time), _N_CONTEXT))
        context[:, _WEEK] = harmonics(day / 7.0, 1)
        context[:, _DEVIATIONS] = (level[:, None] - sums / weights) / SPREADS[:3]
        context[:, _SEASON] = harmonics(day if season is None else number / season, 2)
        year = harmonics(day / 365.25, 2)
        context[:, _YEAR], context[:, _YEAR_SHAPE] = year[:, ::2], year[:, 1::2]
        context[:, _LEVEL] = level / SPREADS[3]
        return context

    def _with(self, lags: Floats, context: Floats, scale: Floats) -> Floats:
        """Return the features: week, lags, the rest of the context, and the crossed ones."""
        n = lags.shape[1]
        X = np.empty((len(lags), n + _N_CONTEXT + _N_CROSSED))
        X[:, _WEEK] = context[:, _WEEK]
        X[:, 2 : 2 + n] = lags
        rest = X[:, 2 + n : n + _N_CONTEXT]
        rest[:] = context[:, 2:]
        rest[:, :3] /= scale[:, None]
        rest[:, 9] /= scale
        _bound(rest[:, :3], *_LAG_BOUNDS)
        _bound(rest[:, 9], *_LEVEL_BOUNDS)
        crossed, year, deviation = X[:, n + _N_CONTEXT :], rest[:, 7:9], rest[:, :2]
        np.multiply(year, rest[:, 9:10], out=crossed[:, 0:2])
        np.multiply(year, lags[:, -1:], out=crossed[:, 2:4])
        np.multiply(deviation, deviation, out=crossed[:, 4:6])
        np.multiply(deviation, np.abs(deviation), out=crossed[:, 6:8])
        crossed *= CROSSED
        return X


def _followed(change: Floats) -> Floats:
    """Return how much of changes the averages and the level follow; all in scales, (n,)."""
    followed = np.minimum(np.maximum(change, -JUMP_LIMIT), JUMP_LIMIT)
    followed[np.abs(change) > DOUBT_LIMIT] = 0.0
    return followed


def _bound(values: Floats, lowest: Floats, highest: Floats) -> Floats:
    """Return the values, moved to within the bounds in place."""
    np.maximum(values, lowest, out=values)
    return np.minimum(values, highest, out=values)


def advance_all(betas: Floats, increment: Floats, carry: Floats, runs: Runs) -> Floats:
    """Return `advance` at several constant decays, (n, n_betas).  increment: (n,).  carry: (k, n_betas)."""
    return np.column_stack(
        [advance(float(beta), increment, carry[:, i], runs) for i, beta in enumerate(betas)]
    )
