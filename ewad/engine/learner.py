"""Mini-batch training of one or many models of the same kind, counted in examples, never in reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ewad.engine.settings import ModelSettings
from ewad.numeric.experts import Expert
from ewad.numeric.optimizers import State
from ewad.numeric.recurrence import Floats, Integers
from ewad.numeric.rows import RowState

# The reported loss averages the costs of about the last 1 / (1 - 0.9) = 10 mini-batches.
LOSS_BETA = 0.9

Members = slice | Integers


class Learner(RowState):
    """The parameters of n_rows models, and the mini-batch that each of them is collecting.

    Within a mini-batch the parameters stand still, so that its gradient is a sum that may be collected
    in any pieces; a step is taken at each batch_size-th example of a model, wherever reads may end.

    theta: (n_models, n_params).  gradient_sum, squares, collected: the unfinished mini-batch: sum of
    gradients, sum of squared errors, number of examples.  batches: optimizer steps taken.
    batch_loss, gradient_norm: of the last mini-batch; NaN before the first.  rejected: mini-batches
    whose step would have left the finite numbers and was not taken.
    """

    theta: Floats
    gradient_sum: Floats
    squares: Floats
    collected: NDArray[np.int64]
    batches: NDArray[np.int64]
    rejected: NDArray[np.int64]
    batch_loss: Floats
    loss_sum: Floats
    loss_weight: Floats
    gradient_norm: Floats

    def __init__(self, settings: ModelSettings, expert: Expert, n_outputs: int, n_models: int) -> None:
        super().__init__(n_models)
        self.settings = settings
        self.expert = expert
        self._outputs = n_outputs
        self._penalised = expert.penalised()
        self.add_rows("theta", expert.n_params)
        self.add_rows("gradient_sum", expert.n_params)
        for name in ("squares", "loss_sum", "loss_weight"):
            self.add_rows(name)
        for name in ("collected", "batches", "rejected"):
            self.add_rows(name, dtype=np.int64)
        for name in ("batch_loss", "gradient_norm"):
            self.add_rows(name, fill=np.nan)
        moments = settings.optimizer.init(self.theta)
        self._moments = [f"moment_{i}" for i in range(len(moments))]
        for name, moment in zip(self._moments, moments, strict=True):
            self.add_rows(name, *moment.shape[1:], dtype=moment.dtype)

    def epoch(self) -> NDArray[np.int64]:
        """Return the epochs completed by each model: batches_per_epoch mini-batches each."""
        return self.batches // self.settings.batches_per_epoch

    def learning_rate(self) -> Floats:
        """Return the decayed learning rate that each model's next step will take."""
        return self._rate(slice(None))

    def loss(self) -> Floats:
        """Return the bias-corrected EWA of the mini-batch cost of each model; NaN before the first."""
        return self._loss(slice(None))

    def learn(
        self, model: Integers, ready: NDArray[np.bool_], X: Floats, Y: Floats, X_now: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Forecast after, and learn from, each sample in its order; return forecasts, loss and learning rate.

        model: (n,) ascending: whose sample each is.  ready: (n,) whether it completes a training example,
        X: (n, n_x), Y: (n, n_y).  X_now: (n, n_x) what the forecast after the sample sees.
        The forecast after a sample is made by the parameters that stand after learning from it.
        """
        size = self.settings.batch_size
        start = np.flatnonzero(np.diff(model, prepend=-1))
        length = np.diff(start, append=len(model))
        seen = np.cumsum(ready)
        before = self.collected[model[start]] - (seen[start] - ready[start])
        done = seen + np.repeat(before, length)  # examples of the model since its last step, with this one
        steps = done[start + length - 1] // size  # that each model takes in this call
        n_rounds = int(steps.max()) + 1
        forecast = np.empty((len(model), self._outputs))
        loss, rate = np.empty(len(model)), np.empty(len(model))
        train = np.flatnonzero(ready)
        pieces = zip(
            _by_round(np.arange(len(model)), done // size, n_rounds),
            _by_round(train, (done[train] - 1) // size, n_rounds),
            strict=True,
        )
        for i, (now, past) in enumerate(pieces):
            forecast[now] = self.expert.predict(self.theta, model[now], X_now[now])
            rows = slice(None) if self.n_rows == 1 else model[now]
            loss[now], rate[now] = self._loss(rows), self._rate(rows)
            self._collect(model[past], X[past], Y[past])
            self._step(model[start[steps > i]])
        return forecast, loss, rate

    def _collect(self, model: Integers, X: Floats, Y: Floats) -> None:
        if len(model) == 0:
            return
        squares, gradients, models = self.expert.gradient(self.theta, model, X, Y)
        self.squares[models] += squares
        self.gradient_sum[models] += gradients
        self.collected[models] += np.diff(np.searchsorted(model, models), append=len(model))

    def _step(self, models: Integers) -> None:
        """Take one optimizer step of each of these models, whose mini-batches are complete."""
        if len(models) == 0:
            return
        rows: Members = slice(None) if len(models) == self.n_rows else models
        theta, size, l2 = self.theta[rows], self.settings.batch_size, self.settings.l2
        cost = self.squares[rows] / (size * self._outputs)
        gradient = self.gradient_sum[rows] / (size * self._outputs)
        if l2:
            weights = theta * self._penalised
            cost += l2 / (2 * size) * np.sum(weights * weights, axis=1)
            gradient += l2 / size * weights
        moments: State = tuple(getattr(self, name)[rows] for name in self._moments)
        with np.errstate(over="ignore", invalid="ignore"):
            moved, advanced = self.settings.optimizer.step(theta, gradient, moments, self._rate(rows))
            good = np.isfinite(cost) & np.isfinite(moved).all(axis=1)
        if not good.all():
            self.rejected[rows] += ~good
            rows = np.arange(self.n_rows)[rows][good]
            moved, cost, gradient = moved[good], cost[good], gradient[good]
            advanced = tuple(moment[good] for moment in advanced)
        self.theta[rows] = moved
        for name, moment in zip(self._moments, advanced, strict=True):
            getattr(self, name)[rows] = moment
        self.batches[rows] += 1
        self.batch_loss[rows] = cost
        self.loss_sum[rows] = LOSS_BETA * self.loss_sum[rows] + cost
        self.loss_weight[rows] = LOSS_BETA * self.loss_weight[rows] + 1.0
        self.gradient_norm[rows] = np.sqrt(np.sum(gradient * gradient, axis=1))
        self.gradient_sum[models] = 0.0
        self.squares[models] = 0.0
        self.collected[models] = 0

    def _loss(self, rows: Members) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.asarray(self.loss_sum[rows] / self.loss_weight[rows])

    def _rate(self, rows: Members) -> Floats:
        batches = self.batches[rows]
        epoch = batches // self.settings.batches_per_epoch
        return self.settings.schedule.rate(self.settings.learning_rate, epoch, batches)


def _by_round(members: Integers, round_of: Integers, n_rounds: int) -> Iterator[Members]:
    """Yield the members of each round, in their order; as slices where they lie side by side."""
    bounds_at = np.arange(n_rounds + 1)
    if np.all(round_of[1:] >= round_of[:-1]):
        bounds = np.searchsorted(round_of, bounds_at)
        contiguous = len(members) > 0 and members[-1] - members[0] == len(members) - 1
        for a, z in pairwise(bounds):
            yield slice(members[0] + a, members[0] + z) if contiguous else members[a:z]
        return
    order = np.argsort(round_of, kind="stable")
    bounds = np.searchsorted(round_of[order], bounds_at)
    for a, z in pairwise(bounds):
        yield members[order[a:z]]
