"""Forecasts of all streams of a group: forecast, score when the truth arrives, learn."""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.typing import NDArray

from ewad.engine.batch import Forecasts
from ewad.engine.features import Columns, Examples, Features, Samples, columns
from ewad.engine.learner import Learner, Progress
from ewad.engine.recursive_learner import RecursiveLearner
from ewad.engine.settings import ModelSettings
from ewad.numeric.calibration import Calibration
from ewad.numeric.experts import GRADIENT_EXPERTS, RECURSIVE_EXPERTS
from ewad.numeric.intervals import ConformalIntervals
from ewad.numeric.mixture import Hedge, decay_after, decays_after, over_experts
from ewad.numeric.pending import Due, DueOne, Pending
from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.robust import Believed, RobustScale
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
        self.hedge: Hedge | None = None
        self.calibration: Calibration | None = None
        if len(settings.experts) > 1:
            names = settings.experts
            self.hedge = Hedge(settings.horizons, len(names), n_streams)
            self.pending_experts = Pending(settings.horizons, len(names), n_streams)
            self._seasonal_naive = names.index("seasonal_naive") if "seasonal_naive" in names else -1
            if "persistence" in names:
                self.calibration = Calibration(settings.horizons, n_streams)
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
        if self.hedge is not None:
            parts += [self.hedge.part("track record", layout, n_rows)]
            parts += [self.pending_experts.part("pending", f"experts of {layout}", n_rows)]
        if self.calibration is not None:
            parts += [self.calibration.part("calibration", layout, n_rows)]
            parts += [self.calibration.pending.part("pending", f"mixture of {layout}", n_rows)]
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
        if self.hedge is not None:
            owners += [self.hedge, self.pending_experts]
        if self.calibration is not None:
            owners += [self.calibration, self.calibration.pending]
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
        forecast = made[:, :, 0]
        if self.hedge is not None:
            forecast = self._mixed(self.hedge, samples, due, believed, made, no_season)
        error = self._score(runs, due, value, forecast)
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
        forecast = made[0]
        if self.hedge is not None:
            doubted = x != believed.steady.item()
            kept = [math.nan] * len(made) if doubted else made
            if no_season is not None and not doubted:
                kept = made.copy()
                kept[self._seasonal_naive] = math.nan
            came = self.pending_experts.exchange_one(due, kept)
            errors = [math.nan if doubted else (x - each) / unit for each in came]
            shares = self.hedge.update_one(due.row, decay_after(number), errors)
            forecast = sum(map(operator.mul, shares, made))
            if self.calibration is not None:
                forecast = self._calibrated_one(
                    self.calibration, samples, due, believed.evenness, unit, forecast, doubted
                )
            if doubted and not math.isnan(forecast):
                forecast = expected
        error = self._score_one(due, x, forecast)
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
            loss, rate = learner.loss[models], learner.learning_rate[models]
        if self.intervals is None:
            return Forecasts(self.forecast[rows], None, None, loss, rate)
        return Forecasts(self.forecast[rows], self.lower[rows], self.upper[rows], loss, rate)

    def let_stand(self, runs: Runs, forecasts: Forecasts) -> None:
        """Let the last forecasts of each run stand for its stream."""
        self.forecast[runs.rows] = runs.last(forecasts.value)
        if forecasts.lower is not None and forecasts.upper is not None:
            self.lower[runs.rows] = runs.last(forecasts.lower)
            self.upper[runs.rows] = runs.last(forecasts.upper)

    def skill(self) -> Floats:
        """Return 1 - MSE / MSE of persistence, (n_streams, n_horizons); NaN while there is no such ratio."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.squared_change > 0.0, 1.0 - self.squared_error / self.squared_change, np.nan)

    def weights(self) -> Floats | None:
        """Return what the experts weigh in the forecasts, (n_streams, n_horizons, n_experts); None if alone.

        As far as the mixed forecast is not followed, persistence stands in its place.
        """
        if self.hedge is None:
            return None
        weights = self.hedge.shares()
        if self.calibration is not None:
            weights *= self.calibration.share[:, :, None]
            weights[:, :, self.settings.experts.index("persistence")] += 1.0 - self.calibration.share
        return weights

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

    def _mixed(
        self,
        hedge: Hedge,
        samples: Samples,
        due: Due,
        believed: Believed,
        made: Floats,
        no_season: NDArray[np.bool_] | None,
    ) -> Floats:
        """Return the forecasts mixed, (n, n_horizons).

        What is doubted tells nothing of the experts: neither how they forecast it, nor what they make of it.
        """
        value = samples.value
        doubted = value != believed.steady
        some_doubted = bool(doubted.any())
        kept = np.where(doubted[:, None, None], np.nan, made) if some_doubted else made
        if no_season is not None:
            kept = kept.copy()
            kept[:, :, self._seasonal_naive][no_season] = np.nan
        error = value[:, None, None] - self.pending_experts.exchange(due, kept)
        unit = believed.scale[:, None] * self._roots
        error /= unit[:, :, None]
        if some_doubted:
            error[doubted] = np.nan
        share = hedge.update(samples.runs, decays_after(samples.number), error)
        mixed = over_experts(np.add, share * made)
        if self.calibration is not None:
            unknown = doubted if some_doubted else None
            mixed = self._calibrated(self.calibration, samples, due, believed.evenness, unit, mixed, unknown)
        if some_doubted:
            mixed[doubted] = np.where(np.isnan(mixed[doubted]), np.nan, believed.expected[doubted, None])
        return mixed

    def _calibrated(
        self,
        calibration: Calibration,
        samples: Samples,
        due: Due,
        evenness: Floats,
        unit: Floats,
        mixed: Floats,
        doubted: NDArray[np.bool_] | None,
    ) -> Floats:
        """Return the mixed forecasts as far as they are to be followed, (n, n_horizons).

        evenness: (n,) of moves.  unit: (n, n_horizons) what changes are measured in.  doubted: (n,) what is
        nothing to learn from; None: no sample is.
        """
        last = samples.value[:, None]
        made = np.empty((*mixed.shape, 2))
        made[:, :, 0], made[:, :, 1] = mixed, last
        if doubted is not None:
            made[doubted] = np.nan
        changes = calibration.pending.exchange(due, made)  # forecasts for these samples, and values before
        before = changes[:, :, 1:].copy()
        changes[:, :, 1] = last
        changes -= before
        changes /= unit[:, :, None]
        if doubted is not None:
            changes[doubted] = np.nan
        followed = mixed - last
        followed *= calibration.update(samples.runs, samples.number, samples.time, evenness, changes)
        followed += last
        return followed

    def _calibrated_one(
        self,
        calibration: Calibration,
        samples: Samples,
        due: DueOne,
        evenness: Floats,
        unit: float,
        mixed: float,
        doubted: bool,
    ) -> float:
        """As `_calibrated`, of one sample and one horizon."""
        number, time, value = samples.number.item(), samples.time.item(), samples.value.item()
        was, last = calibration.pending.exchange_one(due, (math.nan, math.nan) if doubted else (mixed, value))
        moved = math.nan if doubted else (value - last) / unit
        share = calibration.update_one(due.row, number, time, evenness.item(), (was - last) / unit, moved)
        return value + share * (mixed - value)

    def _score_one(self, due: DueOne, value: float, forecast: float) -> float:
        """As `_score`, of one sample and one horizon."""
        last = math.nan if math.isnan(forecast) else value
        misses = [value - came for came in self.pending.exchange_one(due, (forecast, last))]
        known = not math.isnan(misses[0])
        decay = SKILL_BETA if known else 1.0
        for miss, sums in zip(misses, (self.squared_error, self.squared_change), strict=True):
            sums[due.row, 0] = (miss * miss if known else 0.0) + decay * sums.item(due.row, 0)
        return misses[0]

    def _score(self, runs: Runs, due: Due, value: Floats, forecast: Floats) -> Floats:
        """Hold each value against the forecast made for it, and persistence; return value - forecast."""
        made = np.empty((*forecast.shape, 2))
        made[:, :, 0] = forecast
        np.multiply(forecast, 0.0, out=made[:, :, 1])  # NaN where that is
        made[:, :, 1] += value[:, None]
        miss = value[:, None, None] - self.pending.exchange(due, made)  # (n, n_horizons, 2)
        squares, unknown = miss * miss, np.isnan(miss[:, :, 0])
        decay: Floats | float = SKILL_BETA
        if unknown.any():
            squares[unknown], decay = 0.0, np.where(unknown, 1.0, SKILL_BETA)
        for i, sums in enumerate((self.squared_error, self.squared_change)):
            sums[runs.rows] = runs.last(advance(decay, squares[:, :, i], sums[runs.rows], runs))
        return np.asarray(miss[:, :, 0])
