"""What a replay's forecasts were worth, as text: errors, skill, coverage, and which experts had the say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ewad.config.syntax import counted, quoted
from ewad.engine import Batch, Engine, Results
from ewad.engine.group import Group
from ewad.engine.recursive_learner import StreamExpert
from ewad.engine.resampled import grid_of
from ewad.engine.settings import ModelSettings
from ewad.kernels.memory import Floats
from ewad.numeric.calendar import seasons_of
from ewad.numeric.scores import Score, Scores
from ewad.outputs.text import aligned

# So many intervals between samples of a group say what its season is.
ENOUGH_INTERVALS = 100
NAMED = 3  # streams in a line
# Values of all streams that seasons may remember together: 32 MB.
MOST_REMEMBERED = 4_000_000
# keys of the report as data, and what scores call them
KEYS = {
    "mse": "mse",
    "mae": "mae",
    "mase": "mase",
    "skill": "skill",
    "skill_vs_season": "seasonal_skill",
    "coverage": "coverage",
    "mean_width": "width",
    "winkler": "winkler",
    "local_coverage": "local_coverage",
    "worst_local_coverage": "worst_coverage",
}
HEADER = ("stream", "horizon", "scored", "MSE", "MAE", "MASE", "skill", "vs season", "coverage", "mean width")

Observed = tuple[Batch, Results]


class ScoreReport:
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

    def data(self) -> list[dict[str, Any]]:
        """Return the report as plain values, an entry for each group that has a model."""
        return [group.data(self._score_from) for group in self._groups if group is not None]

    def json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.data(), indent=1)

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
        self._scores: list[Scores] = []  # one for each season that forecasts are compared with
        self._seasons: list[str] = []
        self._waiting: list[Observed] = []
        self._intervals: list[Floats] = []
        self._seen = np.zeros(0, dtype=np.int64)  # rows that have had a sample
        if model.season is not None:
            self._begin([(model.season, "as configured")])
        elif model.every_seconds is not None:
            self._begin_by(model.every_seconds, "intervals")

    def observe(self, batch: Batch, results: Results) -> None:
        """Score the batch, or keep it until there are enough intervals."""
        if self._scores:
            self._score(batch, results)
            return
        self._waiting.append((batch, results))
        self._intervals.append(self._elapsed(batch, results))
        if sum(map(len, self._intervals)) >= ENOUGH_INTERVALS:
            self._end_waiting()

    def lines(self, score_from: float) -> list[str]:
        """Return the group's part of the report."""
        scores = self._best()
        if not len(self._group.streams):
            return [f"{self._group.name}: no samples"]
        score = scores.score(score_from)
        table = aligned([HEADER, *self._rows(score)])
        said = [
            *self._too_short(scores, score),
            *self._diverged(),
            *self._weights(),
            *self._intervals_of(score),
        ]
        return [*self._heading(score_from), "", *table, *said]

    def data(self, score_from: float) -> dict[str, Any]:
        """Return the group's part of the report as plain values; None for what there is not."""
        score = self._best().score(score_from)
        return {
            "group": self._group.name,
            "model": self._model.name,
            "interval": self._model.interval,
            "every_seconds": self._model.every_seconds,
            "season": self._season,
            "scored_from": score_from,
            "scores": [
                {
                    "stream": name,
                    "horizon": horizon,
                    "scored": int(score.scored[row, i]),
                    **{key: _plain(getattr(score, attribute)[row, i]) for key, attribute in KEYS.items()},
                }
                for row, name in enumerate(self._group.streams.names)
                for i, horizon in enumerate(self._model.horizons)
            ],
        }

    def _best(self) -> Scores:
        """Return the scores against the season whose naive forecast is the best; remember its name."""
        if not self._scores:
            self._end_waiting()
        skills = [each.score(0.0).seasonal_skill for each in self._scores]
        known = [
            np.mean(skill[~np.isnan(skill)]) if not np.isnan(skill).all() else np.inf for skill in skills
        ]
        best = int(np.argmin(np.array(known)))  # the less skill beside it, the better it is itself
        self._season = self._seasons[best]
        return self._scores[best]

    def _end_waiting(self) -> None:
        """Let the first intervals tell the seasons, and score what has waited."""
        intervals = np.concatenate([*self._intervals, np.zeros(0)])
        self._begin_by(float(np.median(intervals)) if len(intervals) else 0.0, "the median interval")
        waiting, self._waiting, self._intervals = self._waiting, [], []
        for batch, results in waiting:
            self._score(batch, results)

    def _begin_by(self, interval_seconds: float, its_name: str) -> None:
        n = max(len(self._group.streams), 1)
        found = [season for season in seasons_of(interval_seconds) if season[0] * n <= MOST_REMEMBERED]
        self._begin([(season, f"{what} at {its_name} of {interval_seconds:g} s") for season, what in found])

    def _begin(self, seasons: Sequence[tuple[int | None, str]]) -> None:
        """Begin to score against each of the seasons: samples, and why."""
        known = [(season, f"{season} samples, {why}") for season, why in seasons] or [(None, "none is known")]
        self._seasons = [name for _, name in known]
        self._season = self._seasons[0]
        self._scores = [
            Scores(self._model.horizons, season, coverage=self._model.interval) for season, _ in known
        ]
        self._grids = [grid_of(self._model) for _ in known]  # of each: a grid goes on with its scores

    def _elapsed(self, batch: Batch, results: Results) -> Floats:
        """Return the seconds since the sample before, of those samples that have one."""
        rows, first = np.unique(batch.stream[results.accepted], return_index=True)
        known = np.ones(len(results.accepted), dtype=np.bool_)
        known[first[~np.isin(rows, self._seen)]] = False
        self._seen = np.union1d(self._seen, rows)
        return results.elapsed[known]

    def _score(self, batch: Batch, results: Results) -> None:
        """Hold what came against what was forecast, sample by sample or interval by interval."""
        stream, value = batch.stream[results.accepted], batch.value[results.accepted]
        made, time = _made(results), np.ascontiguousarray(results.time)
        max_gap = math.inf if self._model.max_gap_seconds is None else self._model.max_gap_seconds
        for scores, grid in zip(self._scores, self._grids, strict=True):
            for owner in (scores, grid):
                if owner is not None and owner.n_rows < self._group.n_rows:
                    owner.grow(self._group.n_rows)
            if grid is not None:
                scores.update_on_grid(grid, stream, time, value, made)
            else:
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

    def _intervals_of(self, score: Score) -> list[str]:
        """Return how well intervals held their values, also in windows of 100; nothing without any."""
        if self._model.interval is None:
            return []
        low, high = max(self._model.interval - 0.1, 0.0), min(self._model.interval + 0.1, 1.0)
        header = ("stream", "horizon", "coverage", f"100s in {low:.2g}-{high:.2g}", "worst 100", "Winkler")
        rows = [
            (
                quoted(name)[1:-1],
                str(horizon),
                *(_cell(each[row, i], ".3f") for each in (score.coverage, score.local_coverage)),
                _cell(score.worst_coverage[row, i], ".2f"),
                _cell(score.winkler[row, i], ".5g"),
            )
            for row, name in enumerate(self._group.streams.names)
            for i, horizon in enumerate(self._model.horizons)
        ]
        return ["", "Intervals, also in windows of 100 of them", "", *aligned([header, *rows])]

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
        some = [f"{name} {counted(count, 'time')}" for name, count in restarts.items() if count]
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


def _plain(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _cell(number: float, form: str) -> str:
    return "-" if np.isnan(number) else format(number, form)
