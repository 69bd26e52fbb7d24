"""The rows of models that learn by gradients, counted in examples, never in reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine.examples import WaitingExamples
from ewad.engine.settings import ModelSettings
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.optimizers import OptimizerKernel
from ewad.numeric.experts import Shape
from ewad.numeric.plateau import PlateauDetector
from ewad.numeric.rows import Part, RowState
from ewad.numeric.schedules import ReduceOnPlateau

# In a stream the detector hears of whole epochs, whose means are quiet: ten of them without progress. The
# kernel of the experts (ewad/kernels/experts/gradient.py) has the same numbers.
PLATEAU = PlateauDetector(patience=10, beta=0.5)


class LearnerProgress(NamedTuple):
    """What is in force for each of some models, (n,) each; the loss is NaN before the first step."""

    loss: Floats
    learning_rate: Floats


class Learner(RowState):
    """The parameters of n_rows models, and the mini-batch that each of them is collecting.

    Within a mini-batch the parameters stand still, so that its gradient is a sum over its examples; a step
    is taken at each batch_size-th example of a model, wherever reads may end.

    theta: (n_models, n_params).  gradient_sum, squares, collected: the unfinished mini-batch, where its
    examples do not wait for it to be full: sum of
    gradients, sum of squared errors, number of examples.  batches: mini-batches completed.  batch_loss,
    gradient_norm: of the last mini-batch; NaN before the first.  loss_sum, loss_weight: the EWA of
    batch_loss.  diverged: mini-batches that cost more than the kernel's limit: no step was taken, and the
    model has started anew.  plateau: whether the loss has stopped falling; plateaus: those that the schedule
    has answered; epoch_cost, epoch_norm: sums over the unfinished epoch, for the detector.
    """

    theta: Floats
    gradient_sum: Floats
    squares: Floats
    collected: Integers
    batches: Integers
    diverged: Integers
    batch_loss: Floats
    gradient_norm: Floats
    loss_sum: Floats
    loss_weight: Floats
    plateau: NDArray[np.bool_]
    plateaus: Integers
    epoch_cost: Floats
    epoch_norm: Floats

    def __init__(
        self,
        settings: ModelSettings,
        examples: WaitingExamples,
        shape: Shape,
        start: int,
        n_outputs: int,
        n_models: int,
    ) -> None:
        """examples: what the models learn from.  start: the first feature that they see."""
        super().__init__(n_models)
        self.settings = settings
        initial = shape.initial()
        self.add_rows("theta", shape.n_params, fill=initial)
        self._unfinished = _add_sums(self, shape.n_params) if examples.size < settings.batch_size else ()
        for name in ("loss_sum", "loss_weight", "epoch_cost", "epoch_norm"):
            self.add_rows(name)
        for name in ("batches", "diverged", "plateaus"):
            self.add_rows(name, dtype=np.int64)
        for name in ("batch_loss", "gradient_norm"):
            self.add_rows(name, fill=np.nan)
        self.add_rows("plateau", dtype=np.bool_)
        for name, (fill,) in PLATEAU.init()._asdict().items():
            self.add_rows(f"plateau_{name}", dtype=fill.dtype, fill=fill)
        moments = settings.optimizer.init(np.zeros(shape.n_params))
        self._moments = [f"moment_{i}" for i in range(len(moments))]
        for name, moment in zip(self._moments, moments, strict=True):  # all zero, whichever optimizer
            self.add_rows(name, *moment.shape, dtype=moment.dtype)
        optimizer: OptimizerKernel = settings.optimizer.kernel(shape.n_params)
        max_norm = settings.max_gradient_norm
        self.step = shape.kernel(
            examples=examples.step,
            start=start,
            n_outputs=n_outputs,
            n_horizons=len(settings.horizons),
            initial=initial,
            penalised=shape.penalised(),
            optimizer=optimizer,
            schedule=settings.schedule.kernel(),
            detector=PLATEAU.kernel(),
            learning_rate=settings.learning_rate,
            batch_size=settings.batch_size,
            batches_per_epoch=settings.batches_per_epoch,
            l2=settings.l2,
            max_norm=np.inf if max_norm is None else max_norm,
        )
        self.work_with(self.step)

    @property
    def epoch(self) -> Integers:
        """(n_models,) epochs completed: batches_per_epoch mini-batches each."""
        return self.batches // self.settings.batches_per_epoch

    @property
    def loss(self) -> Floats:
        """(n_models,) bias-corrected EWA of the mini-batch cost; NaN before the first mini-batch."""
        return _ratio(self.loss_sum, self.loss_weight)

    @property
    def learning_rate(self) -> Floats:
        """(n_models,) what the next step will take."""
        return self._rates(slice(None))

    def standing(self, models: Integers) -> LearnerProgress:
        """Return what is in force for each of these models."""
        return LearnerProgress(_ratio(self.loss_sum[models], self.loss_weight[models]), self._rates(models))

    def parts(self, model: str, n_rows: int) -> list[Part]:
        """Return the parts of its state; model: what the parameters mean."""
        optimizer, size = type(self.settings.optimizer).__name__, self.settings.batch_size
        apart = {*self._unfinished, *self._moments}
        parts = [
            self.part("parameters", model, n_rows, *(name for name in self.rows(0) if name not in apart)),
            self.part("moments", f"{optimizer}, {model}", n_rows, *self._moments),
        ]
        if self._unfinished:
            parts.append(self.part("mini-batch", f"batch_size={size}, {model}", n_rows, *self._unfinished))
        return parts

    def start_from(self, theta: Floats) -> None:
        """Let every model, and every one to come, start from theta: (n_params,)."""
        self.step.start_from(theta)
        self.set_fill("theta", theta)
        self.theta[:] = theta

    def _rates(self, models: slice | Integers) -> Floats:
        schedule, batches = self.settings.schedule, self.batches[models]
        stage = batches // self.settings.batches_per_epoch
        if isinstance(schedule, ReduceOnPlateau):
            stage = self.plateaus[models]
        return schedule.rate(self.settings.learning_rate, stage, batches)


def _add_sums(rows: RowState, n_params: int) -> tuple[str, ...]:
    """Add the arrays in which mini-batches are summed up, example by example; return their names."""
    rows.add_rows("gradient_sum", n_params)
    rows.add_rows("squares")
    rows.add_rows("collected", dtype=np.int64)
    return "gradient_sum", "squares", "collected"


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(numerator / denominator)
