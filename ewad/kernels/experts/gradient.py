"""Experts that learn by gradients: each mini-batch of examples is a step.

Within a mini-batch the parameters stand still, so that its gradient is a sum over its examples, whether they
come one by one or together; a step is taken at each batch_size-th example of a model.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ewad.kernels import algebra, memory
from ewad.kernels.examples import ExamplesKernel
from ewad.kernels.experts.base import Expert
from ewad.kernels.memory import Booleans, Floats, Integers
from ewad.kernels.optimizers import OptimizerKernel
from ewad.kernels.plateau import PlateauKernel
from ewad.kernels.sample import Sample
from ewad.kernels.schedules import ScheduleKernel

INF = float("inf")
# The reported loss averages the costs of about the last 1 / (1 - 0.9) = 10 mini-batches.
LOSS_BETA = 0.9
# A mini-batch that costs more than this tells that its model has diverged: it starts anew. Data alone can't
# cost as much: features and targets are bounded.
COST_LIMIT = 1e12


class GradientExpert(Expert):
    """The parameters of models, and the sums of their mini-batches. Rows: see `Learner`."""

    def __init__(
        self,
        examples: ExamplesKernel,
        start: int,
        n_outputs: int,
        n_horizons: int,
        initial: Floats,
        penalised: Floats,
        optimizer: OptimizerKernel,
        schedule: ScheduleKernel,
        detector: PlateauKernel,
        learning_rate: float,
        batch_size: int,
        batches_per_epoch: int,
        l2: float,
        max_norm: float,
    ) -> None:
        """examples: what it learns from.  start: the first feature that it sees.  n_outputs: it forecasts so
        many of the first horizons, and is silent of the others.  initial, penalised: (n_params,) where models
        start from, and 1 for what L2 regularisation holds back.  detector: hears of whole epochs, whose means
        are quiet.  max_norm: of a gradient; inf: none is too long.
        """
        Expert.__init__(self)
        self.examples = examples
        self.start, self.n_outputs, self.n_horizons, self.n = start, n_outputs, n_horizons, len(initial)
        self.arrays = np.array(initial, dtype=np.float64), penalised
        self.initial, self.penalised = memory.doubles(self.arrays[0]), memory.doubles(penalised)
        self.optimizer, self.schedule, self.detector = optimizer, schedule, detector
        self.learning_rate, self.l2, self.max_norm = learning_rate, l2, max_norm
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self.n_errors = float(batch_size * n_outputs)  # that a mini-batch's cost averages
        # Where a mini-batch comes together, one sum serves all models.
        self.sums = 1 if examples.size < batch_size else 0
        self.unfinished = np.zeros(self.n), np.zeros(1), np.zeros(1, dtype=np.int64)
        self._collect(*self.unfinished)

    def start_from(self, initial: Floats) -> None:
        """Let models that start anew have these parameters, (n_params,)."""
        self.arrays = np.array(initial, dtype=np.float64), self.arrays[1]
        self.initial = memory.doubles(self.arrays[0])

    def bind(
        self,
        theta: Floats,
        batches: Integers,
        diverged: Integers,
        batch_loss: Floats,
        gradient_norm: Floats,
        loss_sum: Floats,
        loss_weight: Floats,
        plateau: Booleans,
        plateaus: Integers,
        epoch_cost: Floats,
        epoch_norm: Floats,
        plateau_weight: Floats,
        plateau_loss_sum: Floats,
        plateau_norm_sum: Floats,
        plateau_best: Floats,
        plateau_lowest_norm: Floats,
        plateau_stalled: Integers,
        moment_0: Floats | None = None,
        moment_1: Floats | None = None,
        moment_2: Integers | None = None,
        **sums: Any,
    ) -> None:
        """Work on these arrays from now on.  sums: those of unfinished mini-batches, if they are kept."""
        self.theta = memory.doubles(theta)
        self.batches, self.diverged = memory.integers(batches), memory.integers(diverged)
        self.batch_loss, self.gradient_norm = memory.doubles(batch_loss), memory.doubles(gradient_norm)
        self.loss_sum, self.loss_weight = memory.doubles(loss_sum), memory.doubles(loss_weight)
        self.plateau, self.plateaus = memory.booleans(plateau), memory.integers(plateaus)
        self.epoch_cost, self.epoch_norm = memory.doubles(epoch_cost), memory.doubles(epoch_norm)
        self.detector.bind(
            plateau_weight,
            plateau_loss_sum,
            plateau_norm_sum,
            plateau_best,
            plateau_lowest_norm,
            plateau_stalled,
        )
        self.optimizer.bind(moment_0, moment_1, moment_2)
        if sums:
            self._collect(**sums)

    def _collect(self, gradient_sum: Floats, squares: Floats, collected: Integers) -> None:
        """Sum mini-batches up in these arrays."""
        self.gradient, self.squares = memory.doubles(gradient_sum), memory.doubles(squares)
        self.collected = memory.integers(collected)

    def predict(self, row: int, x: Floats, x_at: int, out: Floats, at: int) -> None:
        """Write what a model makes of the features x[x_at:] to out[at:], (n_outputs,)."""

    def descend(self, row: int, x: Floats, x_at: int, y: Floats, y_at: int, g: int) -> float:
        """Return the squared error of an example; its gradient is added to the sum, from g on.

        The example's features are x[x_at:], and what came of it y[y_at:].
        """
        return 0.0

    def learn(self, s: Sample) -> None:
        """Learn from the examples that there are; take a step if they complete a mini-batch."""
        if not self.examples.n:
            return
        row, x, y = s.model, self.examples.x, self.examples.y
        n_x, n_y = self.examples.n_x, self.examples.n_y
        mine = row if self.sums else 0
        for place in range(self.examples.n):
            self.squares[mine] += self.descend(row, x, place * n_x, y, place * n_y, mine * self.n)
            self.collected[mine] += 1
        if self.collected[mine] == self.batch_size:
            self.step(row)

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write what the sample's model forecasts."""
        self.predict(s.model, s.x_now, 0, out, at)
        for i in range(self.n_outputs, self.n_horizons):
            out[at + i] = (s.value - s.expected) / s.scale
            s.silent[at + i] = 1

    def rate(self, row: int) -> float:
        """Return the learning rate of a model's next step."""
        batches = self.batches[row]
        stage = batches // self.batches_per_epoch
        if self.schedule.reduces:
            stage = self.plateaus[row]
        return self.schedule.rate(self.learning_rate, stage, batches)

    def loss(self, row: int) -> float:
        """Return the average cost of a model's mini-batches; NaN before the first."""
        if self.loss_weight[row] > 0.0:
            return self.loss_sum[row] / self.loss_weight[row]
        return INF - INF

    def step(self, row: int) -> None:
        """Take a step of a model whose mini-batch is complete, and note it."""
        mine = row if self.sums else 0
        o, n, g = mine * self.n, self.n, self.gradient
        cost = self.squares[mine] / self.n_errors
        algebra.divide(g, o, n, self.n_errors)
        if self.l2 > 0.0:
            cost += self.penalise(row * n, o)
        norm = math.sqrt(algebra.dot(g, o, g, o, n))
        self.batch_loss[row] = cost
        self.gradient_norm[row] = norm
        good = 1.0 if cost <= COST_LIMIT else 0.0  # nor NaN
        if good > 0.0:
            if norm > self.max_norm:
                for i in range(n):
                    g[o + i] *= self.max_norm / norm
            self.optimizer.step(row, self.theta, g, o, self.rate(row))
        else:
            self.start_anew(row)
            cost = 0.0
            norm = 0.0
        for i in range(n):
            g[o + i] = 0.0
        self.squares[mine] = 0.0
        self.collected[mine] = 0
        self.note(row, cost, norm, good)

    def penalise(self, o: int, g: int) -> float:
        """Add what L2 regularisation has in the gradient; return what it costs.

        o, g: where a model's parameters and its gradient begin.
        """
        held, share = 0.0, self.l2 / float(self.batch_size)
        for i in range(self.n):
            weight = self.theta[o + i] * self.penalised[i]
            held += weight * weight
            self.gradient[g + i] += share * weight
        return share / 2.0 * held

    def start_anew(self, row: int) -> None:
        """Let a model that has diverged forget what it knew."""
        self.diverged[row] += 1
        for i in range(self.n):
            self.theta[row * self.n + i] = self.initial[i]
        self.optimizer.forget(row)

    def note(self, row: int, cost: float, norm: float, good: float) -> None:
        """Count a step: in the loss, and in its epoch.  good: 0 where none was taken."""
        self.loss_sum[row] = LOSS_BETA * self.loss_sum[row] + cost
        self.loss_weight[row] = LOSS_BETA * self.loss_weight[row] + good
        self.epoch_cost[row] += cost
        self.epoch_norm[row] += norm
        self.batches[row] += 1
        if self.batches[row] % self.batches_per_epoch == 0:
            self.end_epoch(row)

    def end_epoch(self, row: int) -> None:
        """Look for a plateau in the means of an epoch; the schedule may answer it."""
        size = float(self.batches_per_epoch)
        flat = self.detector.step(row, self.epoch_cost[row] / size, self.epoch_norm[row] / size)
        self.epoch_cost[row] = 0.0
        self.epoch_norm[row] = 0.0
        self.plateau[row] = flat
        if flat and self.schedule.reduces:
            self.plateaus[row] += 1
            self.detector.forget(row)
