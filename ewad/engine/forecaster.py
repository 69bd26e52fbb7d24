"""Forecasts of all streams of a group: forecast, score when the truth arrives, learn."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ewad.engine.batch import Forecasts
from ewad.engine.features import Columns, Examples, Features, Samples, columns
from ewad.engine.learner import Learner, Progress
from ewad.engine.mixer import Mixer
from ewad.engine.recursive_learner import RecursiveLearner
from ewad.engine.settings import ModelSettings
from ewad.numeric.experts import GRADIENT_EXPERTS, RECURSIVE_EXPERTS
from ewad.numeric.intervals import ConformalIntervals
from ewad.numeric.pending import Due, DueOne, Pending
from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.robust import Believed, RobustScale, least, without_rounding
from ewad.numeric.rows import Part, Removal, RowState

# Skill compares about the last 1 / (1 - 0.995) = 200 scored forecasts.
SKILL_BETA = 0.995

# Forecasts, and the lower and upper ends of their intervals, (n, n_horizons); None: there are none.
Made = tuple[Floats, Floats | None, Floats | None]


class Forecaster(RowState):
    """The model of a group at work: forecast = steady value + scale * (what the experts say of features).

    An example pairs features with what came up to the farthest horizon after them, so that no target is
    used before it has arrived. Several experts are mixed by their track record.

    A window restarts where a stream has had a gap: forecasts are NaN until lags are full again, none made
    before is scored, no example and no difference spans the gap. What has been learnt stays.

    forecast, lower, upper: (n_streams, n_horizons), NaN while warming up.  squared_error, squared_change:
    of the forecasts and of persistence, exponentially weighted.
    """

    forecast: Floats
    lower: Floats
    upper: Floats
    squared_error: Floats
    squared_change: Floats

    def __init__(self, settings: ModelSettings, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.settings = settings
        self.shared = settings.share == "group"
        self.horizons = settings.horizons
        self.depth = settings.lags + max(settings.horizons)
        self._roots = np.sqrt(settings.horizons)
        n = len(settings.horizons)
        for name in ("forecast", "lower", "upper"):
            self.add_rows(name, n, fill=np.nan)
        for name in ("squared_error", "squared_change"):
            self.add_rows(name, n)
        self.scale = RobustScale(n_streams)
        self.features = Features(settings, n_streams)
        self.pending = Pending(settings.horizons, 2, n_streams)  # the forecast, and that of persistence
        self.mixer = Mixer(settings, n_streams) if len(settings.experts) > 1 else None
        self.intervals: ConformalIntervals | None = None
        if settings.interval is not None:
            self.intervals = ConformalIntervals(settings.interval, settings.horizons, n_streams)
        self.learners = {
            name: self._learner(name, n, 1 if self.shared else n_streams)
            for name in settings.experts
            if name in GRADIENT_EXPERTS or name in RECURSIVE_EXPERTS
        }

        self._leader = self.gradient_learners.get(settings.expert)
        sees = {name: self._columns(name) for name in self.learners}
        self._views = list(dict.fromkeys(sees.values()))
        self._view_of = {name: self._views.index(columns) for name, columns in sees.items()}

    def parts(self, n_rows: int) -> list[Part]:
        """Return the parts of its state. Windows and scales outlive a change of the model, scores do not."""
        layout = self.settings.layout
        parts = self.features.parts(n_rows)
        parts += [self.scale.part("scale", self.settings.grid, n_rows), self.part("scores", layout, n_rows)]
        parts += [self.pending.part("pending", layout, n_rows)]
        if self.mixer is not None:
            parts += self.mixer.parts(n_rows)
        if self.intervals is not None:
            meaning = f"coverage {self.settings.interval} of {layout}"
            parts += [self.intervals.part("intervals", meaning, n_rows)]
            parts += [self.intervals.pending.part("pending", meaning, n_rows)]
        for name, learner in self.learners.items():
            parts += learner.parts(self.settings.layout_of(name), learner.n_rows if self.shared else n_rows)
        return parts

    @property
    def learner(self) -> Learner:
        """The expert whose loss and rate stand for the model. Raises KeyError if none takes steps."""
        return self.gradient_learners[self.settings.expert]

    @property
    def gradient_learners(self) -> dict[str, Learner]:
        """The experts that take steps, by name."""
        return {name: it for name, it in self.learners.items() if isinstance(it, Learner)}

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows streams."""
        super().grow(n_rows)
        for owner in self._owners():
            owner.grow(n_rows)

    def remove(self, removal: Removal) -> None:
        """Let rows go."""
        super().remove(removal)
        for owner in self._owners():
            owner.remove(removal)

    def _owners(self) -> list[RowState]:
        """Return all other owners of rows that are streams."""
        owners: list[RowState] = [self.scale, self.features, self.pending]
        if self.features.seasons is not None:
            owners.append(self.features.seasons)
        if self.mixer is not None:
            owners += self.mixer.owners()
        if self.intervals is not None:
            owners += [self.intervals, self.intervals.pending]
        return owners if self.shared else [*owners, *self.learners.values()]

    def update(
        self, runs: Runs, time: Floats, value: Floats, restart: NDArray[np.bool_] | None = None
    ) -> Forecasts:
        """Return what stands after each sorted sample.

        time, value: (n,) sorted.  restart: (n,) sorted, whether the sample begins a new window; None: none.
        """
        samples = self.features.place(runs, time, value, restart)
        believed = self.scale.update(runs, samples.position > 0, value)
        examples = self.features.update(samples, believed)
        changes, progress = self._changes(runs, samples.position >= self.depth, examples)
        alone = len(value) == len(self.horizons) == 1  # quicker with numbers
        made = (self._made_one if alone else self._made)(samples, believed, changes, examples.no_season)
        forecasts = Forecasts(*made, *progress)
        self.let_stand(runs, forecasts)
        return forecasts

    def _made(
        self,
        samples: Samples,
        believed: Believed,
        changes: Floats,
        no_season: NDArray[np.bool_] | None,
    ) -> Made:
        """Mix what the experts say, (n, n_horizons, n_experts), and score what they said of these samples."""
        runs, _, value, number, position = samples
        changes[position < self.settings.lags] = np.nan
        due = Due(self.horizons, runs, number, position)
        scale = believed.scale
        made = believed.expected[:, None, None] + changes * scale[:, None, None]  # (n, n_horizons, n_experts)
        unit = scale[:, None] * self._roots  # what errors are measured in
        smallest = least(value[:, None], unit)
        forecast = made[:, :, 0]
        if self.mixer is not None:
            forecast = self.mixer.mix(samples, due, believed, made, unit, smallest, no_season)
        error = self._score(runs, due, value, forecast, smallest)
        lower = upper = None
        if self.intervals is not None:
            width = self.intervals.update(runs, due, error, unit)
            lower, upper = forecast - width[:, :, 0], forecast + width[:, :, 1]
        return forecast, lower, upper

    def _made_one(
        self,
        samples: Samples,
        believed: Believed,
        changes: Floats,
        no_season: NDArray[np.bool_] | None,
    ) -> Made:
        """As `_made`, of one sample and one horizon."""
        expected, scale, x = believed.expected.item(), believed.scale.item(), samples.value.item()
        number, position = samples.number.item(), samples.position.item()
        if position < self.settings.lags:
            changes.fill(np.nan)
        (horizon,) = self.horizons
        due = DueOne(samples.runs.series.item(), number % horizon, position < horizon)
        made, unit = (
            [expected + change * scale for change in changes[0, 0].tolist()],
            scale * math.sqrt(horizon),
        )
        forecast, smallest = made[0], least(x, unit)
        if self.mixer is not None:
            forecast = self.mixer.mix_one(samples, due, believed, made, unit, smallest, no_season)
        error = self._score_one(due, x, forecast, smallest)
        if self.intervals is None:
            return np.array([[forecast]]), None, None
        below, above = self.intervals.update_one(due, error, unit)
        value, lower, upper = np.array((forecast, forecast - below, forecast + above)).reshape(3, 1, 1)
        return value, lower, upper

    def standing(self, rows: Integers) -> Forecasts:
        """Return what stands now for each of these streams."""
        loss = rate = np.full(len(rows), np.nan)
        learner = self._leader
        if learner is not None:
            models = np.zeros_like(rows) if self.shared else rows
            loss, rate = learner.standing(models)
        if self.intervals is None:
            return Forecasts(self.forecast[rows], None, None, loss, rate)
        return Forecasts(self.forecast[rows], self.lower[rows], self.upper[rows], loss, rate)

    def let_stand(self, runs: Runs, forecasts: Forecasts) -> None:
        """Let the last forecasts of each run stand for its stream."""
        self.forecast[runs.rows] = runs.last(forecasts.value)
        if forecasts.lower is not None and forecasts.upper is not None:
            self.lower[runs.rows] = runs.last(forecasts.lower)
            self.upper[runs.rows] = runs.last(forecasts.upper)

    def skill(self, rows: slice | Integers = slice(None)) -> Floats:
        """Return 1 - MSE / MSE of persistence of these streams, of all by default, (k, n_horizons); NaN while
        there is no such ratio.
        """
        error, change = self.squared_error[rows], self.squared_change[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(change > 0.0, 1.0 - error / change, np.nan)

    def weights(self) -> Floats | None:
        """Return what each expert weighs, (n_streams, n_horizons, n_experts); None of one alone."""
        return None if self.mixer is None else self.mixer.weights()

    def coverage(self) -> Floats:
        """Return the share of values inside their intervals, (n_streams, n_horizons); NaN without any."""
        return np.full_like(self.lower, np.nan) if self.intervals is None else self.intervals.coverage()

    def _learner(self, name: str, n_y: int, n_models: int) -> Learner | RecursiveLearner:
        settings = self.settings
        n_x = self._columns(name).n
        if name in RECURSIVE_EXPERTS:
            return RecursiveLearner(n_x, n_y, RECURSIVE_EXPERTS[name], settings.batch_size, n_models)
        return Learner(settings, GRADIENT_EXPERTS[name](n_x, n_y, settings.hidden), n_y, n_models)

    def _columns(self, name: str) -> Columns:
        return columns(self.settings, seasonal=name == "seasonal")

    def _changes(self, runs: Runs, ready: NDArray[np.bool_], examples: Examples) -> tuple[Floats, Progress]:
        """Let every expert learn and forecast; return changes (n, n_horizons, n_experts), and the leader's
        progress.

        Each stream's own model learns in the stream's order, a shared one in order of arrival.
        """
        model, arrived = runs.spread(runs.series), None
        X, Y, X_now = examples.X, examples.Y, examples.X_now
        if self.shared:
            model = np.zeros(len(ready), dtype=np.int64)
            if len(runs.series) > 1:
                arrived = runs.inverse()
                ready, X, Y, X_now = ready[arrived], X[arrived], Y[arrived], X_now[arrived]
        changes = np.empty((*Y.shape, len(self.settings.experts)))
        progress = Progress(np.empty(len(ready)), np.empty(len(ready)))
        if self._leader is None:
            progress.loss[:] = progress.learning_rate[:] = np.nan
        seen = [(columns.of(X), columns.of(X_now)) for columns in self._views]
        for i, name in enumerate(self.settings.experts):
            learner = self.learners.get(name)
            if learner is None:
                changes[:, :, i] = examples.fixed[name]
                continue
            before, now = seen[self._view_of[name]]
            if learner is self._leader:
                change = self._leader.learn(model, ready, before, Y, now, progress)
            else:
                change = learner.learn(model, ready, before, Y, now)
            changes[:, :, i] = change if arrived is None else change[runs.order]
        if arrived is not None:
            progress = Progress(progress.loss[runs.order], progress.learning_rate[runs.order])
        return changes, progress

    def _score_one(self, due: DueOne, value: float, forecast: float, smallest: float) -> float:
        """As `_score`, of one sample and one horizon."""
        last = math.nan if math.isnan(forecast) else value
        misses = [value - came for came in self.pending.exchange_one(due, (forecast, last))]
        misses = [0.0 if abs(miss) < smallest else miss for miss in misses]
        known = not math.isnan(misses[0])
        decay = SKILL_BETA if known else 1.0
        for miss, sums in zip(misses, (self.squared_error, self.squared_change), strict=True):
            sums[due.row, 0] = (miss * miss if known else 0.0) + decay * sums.item(due.row, 0)
        return misses[0]

    def _score(self, runs: Runs, due: Due, value: Floats, forecast: Floats, smallest: Floats) -> Floats:
        """Hold each value against the forecast made for it, and persistence; return value - forecast.

        smallest: (n, n_horizons) the least difference that is one.
        """
        made = np.empty((*forecast.shape, 2))
        made[:, :, 0] = forecast
        np.multiply(forecast, 0.0, out=made[:, :, 1])  # NaN where that is
        made[:, :, 1] += value[:, None]
        miss = value[:, None, None] - self.pending.exchange(due, made)  # (n, n_horizons, 2)
        without_rounding(miss, smallest[:, :, None])
        squares, unknown = miss * miss, np.isnan(miss[:, :, 0])
        decay: Floats | float = SKILL_BETA
        if unknown.any():
            squares[unknown], decay = 0.0, np.where(unknown, 1.0, SKILL_BETA)
        for i, sums in enumerate((self.squared_error, self.squared_change)):
            sums[runs.rows] = runs.last(advance(decay, squares[:, :, i], sums[runs.rows], runs))
        return np.asarray(miss[:, :, 0])
