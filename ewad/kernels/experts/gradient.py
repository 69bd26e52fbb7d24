"""Experts that learn by gradients: examples are collected into mini-batches, each of which is a step.

Within a mini-batch the parameters stand still, so that its gradient is a sum that is collected as examples
come; a step is taken at each batch_size-th example of a model.
"""

from __future__ import annotations

import math

import numpy as np

from ewad.kernels import algebra, memory
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
    """The parameters of models, and the mini-batch that each of them is collecting. Rows: see `Learner`."""

    def __init__(
        self,
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
        """start: the first feature that it sees.  n_outputs: it forecasts so many of the first horizons,
        and is silent of the others.  initial, penalised: (n_params,) where models start from,
        and 1 for what L2 regularisation holds back.  detector: hears of whole epochs, whose means are
        quiet.  max_norm: of a gradient; inf: none is too long.
        """
        Expert.__init__(self)
        self.start, self.n_outputs, self.n_horizons, self.n = start, n_outputs, n_horizons, len(initial)
        self.arrays = np.array(initial, dtype=np.float64), penalised
        self.initial, self.penalised = memory.doubles(self.arrays[0]), memory.doubles(penalised)
        self.optimizer, self.schedule, self.detector = optimizer, schedule, detector
        self.learning_rate, self.l2, self.max_norm = learning_rate, l2, max_norm
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self.n_errors = float(batch_size * n_outputs)  # that a mini-batch's cost averages

    def start_from(self, initial: Floats) -> None:
        """Let models that start anew have these parameters, (n_params,)."""
        self.arrays = np.array(initial, dtype=np.float64), self.arrays[1]
        self.initial = memory.doubles(self.arrays[0])

    def bind(
        self,
        theta: Floats,
        gradient_sum: Floats,
        squares: Floats,
        collected: Integers,
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
    ) -> None:
        """Work on these arrays from now on."""
        self.theta, self.gradient = memory.doubles(theta), memory.doubles(gradient_sum)
        self.squares, self.collected = memory.doubles(squares), memory.integers(collected)
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

    def predict(self, row: int, x: Floats, out: Floats, at: int) -> None:
        """Write what a model makes of the features x to out[at:], (n_outputs,)."""

    def descend(self, row: int, x: Floats, y: Floats) -> float:
        """Return the squared error of an example; its gradient is added to the model's sum."""
        return 0.0

    def learn(self, s: Sample) -> None:
        """Learn from an example, if the sample completes one; take a step if that completes a mini-batch."""
        if s.ready:
            row = s.model
            self.squares[row] += self.descend(row, s.x, s.y)
            self.collected[row] += 1
            if self.collected[row] == self.batch_size:
                self.step(row)

    def forecast(self, s: Sample, out: Floats, at: int) -> None:
        """Write what the sample's model forecasts."""
        self.predict(s.model, s.x_now, out, at)
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
        o, n, g = row * self.n, self.n, self.gradient
        cost = self.squares[row] / self.n_errors
        for i in range(n):
            g[o + i] /= self.n_errors
        if self.l2 > 0.0:
            cost += self.penalise(o)
        norm = math.sqrt(algebra.dot(g, o, g, o, n))
        self.batch_loss[row] = cost
        self.gradient_norm[row] = norm
        good = 1.0 if cost <= COST_LIMIT else 0.0  # nor NaN
        if good > 0.0:
            if norm > self.max_norm:
                for i in range(n):
                    g[o + i] *= self.max_norm / norm
            self.optimizer.step(row, self.theta, g, self.rate(row))
        else:
            self.start_anew(row)
            cost = 0.0
            norm = 0.0
        for i in range(n):
            g[o + i] = 0.0
        self.squares[row] = 0.0
        self.collected[row] = 0
        self.note(row, cost, norm, good)

    def penalise(self, o: int) -> float:
        """Add what L2 regularisation has in the gradient; return what it costs.  o: of a model's
        parameters.
        """
        held, share = 0.0, self.l2 / float(self.batch_size)
        for i in range(self.n):
            weight = self.theta[o + i] * self.penalised[i]
            held += weight * weight
            self.gradient[o + i] += share * weight
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
