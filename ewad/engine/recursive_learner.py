"""Online training of linear models by recursive least squares, a block of examples at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine.alone import LearnsAlone, is_of_one
from ewad.engine.rounds import Members, Rounds, runs_of
from ewad.numeric import recursive
from ewad.numeric.recurrence import Floats, Integers, rows_of
from ewad.numeric.rows import Part

# What an example weighs after each later one: about the last 10,000 count.
FORGETTING = 0.9999


class _Alone(NamedTuple):
    """Views on the row of one model that comes alone.

    theta: all parameters, flat.  x, y: of the first example of its block; x ends with the intercept's 1.
    learn: from one example, where a block has no more; else None.
    """

    theta: Floats
    weights: Floats
    intercept: Floats
    x: Floats
    y: Floats
    learn: Callable[[Floats, Floats], None] | None

    def predict(self, X: Floats) -> Floats:
        """Return Y: (m, n_y)."""
        Y: Floats = X.dot(self.weights)
        np.add(Y, self.intercept, Y)
        return Y


class RecursiveLearner(LearnsAlone[_Alone]):
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
        super().__init__(n_models, n_y, batch_size)
        self._initial = recursive.initial_covariance(n_x + 1, ridge)
        self._trace_bound = float(np.trace(self._initial))
        self._forgetting = FORGETTING**batch_size
        self.add_rows("theta", n_x + 1, n_y)
        self.add_rows("covariance", n_x + 1, n_x + 1, fill=self._initial)
        self.add_rows("waiting_x", batch_size, n_x + 1, fill=1.0)
        self.add_rows("waiting_y", batch_size, n_y)
        self.add_rows("diverged", dtype=np.int64)

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
        if is_of_one(model):
            return self.learn_alone(int(model[0]), ready, X, Y, X_now)
        forecast = np.empty((len(model), self.n_outputs))
        models, length = runs_of(model)
        rounds = Rounds(length, ready, self.collected[models], self.batch_size)
        for now, past, stepping in rounds.rounds:
            if now is not None:
                self._forecast(model[now], X_now[now], forecast, now)
            if past is not None:
                self._collect(model[past], X[past], Y[past], rounds.place[past])
            if stepping is not None:
                self._step(models[stepping])
        self.collected[models] = rounds.left
        return forecast

    def take(self, row: int, one: _Alone, X: Floats, Y: Floats) -> None:
        """Put examples into a model's block; learn from it if they complete it."""
        if one.learn is not None:
            one.x[:-1], one.y[:] = X[0], Y[0]
            one.learn(one.x, one.y)
            if not math.isfinite(one.theta.dot(one.theta)):
                self._start_anew(np.array([row]))
            return
        collected = self.collected.item(row)
        place = slice(collected, collected + len(X))
        self.waiting_x[row, place, :-1], self.waiting_y[row, place] = X, Y
        self.collected[row] = place.stop % self.batch_size
        if place.stop == self.batch_size:
            self._step(np.array([row]))

    def _start_anew(self, models: Integers) -> None:
        """Let those of these models start anew whose parameters are not finite."""
        bad = models[~np.isfinite(self.theta[models]).all(axis=(1, 2))]
        self.theta[bad], self.covariance[bad] = 0.0, self._initial
        self.diverged[bad] += 1

    def bind(self, row: int) -> _Alone:
        """Return what serves the model of a row."""
        theta, x, y = self.theta[row], self.waiting_x[row, 0], self.waiting_y[row, 0]
        learn = None
        if self.batch_size == 1:
            learn = recursive.bind(self.covariance[row], theta, self._forgetting, self._trace_bound)
        return _Alone(theta.reshape(-1), theta[:-1], theta[-1], x, y, learn)

    def _forecast(self, model: Integers, X: Floats, forecast: Floats, members: Members) -> None:
        models, length = runs_of(model)
        matrix = self.theta[rows_of(models)]
        if len(models) < len(model):
            matrix = np.repeat(matrix, length, axis=0)
        forecast[members] = (X[:, None, :] @ matrix[:, :-1])[:, 0] + matrix[:, -1]

    def _collect(self, model: Integers, X: Floats, Y: Floats, place: Integers) -> None:
        self.waiting_x[model, place, :-1] = X
        self.waiting_y[model, place] = Y

    def _step(self, models: Integers) -> None:
        """Learn from the complete blocks of these models."""
        rows = rows_of(models)
        covariance, theta = self.covariance[rows], self.theta[rows]
        X, Y = self.waiting_x[rows], self.waiting_y[rows]
        recursive.update(covariance, theta, X, Y, self._forgetting, self._trace_bound)
        if not isinstance(rows, slice):
            self.covariance[rows], self.theta[rows] = covariance, theta
        if not math.isfinite(np.vdot(theta, theta)):
            self._start_anew(models)
