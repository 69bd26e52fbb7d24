"""Mini-batch training of one or many models of the same kind, counted in examples, never in reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ewad.engine.rounds import Members, Rounds, runs_of
from ewad.engine.settings import ModelSettings
from ewad.numeric.experts import Expert
from ewad.numeric.optimizers import clip_by_norm
from ewad.numeric.plateau import PlateauDetector, PlateauState
from ewad.numeric.recurrence import Floats, Integers, rows_of, triangle
from ewad.numeric.rows import Part, RowState
from ewad.numeric.schedules import ReduceOnPlateau, Schedule

# The reported loss averages the costs of about the last 1 / (1 - 0.9) = 10 mini-batches.
LOSS_BETA = 0.9
# A mini-batch that costs more than this tells that its model has diverged: it starts anew. Data alone can't
# cost as much: features and targets are bounded.
COST_LIMIT = 1e12

# In a stream the detector hears of whole epochs, whose means are quiet: ten of them without progress.
PLATEAU = PlateauDetector(patience=10, beta=0.5)

# What the costs of 64 steps weigh in the average after each of them, and what came before these.
_EARLIER = triangle(LOSS_BETA, 64)
_FADING = LOSS_BETA ** np.arange(1.0, 65.0)


class Learner(RowState):
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
        super().__init__(n_models)
        self.settings = settings
        self.expert = expert
        self._outputs = n_outputs
        self._penalised = expert.penalised()
        self._n_errors = np.array(float(settings.batch_size * n_outputs))  # that a mini-batch's cost averages
        self._initial = expert.initial()
        self.add_rows("theta", expert.n_params, fill=self._initial)
        self.add_rows("gradient_sum", expert.n_params)
        for name in ("squares", "loss_sum", "loss_weight", "epoch_cost", "epoch_norm"):
            self.add_rows(name)
        for name in ("collected", "batches", "diverged", "plateaus"):
            self.add_rows(name, dtype=np.int64)
        for name in ("batch_loss", "gradient_norm"):
            self.add_rows(name, fill=np.nan)
        self.add_rows("plateau", dtype=np.bool_)
        for name, fill in PLATEAU.init()._asdict().items():
            self.add_rows(f"plateau_{name}", dtype=fill.dtype, fill=fill)
        moments = settings.optimizer.init(self.theta)
        self._moments = [f"moment_{i}" for i in range(len(moments))]
        for name, moment in zip(self._moments, moments, strict=True):  # all zero, whichever optimizer
            self.add_rows(name, *moment.shape[1:], dtype=moment.dtype)

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
        return self._rates(np.arange(self.n_rows), self.epoch[:, None], self.batches[:, None])[:, 0]

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

    @property
    def _reduces(self) -> bool:
        return isinstance(self.settings.schedule, ReduceOnPlateau)

    def start_from(self, theta: Floats) -> None:
        """Let every model, and every one to come, start from theta: (n_params,)."""
        self._initial = theta
        self.set_fill("theta", theta)
        self.theta[:] = theta

    def set_rates(self, learning_rate: float, schedule: Schedule) -> None:
        """Go on at other learning rates; what has been learnt stays."""
        self.settings = replace(self.settings, learning_rate=learning_rate, schedule=schedule)

    def learn(
        self, model: Integers, ready: NDArray[np.bool_], X: Floats, Y: Floats, X_now: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Forecast after, and learn from, each sample in its order; return forecasts, loss and learning rate.

        model: (n,) ascending: whose sample each is.  ready: (n,) whether it completes a training example,
        X: (n, n_x), Y: (n, n_y).  X_now: (n, n_x) what the forecast after the sample sees.
        The forecast after a sample is made by the parameters that stand after learning from it.
        """
        models, length = runs_of(model)
        rounds = Rounds.of(length, ready, self.collected[models], self.settings.batch_size)
        batches = self.batches[models][:, None] + np.arange(rounds.n)  # (k, n_rounds) completed before each
        epochs = batches // self.settings.batches_per_epoch
        rates = self._rates(models, epochs, batches)
        costs = np.full((len(models), rounds.n - 1), np.nan)
        norms = np.zeros_like(costs)
        forecast = np.empty((len(model), self._outputs))
        for i, (now, past, stepping) in enumerate(rounds.rounds):
            self._forecast(model[now], X_now[now], forecast, now)
            self._collect(model[past], X[past], Y[past])
            if stepping is not None:
                costs[stepping, i], norms[stepping, i] = self._step(models[stepping], rates[stepping, i])
                if self._reduces:
                    self._watch(models, rounds, epochs, costs, norms, range(i, i + 1))
                    rates[:, i + 1 :] = self._rates(models, epochs[:, :1], batches)
        losses = self._note(models, rounds.steps, costs)
        if rounds.n > 1 and not self._reduces:
            self._watch(models, rounds, epochs, costs, norms, range(rounds.n - 1))
        self.batches[models] += rounds.steps
        return forecast, losses[rounds.run, rounds.now], rates[rounds.run, rounds.now]

    def _forecast(self, model: Integers, X: Floats, forecast: Floats, members: Members) -> None:
        if len(model):
            rows, length = _rows(model)
            forecast[members] = self.expert.predict(self.theta[rows], length, X)

    def _collect(self, model: Integers, X: Floats, Y: Floats) -> None:
        if len(model):
            rows, length = _rows(model)
            squares, gradients = self.expert.gradient(self.theta[rows], length, X, Y)
            self.squares[rows] += squares
            self.gradient_sum[rows] += gradients
            self.collected[rows] += length

    def _step(self, models: Integers, rate: Floats) -> tuple[Floats, Floats]:
        """Take a step of each of these models, whose mini-batches are complete; return costs and norms."""
        rows, size = rows_of(models), self.settings.batch_size
        cost, gradient = self.squares[rows] / self._n_errors, self.gradient_sum[rows] / self._n_errors
        if self.settings.l2:
            weights = self.theta[rows] * self._penalised
            cost += self.settings.l2 / (2 * size) * np.sum(weights * weights, axis=1)
            gradient += self.settings.l2 / size * weights
        self.gradient_sum[rows] = 0.0
        self.squares[rows] = 0.0
        self.collected[rows] = 0
        norm = np.sqrt(np.vecdot(gradient, gradient))
        self.batch_loss[rows], self.gradient_norm[rows] = cost, norm
        if not cost.max() <= COST_LIMIT:  # nor NaN
            good = cost <= COST_LIMIT
            self._start_anew(models[~good])
            rows, gradient, rate = models[good], gradient[good], rate[good]
        if self.settings.max_gradient_norm is not None:
            gradient = clip_by_norm(gradient, self.settings.max_gradient_norm)
        self._update(rows, gradient, rate)
        return cost, norm

    def _update(self, rows: Members, gradient: Floats, rate: Floats) -> None:
        """Take the optimizer's step of these rows: in place, if they are a slice."""
        names = ("theta", *self._moments)
        theta, *moments = arrays = [getattr(self, name)[rows] for name in names]
        one_rate = rate.item() if rate.size == 1 else rate  # quicker as a number
        self.settings.optimizer.update(theta, gradient, tuple(moments), one_rate)
        if not isinstance(rows, slice):
            for name, array in zip(names, arrays, strict=True):
                getattr(self, name)[rows] = array

    def _start_anew(self, models: Integers) -> None:
        self.diverged[models] += 1
        self.theta[models] = self._initial
        for name in self._moments:
            getattr(self, name)[models] = 0

    def _note(self, models: Integers, steps: Integers, costs: Floats) -> Floats:
        """Average the costs; return the loss after 0, 1, ... steps, (k, n_rounds)."""
        good = costs <= COST_LIMIT  # not NaN either: no step
        sums = _averaged(self.loss_sum[models], np.where(good, costs, 0.0))
        weights = _averaged(self.loss_weight[models], good.astype(np.float64))
        last = np.arange(len(models)), steps
        self.loss_sum[models], self.loss_weight[models] = sums[last], weights[last]
        return _ratio(sums, weights)

    def _watch(
        self, models: Integers, rounds: Rounds, epochs: Integers, costs: Floats, norms: Floats, here: range
    ) -> None:
        """Feed the plateau detector with the means of each epoch that ends in the rounds `here`."""
        first, stop = here.start, here.stop
        good = costs[:, first:stop] <= COST_LIMIT  # not NaN either: no step
        costs = np.where(good, costs[:, first:stop], 0.0)
        norms = np.where(good, norms[:, first:stop], 0.0)
        ends = epochs[:, first + 1 : stop + 1] > epochs[:, first:stop]  # (k, rounds)
        done = 0
        if ends.any():
            ends &= np.array(here) < rounds.steps[:, None]
            for column in np.flatnonzero(ends.any(axis=0)).tolist():
                self._add_to_epoch(models, costs[:, done : column + 1], norms[:, done : column + 1])
                self._end_epoch(models[ends[:, column]])
                done = column + 1
        self._add_to_epoch(models, costs[:, done:], norms[:, done:])

    def _add_to_epoch(self, models: Integers, costs: Floats, norms: Floats) -> None:
        self.epoch_cost[models] += costs.sum(axis=1)
        self.epoch_norm[models] += norms.sum(axis=1)

    def _end_epoch(self, models: Integers) -> None:
        size = self.settings.batches_per_epoch
        names = [f"plateau_{name}" for name in PlateauState._fields]
        state = PlateauState(*(getattr(self, name)[models] for name in names))
        plateau, state = PLATEAU.step(state, self.epoch_cost[models] / size, self.epoch_norm[models] / size)
        self.plateau[models] = plateau
        for name, values in zip(names, state, strict=True):
            getattr(self, name)[models] = values
        self.epoch_cost[models] = self.epoch_norm[models] = 0.0
        if self._reduces:
            met = models[plateau]
            self.plateaus[met] += 1
            for name, value in zip(names, PLATEAU.init(), strict=True):
                getattr(self, name)[met] = value

    def _rates(self, models: Integers, epochs: Integers, batches: Integers) -> Floats:
        """Return the learning rate after so many epochs and batches of each model, (k, n) each."""
        initial, schedule = self.settings.learning_rate, self.settings.schedule
        if self._reduces:
            return schedule.rate(initial, np.broadcast_to(self.plateaus[models][:, None], epochs.shape), 0)
        return schedule.rate(initial, epochs, batches)


def _rows(model: Integers) -> tuple[Members, Integers]:
    """Return an index of the rows of the models, and the length of the run of each."""
    models, length = runs_of(model)
    return rows_of(models), length


def _averaged(start: Floats, values: Floats) -> Floats:
    """Return s of s[:, 0] = start, s[:, i + 1] = LOSS_BETA * s[:, i] + values[:, i]; (k, n + 1) of (k, n).

    All steps of a piece at once: each is a sum of what came before, weighted by powers of LOSS_BETA.
    """
    n = values.shape[1]
    averaged = np.empty((len(start), n + 1))
    averaged[:, 0] = start
    for first in range(0, n, len(_FADING)):
        piece = values[:, first : first + len(_FADING)]
        m = piece.shape[1]
        past = averaged[:, first : first + 1] * _FADING[:m]
        np.add(past, piece @ _EARLIER[:m, :m], out=averaged[:, first + 1 : first + 1 + m])
    return averaged


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(numerator / denominator)
