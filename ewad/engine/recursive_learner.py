"""Online training of linear models by recursive least squares, a block of examples at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ewad.engine.rounds import Members, Rounds, runs_of
from ewad.numeric import recursive
from ewad.numeric.recurrence import Floats, Integers, rows_of
from ewad.numeric.rows import Part, RowState

# What an example weighs after each later one: about the last 10,000 count.
FORGETTING = 0.9999


class RecursiveLearner(RowState):
    """n_rows linear models with an intercept, and the block of examples that each of them is collecting.

    The parameters stand still within a block, whose size is the model's batch_size, as with every learner.

    theta: (n_models, n_x + 1, n_y), the intercept last.  covariance: (n_models, n_x + 1, n_x + 1).
    waiting_x, waiting_y: (n_models, batch_size, ...) the unfinished block.  collected: examples in it.
    diverged: how often a model was found without finite parameters and started anew.
    """

    theta: Floats
    covariance: Floats
    waiting_x: Floats
    waiting_y: Floats
    collected: NDArray[np.int64]
    diverged: NDArray[np.int64]

    def __init__(self, n_x: int, n_y: int, ridge: float, batch_size: int, n_models: int) -> None:
        super().__init__(n_models)
        self._initial = recursive.initial_covariance(n_x + 1, ridge)
        self._bound = float(np.trace(self._initial))
        self._forgetting = FORGETTING**batch_size
        self.batch_size = batch_size
        self.add_rows("theta", n_x + 1, n_y)
        self.add_rows("covariance", n_x + 1, n_x + 1, fill=self._initial)
        self.add_rows("waiting_x", batch_size, n_x + 1, fill=1.0)
        self.add_rows("waiting_y", batch_size, n_y)
        for name in ("collected", "diverged"):
            self.add_rows(name, dtype=np.int64)

    def parts(self, meaning: str, n_rows: int) -> list[Part]:
        """Return the parts of its state; meaning: that of the parameters."""
        size = f"batch_size={self.batch_size}, {meaning}"
        return [
            self.part("parameters", meaning, n_rows, "theta", "covariance", "diverged"),
            self.part("mini-batch", size, n_rows, "waiting_x", "waiting_y", "collected"),
        ]

    def learn(self, model: Integers, ready: NDArray[np.bool_], X: Floats, Y: Floats, X_now: Floats) -> Floats:
        """Forecast after, and learn from, each sample in its order; return forecasts (n, n_y).

        The arguments are those of `Learner.learn`.
        """
        forecast = np.empty((len(model), self.theta.shape[2]))
        models, length = runs_of(model)
        rounds = Rounds.of(length, ready, self.collected[models], self.batch_size)
        if len(models) == 1:  # quicker with views on its row
            self._learn_one(models, rounds, X, Y, X_now, forecast)
            return forecast
        for now, past, stepping in rounds.rounds:
            if now is not None:
                self._forecast(model[now], X_now[now], forecast, now)
            if past is not None:
                self._collect(model[past], X[past], Y[past], rounds.place[past])
            if stepping is not None:
                self._step(models[stepping])
        self.collected[models] = rounds.left
        return forecast

    def _learn_one(
        self, models: Integers, rounds: Rounds, X: Floats, Y: Floats, X_now: Floats, forecast: Floats
    ) -> None:
        """As `learn`, of one model; writes to forecast."""
        row = models.item()
        theta, waiting_x, waiting_y = self.theta[row], self.waiting_x[row], self.waiting_y[row]
        weights, intercept = theta[:-1], theta[-1]
        for now, past, stepping in rounds.rounds:
            if now is not None:
                forecast[now] = X_now[now].dot(weights) + intercept
            if past is not None:
                place = rounds.place[past] if self.batch_size > 1 else 0
                waiting_x[place, :-1] = X[past]
                waiting_y[place] = Y[past]
            if stepping is not None:
                self._step(models)
        self.collected[row] = rounds.left[0]

    def _forecast(self, model: Integers, X: Floats, forecast: Floats, members: Members) -> None:
        matrix = self.theta[model]
        forecast[members] = (X[:, None, :] @ matrix[:, :-1])[:, 0] + matrix[:, -1]

    def _collect(self, model: Integers, X: Floats, Y: Floats, place: Integers) -> None:
        self.waiting_x[model, place, :-1] = X
        self.waiting_y[model, place] = Y

    def _step(self, models: Integers) -> None:
        """Learn from the complete blocks of these models."""
        rows = rows_of(models)
        covariance, theta = self.covariance[rows], self.theta[rows]
        X, Y = self.waiting_x[rows], self.waiting_y[rows]
        recursive.update(covariance, theta, X, Y, self._forgetting, self._bound)
        if not math.isfinite(np.vdot(theta, theta)):
            bad = ~np.isfinite(theta).all(axis=(1, 2))
            theta[bad], covariance[bad] = 0.0, self._initial
            self.diverged[models[bad]] += 1
        if not isinstance(rows, slice):
            self.covariance[rows], self.theta[rows] = covariance, theta
