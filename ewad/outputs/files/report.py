"""What a replay's forecasts were worth, as text: errors, skill, coverage, and which experts had the say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ewad.config.syntax import quoted
from ewad.engine import Batch, Engine, Results
from ewad.engine.group import Group
from ewad.engine.recursive_learner import StreamExpert
from ewad.engine.resampled import grid_of
from ewad.engine.settings import ModelSettings
from ewad.kernels.memory import Floats
from ewad.numeric.calendar import WEEK, season_of
from ewad.numeric.scores import Score, Scores
from ewad.outputs.text import aligned

# So many intervals between samples of a group say what its season is.
ENOUGH_INTERVALS = 100
NAMED = 3  # streams in a line
HEADER = ("stream", "horizon", "scored", "MSE", "MAE", "MASE", "skill", "vs season", "coverage", "mean width")

Observed = tuple[Batch, Results]


class Report:
    """The scores of all groups that have a model, in memory bounded by their streams and horizons."""

    def __init__(self, engine: Engine, score_from: float) -> None:
        """score_from: the share of each stream's samples that is left out first, in [0, 1)."""
        self._score_from = score_from
        self._groups = [
            None if group.settings.model is None else _GroupReport(group, group.settings.model)
            for group in engine.groups
        ]

    def observe(self, batch: Batch, results: Results) -> None:
        """Take in a batch and what became of it."""
        group = self._groups[batch.group]
        if group is not None and len(results.accepted):
            group.observe(batch, results)

    def __str__(self) -> str:
        """The tables of all groups."""
        some = [group for group in self._groups if group is not None]
        if not some:
            return "no group has a model: there are no forecasts to report on"
        return "\n\n".join("\n".join(group.lines(self._score_from)) for group in some)


