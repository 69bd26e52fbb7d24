"""Mini-batch training of one or many models of the same kind, counted in examples, never in reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine.alone import LearnsAlone, is_of_one
from ewad.engine.rounds import Members, Rounds, runs_of
from ewad.engine.settings import ModelSettings
from ewad.numeric.experts import Expert
from ewad.numeric.optimizers import Update, clip_by_norm
from ewad.numeric.plateau import PlateauDetector, PlateauState
from ewad.numeric.recurrence import Floats, Integers, Runs, advance, rows_of
from ewad.numeric.rows import Part
from ewad.numeric.schedules import ReduceOnPlateau

# The reported loss averages the costs of about the last 1 / (1 - 0.9) = 10 mini-batches.
LOSS_BETA = 0.9
# A mini-batch that costs more than this tells that its model has diverged: it starts anew. Data alone can't
# cost as much: features and targets are bounded.
COST_LIMIT = 1e12

# In a stream the detector hears of whole epochs, whose means are quiet: ten of them without progress.
PLATEAU = PlateauDetector(patience=10, beta=0.5)


# Models are stepped so many parameters at a time: an optimizer's passes over them stay in the cache.
CACHED = 1 << 14


# Squared errors (k,) and gradients (k, n_params), summed over a mini-batch each.
Sums = tuple[Floats, Floats]


class Progress(NamedTuple):
    """What is in force after each sample, (n,) each; the loss is NaN before the first step."""

    loss: Floats
    learning_rate: Floats


class _Alone(NamedTuple):
    """What serves one model, bound to its row.

    theta, gradient_sum: views, (n_params,).  gradient: the array, of no row, that `descend` writes to.
    predict, descend: of the expert.  update: of the optimizer.
    """

    theta: Floats
    gradient_sum: Floats
    gradient: Floats
    predict: Callable[[Floats], Floats]
    descend: Callable[[Floats, Floats], float]
    update: Update


class Learner(LearnsAlone[_Alone]):
    """The parameters of n_rows models, and the mini-batch that each of them is collecting.

    Within a mini-batch the parameters stand still, so that its gradient is a sum that may be collected
    in any pieces; a step is taken at each batch_size-th example of a model, wherever reads may end.

    theta: (n_models, n_params).  gradient_sum, squares, collected: the unfinished mini-batch: sum of
    gradients, sum of squared errors, number of examples.  batches: mini-batches completed.  batch_loss,
    gradient_norm: of the last mini-batch; NaN before the first.  loss_sum, loss_weight: the EWA of
    batch_loss.  diverged: mini-batches that cost more than COST_LIMIT: no step was taken, and the model has
    started anew.  plateau: whether the loss has stopped falling; plateaus: those that the schedule has
    answered; epoch_cost, epoch_norm: sums over the unfinished epoch, for the detector.
    """

    theta: Floats
    gradient_sum: Floats
    squares: Floats
    collected: NDArray[np.int64]
    batches: NDArray[np.int64]
    diverged: NDArray[np.int64]
    batch_loss: Floats
    gradient_norm: Floats
    loss_sum: Floats
    loss_weight: Floats
    plateau: NDArray[np.bool_]
    plateaus: NDArray[np.int64]
    epoch_cost: Floats
    epoch_norm: Floats

    def __init__(self, settings: ModelSettings, expert: Expert, n_outputs: int, n_models: int) -> None:
        super().__init__(n_models, n_outputs, settings.batch_size)
        self.settings = settings
        self.expert = expert
        self._penalised = expert.penalised()
        self._n_errors = float(settings.batch_size * n_outputs)  # that a mini-batch's cost averages
        self._initial = expert.initial()
        self._cached = max(2, CACHED // expert.n_params)
        self.add_rows("theta", expert.n_params, fill=self._initial)
        self.add_rows("gradient_sum", expert.n_params)
        for name in ("squares", "loss_sum", "loss_weight", "epoch_cost", "epoch_norm"):
            self.add_rows(name)
        for name in ("batches", "diverged", "plateaus"):
            self.add_rows(name, dtype=np.int64)
        for name in ("batch_loss", "gradient_norm"):
            self.add_rows(name, fill=np.nan)
        self.add_rows("plateau", dtype=np.bool_)
        for name, fill in PLATEAU.init()._asdict().items():
            self.add_rows(f"plateau_{name}", dtype=np.asarray(fill).dtype, fill=fill)
        moments = settings.optimizer.init(self.theta)
        self._moments = [f"moment_{i}" for i in range(len(moments))]
        for name, moment in zip(self._moments, moments, strict=True):  # all zero, whichever optimizer
            self.add_rows(name, *moment.shape[1:], dtype=moment.dtype)
        self._rated: tuple[int, int, float] | None = (
            None  # epochs or plateaus, steps, and the rate after those
        )

    @property
    def epoch(self) -> NDArray[np.int64]:
        """(n_models,) epochs completed: batches_per_epoch mini-batches each."""
        return self.batches // self.settings.batches_per_epoch

    @property
    def loss(self) -> Floats:
        """(n_models,) bias-corrected EWA of the mini-batch cost; NaN before the first mini-batch."""
        return _ratio(self.loss_sum, self.loss_weight)

    @property
    def learning_rate(self) -> Floats:
        """(n_models,) what the next step will take."""
        return self._rates(slice(None), self.epoch, self.batches)

    def standing(self, models: Integers) -> Progress:
        """Return what is in force for each of these models."""
        batches = self.batches[models]
        rates = self._rates(models, batches // self.settings.batches_per_epoch, batches)
        return Progress(_ratio(self.loss_sum[models], self.loss_weight[models]), rates)

    def parts(self, model: str, n_rows: int) -> list[Part]:
        """Return the parts of its state; model: what the parameters mean."""
        optimizer, size = type(self.settings.optimizer).__name__, self.settings.batch_size
        unfinished = "gradient_sum", "squares", "collected"
        apart = {*unfinished, *self._moments}
        return [
            self.part("parameters", model, n_rows, *(name for name in self.rows(0) if name not in apart)),
            self.part("moments", f"{optimizer}, {model}", n_rows, *self._moments),
            self.part("mini-batch", f"batch_size={size}, {model}", n_rows, *unfinished),
        ]

    def start_from(self, theta: Floats) -> None:
        """Let every model, and every one to come, start from theta: (n_params,)."""
        self._initial = theta
        self.set_fill("theta", theta)
        self.theta[:] = theta

    def learn(
        self,
        model: Integers,
        ready: NDArray[np.bool_],
        X: Floats,
        Y: Floats,
        X_now: Floats,
        progress: Progress | None = None,
    ) -> Floats:
        """Forecast after, and learn from, each sample in its order; return forecasts (n, n_y).

        model: (n,) ascending: whose sample each is.  ready: (n,) whether it completes a training example,
        X: (n, n_x), Y: (n, n_y).  X_now: (n, n_x) what the forecast after the sample sees.
        progress: filled with what is in force after each sample, where given.
        The forecast after a sample is made by the parameters that stand after learning from it.
        """
        if is_of_one(model):
            row = int(model[0])
            tell = None if progress is None else lambda members: self._tell(row, progress, members)
            return self.learn_alone(row, ready, X, Y, X_now, tell)
        models, length = runs_of(model)
        rows, size = rows_of(models), self.settings.batch_size
        rounds = Rounds(length, ready, self.collected[rows], size)
        batches = self.batches[rows] + np.arange(rounds.n)[:, None]  # (n_rounds, k) completed before each
        epochs = batches // self.settings.batches_per_epoch
        rates = self._rates(rows, epochs, batches)
        costs = np.full((rounds.n - 1, len(models)), np.nan)
        norms = np.zeros(costs.shape)
        forecast = np.empty((len(model), self.n_outputs))
        for i, (now, past, stepping) in enumerate(rounds.rounds):
            if now is not None:
                self._forecast(model[now], X_now[now], forecast, now)
            found = None if past is None else self._collect(model[past], X[past], Y[past])
            if stepping is not None:
                stepped = self._step(models[stepping], rates[i, stepping], found)
                costs[i, stepping], norms[i, stepping] = stepped
                if isinstance(self.settings.schedule, ReduceOnPlateau):
                    self._watch(models, epochs[i : i + 2], costs[i : i + 1], norms[i : i + 1])
                    rates[i + 1 :] = self._rates(rows, epochs[i + 1 :], batches)
        sums = self._note(rows, rounds.steps, costs)
        if rounds.n > 1 and not isinstance(self.settings.schedule, ReduceOnPlateau):
            self._watch(models, epochs, costs, norms)
        self.batches[rows] += rounds.steps
        if progress is not None:
            progress.loss[:] = _ratio(sums[:, 0], sums[:, 1])[rounds.now, rounds.run]
            progress.learning_rate[:] = rates[rounds.now, rounds.run]
        return forecast

    def _tell(self, row: int, progress: Progress, members: Members) -> None:
        """Note what is in force for these samples."""
        weight = self.loss_weight.item(row)
        progress.loss[members] = self.loss_sum.item(row) / weight if weight else math.nan
        progress.learning_rate[members] = self._rate(row)

    def take(self, row: int, one: _Alone, X: Floats, Y: Floats) -> None:
        """Learn from examples of one mini-batch; take a step if they complete it."""
        square, size = one.descend(X, Y), self.batch_size
        if size > 1:
            np.add(one.gradient_sum, one.gradient, out=one.gradient_sum)
            self.squares[row] += square
            self.collected[row] = collected = self.collected.item(row) + len(X)
            if collected < size:
                return
            square, one.gradient[:] = self.squares.item(row), one.gradient_sum
            one.gradient_sum[:] = 0.0
            self.squares[row] = self.collected[row] = 0
        self._step_alone(row, one, square)

    def _step_alone(self, row: int, one: _Alone, square: float) -> None:
        """Take a step of one model, and note it.  square, one.gradient: the sums of its mini-batch."""
        settings, gradient = self.settings, one.gradient
        cost = square / self._n_errors
        if self._n_errors != 1.0:
            gradient /= self._n_errors
        if settings.l2:
            weights = one.theta * self._penalised
            cost += settings.l2 / (2 * settings.batch_size) * float(weights.dot(weights))
            gradient += settings.l2 / settings.batch_size * weights
        norm = math.sqrt(gradient.dot(gradient))
        self.batch_loss[row], self.gradient_norm[row] = cost, norm
        good = cost <= COST_LIMIT  # nor NaN
        if good:
            if settings.max_gradient_norm is not None:
                gradient = clip_by_norm(gradient, settings.max_gradient_norm)
            one.update(gradient, self._rate(row))
        else:
            self._start_anew(np.array([row]))
            cost = norm = 0.0
        self.loss_sum[row] = LOSS_BETA * self.loss_sum.item(row) + cost
        self.loss_weight[row] = LOSS_BETA * self.loss_weight.item(row) + good
        self.epoch_cost[row] += cost
        self.epoch_norm[row] += norm
        self.batches[row] = batches = self.batches.item(row) + 1
        if batches % settings.batches_per_epoch == 0:
            self._end_epoch(np.array([row]))

    def bind(self, row: int) -> _Alone:
        """Return what serves the model of a row."""
        theta, gradient = self.theta[row], np.empty(self.theta.shape[1])
        moments = tuple(
            getattr(self, name)[row : row + 1].reshape(getattr(self, name).shape[1:])
            for name in self._moments
        )
        update = self.settings.optimizer.bind(theta, moments)
        return _Alone(theta, self.gradient_sum[row], gradient, *self.expert.bind(theta, gradient), update)

    def _rate(self, row: int) -> float:
        """Return the learning rate of one model's next step."""
        schedule, batches = self.settings.schedule, self.batches.item(row)
        stage = batches // self.settings.batches_per_epoch
        if isinstance(schedule, ReduceOnPlateau):
            stage = self.plateaus.item(row)
        step = batches if schedule.by_batch else 0
        if self._rated is None or self._rated[0] != stage or self._rated[1] != step:
            self._rated = stage, step, float(schedule.rate(self.settings.learning_rate, stage, batches))
        return self._rated[2]

    def _forecast(self, model: Integers, X: Floats, forecast: Floats, members: Members) -> None:
        rows, length = _rows(model)
        forecast[members] = self.expert.predict(self.theta[rows], length, X)

    def _collect(self, model: Integers, X: Floats, Y: Floats) -> Sums | None:
        """Add examples to unfinished mini-batches; return their sums if each is a mini-batch itself."""
        rows, length = _rows(model)
        squares, gradients = self.expert.gradient(self.theta[rows], length, X, Y)
        if self.settings.batch_size == 1:
            return squares, gradients
        self.squares[rows] += squares
        self.gradient_sum[rows] += gradients
        self.collected[rows] += length
        return None

    def _step(self, models: Integers, rate: Floats, found: Sums | None) -> tuple[Floats, Floats]:
        """Take a step of each of these models, whose mini-batches are complete; return costs and norms.

        found: what `_collect` returned of those mini-batches.
        """
        rows = rows_of(models)
        cost, gradient = self._mean_gradient(rows, self._empty(rows) if found is None else found)
        norm = np.sqrt(np.vecdot(gradient, gradient))
        self.batch_loss[rows], self.gradient_norm[rows] = cost, norm
        if not np.maximum.reduce(cost) <= COST_LIMIT:  # nor NaN
            good = cost <= COST_LIMIT
            cost = np.where(good, cost, np.inf)  # NaN tells that there was no step
            self._start_anew(models[~good])
            rows, gradient, rate = models[good], gradient[good], rate[good]
        if self.settings.max_gradient_norm is not None:
            gradient = clip_by_norm(gradient, self.settings.max_gradient_norm)
        self._update(rows, gradient, rate)
        return cost, norm

    def _empty(self, rows: Members) -> Sums:
        """Return the sums of the complete mini-batches of these rows, and begin new ones."""
        squares, gradients = self.squares[rows].copy(), self.gradient_sum[rows].copy()
        self.gradient_sum[rows] = 0.0
        self.squares[rows] = 0.0
        self.collected[rows] = 0
        return squares, gradients

    def _mean_gradient(self, rows: Members, sums: Sums) -> Sums:
        """Return the costs (k,) of mini-batches, and the gradients, in place of their sums."""
        cost, gradient = sums
        if self._n_errors != 1.0:
            cost /= self._n_errors
            gradient /= self._n_errors
        l2, size = self.settings.l2, self.settings.batch_size
        if l2:
            weights = self.theta[rows] * self._penalised
            cost += l2 / (2 * size) * np.sum(weights * weights, axis=1)
            gradient += l2 / size * weights
        return cost, gradient

    def _update(self, rows: Members, gradient: Floats, rate: Floats) -> None:
        """Take the optimizer's step of these rows: in place, if they are a slice."""
        names = ("theta", *self._moments)
        arrays = [getattr(self, name)[rows] for name in names]
        if rate.size == 1:  # quicker as a number
            self.settings.optimizer.update(arrays[0], gradient, tuple(arrays[1:]), rate.item())
        else:
            for first in range(0, len(rate), self._cached):
                part = slice(first, first + self._cached)
                theta, *moments = (array[part] for array in arrays)
                self.settings.optimizer.update(theta, gradient[part], tuple(moments), rate[part])
        if not isinstance(rows, slice):
            for name, array in zip(names, arrays, strict=True):
                getattr(self, name)[rows] = array

    def _start_anew(self, models: Integers) -> None:
        self.diverged[models] += 1
        self.theta[models] = self._initial
        for name in self._moments:
            getattr(self, name)[models] = 0

    def _note(self, rows: Members, steps: Integers, costs: Floats) -> Floats:
        """Average the costs, (n, k) of each step; return the sums of costs and weights from before them on,
        (n + 1, 2, k).
        """
        n = len(costs)
        sums = np.empty((n + 1, 2, len(steps)))
        sums[0, 0], sums[0, 1] = self.loss_sum[rows], self.loss_weight[rows]
        if n:
            good = costs <= COST_LIMIT  # not NaN either: no step
            sums[1:, 0], sums[1:, 1] = np.where(good, costs, 0.0), good
            sums[1:] = advance(LOSS_BETA, sums[1:], sums[:1], Runs.of_one(n))
            last = sums[steps, :, np.arange(len(steps))].T
            self.loss_sum[rows], self.loss_weight[rows] = last
        return sums

    def _watch(self, models: Integers, epochs: Integers, costs: Floats, norms: Floats) -> None:
        """Feed the plateau detector with the means of each epoch that ends with one of these steps.

        epochs: (n + 1, k) completed after 0, 1, ... steps.  costs, norms: (n, k), NaN where there is no step.
        """
        rows, kept, done = rows_of(models), costs, 0
        if not np.maximum.reduce(costs, axis=None) <= COST_LIMIT:  # nor NaN
            good = costs <= COST_LIMIT
            kept, norms = np.where(good, costs, 0.0), np.where(good, norms, 0.0)
        if np.logical_or.reduce(epochs[-1] > epochs[0]):
            ends = (epochs[1:] > epochs[:-1]) & ~np.isnan(costs)
            for step in np.flatnonzero(ends.any(axis=1)).tolist():
                self._add_to_epoch(rows, kept[done : step + 1], norms[done : step + 1])
                self._end_epoch(models[ends[step]])
                done = step + 1
        self._add_to_epoch(rows, kept[done:], norms[done:])

    def _add_to_epoch(self, rows: Members, costs: Floats, norms: Floats) -> None:
        self.epoch_cost[rows] += np.add.reduce(costs, axis=0)
        self.epoch_norm[rows] += np.add.reduce(norms, axis=0)

    def _end_epoch(self, models: Integers) -> None:
        size = self.settings.batches_per_epoch
        names = [f"plateau_{name}" for name in PlateauState._fields]
        state = PlateauState(*(getattr(self, name)[models] for name in names))
        plateau, state = PLATEAU.step(state, self.epoch_cost[models] / size, self.epoch_norm[models] / size)
        self.plateau[models] = plateau
        for name, values in zip(names, state, strict=True):
            getattr(self, name)[models] = values
        self.epoch_cost[models] = self.epoch_norm[models] = 0.0
        if isinstance(self.settings.schedule, ReduceOnPlateau):
            met = models[plateau]
            self.plateaus[met] += 1
            for name, value in zip(names, PLATEAU.init(), strict=True):
                getattr(self, name)[met] = value

    def _rates(self, rows: Members | Integers, epochs: Integers, batches: Integers) -> Floats:
        """Return the learning rate after so many epochs and batches of each of these rows, (..., k)."""
        initial, schedule = self.settings.learning_rate, self.settings.schedule
        if isinstance(schedule, ReduceOnPlateau):
            return schedule.rate(initial, np.broadcast_to(self.plateaus[rows], epochs.shape), batches)
        return schedule.rate(initial, epochs, batches)


def _rows(model: Integers) -> tuple[Members, Integers]:
    """Return an index of the rows of the models, and the length of the run of each."""
    models, length = runs_of(model)
    return rows_of(models), length


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(numerator / denominator)