class _GroupReport:
    """The scores of one group. Its first batches wait until they tell what the season is."""

    def __init__(self, group: Group, model: ModelSettings) -> None:
        self._group = group
        self._model = model
        self._grid = grid_of(model)
        self._scores: Scores | None = None
        self._waiting: list[Observed] = []
        self._intervals: list[Floats] = []
        self._seen = np.zeros(0, dtype=np.int64)  # rows that have had a sample
        if model.season is not None:
            self._begin(model.season, "as configured")
        elif model.every_seconds is not None:
            self._begin_by(model.every_seconds, "intervals")

    def observe(self, batch: Batch, results: Results) -> None:
        """Score the batch, or keep it until there are enough intervals."""
        if self._scores is not None:
            self._score(self._scores, batch, results)
            return
        self._waiting.append((batch, results))
        self._intervals.append(self._elapsed(batch, results))
        if sum(map(len, self._intervals)) >= ENOUGH_INTERVALS:
            self._end_waiting()

    def lines(self, score_from: float) -> list[str]:
        """Return the group's part of the report."""
        scores = self._scores or self._end_waiting()
        if not len(self._group.streams):
            return [f"{self._group.name}: no samples"]
        score = scores.score(score_from)
        table = aligned([HEADER, *self._rows(score)])
        said = [*self._too_short(scores, score), *self._diverged(), *self._weights()]
        return [*self._heading(score_from), "", *table, *said]

    def _end_waiting(self) -> Scores:
        """Let the first intervals tell the season, and score what has waited; return the scores."""
        intervals = np.concatenate([*self._intervals, np.zeros(0)])
        scores = self._begin_by(float(np.median(intervals)) if len(intervals) else 0.0, "the median interval")
        waiting, self._waiting, self._intervals = self._waiting, [], []
        for batch, results in waiting:
            self._score(scores, batch, results)
        return scores

    def _begin_by(self, interval_seconds: float, its_name: str) -> Scores:
        season = season_of(interval_seconds)
        what = "a week" if season == WEEK and interval_seconds > 43200.0 else "a day"
        return self._begin(season, f"{what} at {its_name} of {interval_seconds:g} s")

    def _begin(self, season: int | None, why: str) -> Scores:
        self._season = "none is known" if season is None else f"{season} samples, {why}"
        self._scores = Scores(self._model.horizons, season)
        return self._scores

    def _elapsed(self, batch: Batch, results: Results) -> Floats:
        """Return the seconds since the sample before, of those samples that have one."""
        rows, first = np.unique(batch.stream[results.accepted], return_index=True)
        known = np.ones(len(results.accepted), dtype=np.bool_)
        known[first[~np.isin(rows, self._seen)]] = False
        self._seen = np.union1d(self._seen, rows)
        return results.elapsed[known]

    def _score(self, scores: Scores, batch: Batch, results: Results) -> None:
        """Hold what came against what was forecast, sample by sample or interval by interval."""
        for owner in (scores, self._grid):
            if owner is not None and owner.n_rows < self._group.n_rows:
                owner.grow(self._group.n_rows)
        stream, value = batch.stream[results.accepted], batch.value[results.accepted]
        made = _made(results)
        if self._grid is not None:
            scores.update_on_grid(self._grid, stream, np.ascontiguousarray(results.time), value, made)
            return
        max_gap = math.inf if self._model.max_gap_seconds is None else self._model.max_gap_seconds
        scores.update(stream, value, made, results.elapsed > max_gap)

    def _heading(self, score_from: float) -> list[str]:
        model = self._model
        unit = "samples" if model.every_seconds is None else f"intervals of {model.every_seconds:g} s"
        interval = "" if model.interval is None else f", intervals of {model.interval:g}"
        return [
            f"{self._group.name}: model {model.name}{interval}; horizons in {unit};"
            f" all but the first {100 * score_from:g} % scored",
            "skill is 1 - MSE / MSE of persistence; vs season: of the seasonal naive forecast"
            f" ({self._season})",
        ]

    def _rows(self, score: Score) -> Iterator[tuple[str, ...]]:
        """Yield a row for each stream and horizon."""
        for row, name in enumerate(self._group.streams.names):
            for i, horizon in enumerate(self._model.horizons):
                errors = (score.mse, score.mae)
                shares = (score.mase, score.skill, score.seasonal_skill, score.coverage)
                yield (
                    quoted(name)[1:-1],
                    str(horizon),
                    f"{score.scored[row, i]:.0f}",
                    *(_cell(each[row, i], ".5g") for each in errors),
                    *(_cell(each[row, i], "z.3f") for each in shares),
                    _cell(score.width[row, i], ".5g"),
                )

    def _too_short(self, scores: Scores, score: Score) -> list[str]:
        """Return which streams have a horizon without a score, and what it takes; nothing where none has."""
        short = np.flatnonzero((score.scored[: len(self._group.streams)] == 0.0).any(axis=1))
        if not len(short):
            return []
        names = self._group.streams.names
        some = [f"{quoted(names[row])[1:-1]} has {scores.count[row]}" for row in short[:NAMED].tolist()]
        some += [f"and {len(short) - NAMED} more streams as few"] if len(short) > NAMED else []
        lags, ahead = self._model.lags, max(self._model.horizons)
        unit = "samples" if self._model.every_seconds is None else "intervals"
        n = lags + 1 + ahead
        needed = f"{n} {unit} in a row: {lags} lags, 1 to forecast from, {ahead} ahead"
        if (scores.count[short] >= n).any():  # enough, but for gaps among them, or for what is left out
            needed += ", which is in the part that is scored"
        return ["", f"every horizon needs at least {needed}; {', '.join(some)}"]

    def _diverged(self) -> list[str]:
        """Tell of models that had to start anew."""
        forecaster = self._group.forecaster
        learners = {} if forecaster is None else forecaster.learners
        restarts = {
            name: int(learner.diverged.sum())
            for name, learner in learners.items()
            if not isinstance(learner, StreamExpert)
        }
        some = [f"{name} {count} times" for name, count in restarts.items() if count]
        if not some:
            return []
        rate = f"try a learning_rate below {self._model.learning_rate:g}"
        return ["", f"diverged, and started anew: {', '.join(some)}; {rate}"]

    def _weights(self) -> list[str]:
        """Return the experts' weights as they are now, where there are several."""
        forecaster = self._group.forecaster
        weights = None if forecaster is None else forecaster.weights()
        if weights is None:
            return []
        rows = [
            (quoted(name)[1:-1], str(horizon), *(f"{weight:.3f}" for weight in weights[row, i]))
            for row, name in enumerate(self._group.streams.names)
            for i, horizon in enumerate(self._model.horizons)
        ]
        table = [("stream", "horizon", *self._model.experts), *rows]
        return ["", "Weights of the experts at the end", "", *aligned(table)]


def _made(results: Results) -> Floats:
    """Return (n, n_horizons, 3) forecast, lower and upper end after each sample; NaN where none is."""
    forecast = results.forecast
    if forecast is None:
        raise ValueError("results: expected those of a group with a model")
    nothing = np.full_like(forecast, np.nan)
    ends = (nothing if end is None else end for end in (results.lower, results.upper))
    return np.stack([forecast, *ends], axis=2)


def _cell(number: float, form: str) -> str:
    return "-" if np.isnan(number) else format(number, form)
