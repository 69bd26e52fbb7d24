"""Learning-rate decay. An epoch is counted from 0; a mini-batch (an optimizer step) likewise.

In a stream there is no pass over a data set: there an epoch is `batches_per_epoch` mini-batches of
`batch_size` examples, and nothing else. The rates hold for arrays of epochs as for numbers.
Source: A. Ng, Improving Deep Neural Networks, week 2, "Learning rate decay".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.memory import Floats
from ewad.kernels.schedules import ScheduleKernel

Counts = int | NDArray[np.int64]


class Schedule(Protocol):
    """What every schedule here is: a frozen record of its constants with these two."""

    @property
    def by_batch(self) -> bool:
        """Whether the rate changes with every mini-batch, and not with epochs alone."""

    def rate(self, initial: float, epoch: Counts, batch: Counts) -> Floats:
        """Return the learning rate in force after so many completed epochs and mini-batches."""

    def kernel(self) -> ScheduleKernel:
        """Return what gives the rate after one number of epochs and mini-batches."""


def _number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)


def _count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 1)


# What each constant must be, in words and as a test; the configuration asks for the same.
CONSTANTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "decay_rate": ("be in [0, inf)", lambda value: _number(value) and value >= 0.0),
    "base": ("be in (0, 1]", lambda value: _number(value) and 0.0 < value <= 1.0),
    "k": ("be in (0, inf)", lambda value: _number(value) and value > 0.0),
    "per": ('be "epoch" or "batch"', lambda value: value in ("epoch", "batch")),
    "factor": ("be in (0, 1]", lambda value: _number(value) and 0.0 < value <= 1.0),
    "every": ("be a whole number of 1 or more", _count),
    "epochs": ("be a whole number of 1 or more", _count),
    "floor": ("be in [0, 1]", lambda value: _number(value) and 0.0 <= value <= 1.0),
    "rates": (
        "be pairs of an epoch and a positive rate",
        lambda pairs: all(_number(epoch) and _number(rate) and rate > 0.0 for epoch, rate in pairs),
    ),
}


class _CheckedConstants:
    """Schedules that raise ValueError for constants that are none; their formulas are in
    ewad.kernels.schedules.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            expected, fits = CONSTANTS[name]
            if not fits(value):
                raise ValueError(f"{name}: must {expected}, got {value!r}")

    @property
    def by_batch(self) -> bool:
        """Whether the rate changes with every mini-batch, and not with epochs alone."""
        return False

    def kernel(self) -> ScheduleKernel:
        """Return what gives the rate after one number of epochs and mini-batches."""
        raise NotImplementedError

    def rate(self, initial: float, epoch: Counts, batch: Counts) -> Floats:
        """Return the learning rate in force after so many completed epochs and mini-batches."""
        kernel = self.kernel()
        if isinstance(epoch, int) and isinstance(batch, int):
            return np.asarray(kernel.after(initial, epoch, batch))
        epochs, batches = np.broadcast_arrays(epoch, batch)
        # Most of thousands of models stand at the same count, the only one that the rate depends on.
        counts, place = np.unique(batches if self.by_batch else epochs, return_inverse=True)
        rates = np.array([kernel.after(initial, count, count) for count in counts.tolist()])
        return rates[place].reshape(epochs.shape)


def _kernel(kind: str, a: float = 0.0, b: float = 0.0, by_batch: bool = False) -> ScheduleKernel:
    return ScheduleKernel(kind, a, b, by_batch, np.zeros(0))


@dataclass(frozen=True, slots=True)
class Constant(_CheckedConstants):
    """The initial rate for ever."""

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        return _kernel("constant")


@dataclass(frozen=True, slots=True)
class InverseTime(_CheckedConstants):
    """initial / (1 + decay_rate * epoch)."""

    decay_rate: Annotated[
        float, "[0, inf)", "How fast the rate falls: to half after 1 / decay_rate epochs."
    ] = 1.0

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        return _kernel("inverse_time", self.decay_rate)


@dataclass(frozen=True, slots=True)
class Exponential(_CheckedConstants):
    """initial * base**epoch."""

    base: Annotated[float, "(0, 1]", "What the rate is multiplied by at each epoch."] = 0.95

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        return _kernel("exponential", self.base)


@dataclass(frozen=True, slots=True)
class InverseSqrt(_CheckedConstants):
    """initial * k / sqrt(epoch), or / sqrt(t) with t the mini-batch; both counted from 1 under the root."""

    k: Annotated[float, "(0, inf)", "The factor before 1 / sqrt(epoch)."] = 1.0
    per: Annotated[Literal["epoch", "batch"], "What is counted under the root."] = "epoch"

    @property
    def by_batch(self) -> bool:
        """Whether t is counted, not epochs."""
        return self.per == "batch"

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        return _kernel("inverse_sqrt", self.k, by_batch=self.by_batch)


@dataclass(frozen=True, slots=True)
class Staircase(_CheckedConstants):
    """initial * factor**(epoch // every): discrete steps, half after half by default."""

    factor: Annotated[float, "(0, 1]", "What the rate is multiplied by at each step down."] = 0.5
    every: Annotated[int, "1..1000000000", "Epochs between two steps down."] = 10

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        return _kernel("staircase", self.factor, float(self.every))


@dataclass(frozen=True, slots=True)
class Manual(_CheckedConstants):
    """The rates an operator wrote down: (epoch, rate) pairs, each in force from its epoch on."""

    rates: Annotated[
        tuple[tuple[int, float], ...], "(0, inf)", "Pairs [epoch, rate]: each rate holds from its epoch on."
    ] = ()

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        table = np.array(sorted(self.rates), dtype=np.float64).ravel()
        return ScheduleKernel("manual", 0.0, 0.0, False, table)


@dataclass(frozen=True, slots=True)
class Cosine(_CheckedConstants):
    """Half a cosine from the initial rate down to floor * initial in so many epochs, and then that.

    Source: Loshchilov & Hutter 2017 (SGDR), without restarts.
    """

    epochs: Annotated[int, "1..1000000000", "Epochs until the floor is reached."] = 100
    floor: Annotated[float, "[0, 1]", "The share of the rate that remains."] = 0.0

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        return _kernel("cosine", float(self.epochs), self.floor)


@dataclass(frozen=True, slots=True)
class ReduceOnPlateau(_CheckedConstants):
    """initial * factor**plateaus, no less than floor * initial: smaller steps where the cost no longer falls.

    Whoever trains counts the plateaus met and hands their number over in the epoch's place.
    """

    factor: Annotated[float, "(0, 1]", "What the rate is multiplied by at each step down."] = 0.5
    floor: Annotated[float, "[0, 1]", "The share of the rate that remains."] = 1e-3

    def kernel(self) -> ScheduleKernel:
        """Return the kernel."""
        return _kernel("reduce_on_plateau", self.factor, self.floor)


SCHEDULES: dict[
    str,
    type[Constant | InverseTime | Exponential | InverseSqrt | Staircase | Manual | Cosine | ReduceOnPlateau],
] = {
    "constant": Constant,
    "inverse_time": InverseTime,
    "exponential": Exponential,
    "inverse_sqrt": InverseSqrt,
    "staircase": Staircase,
    "manual": Manual,
    "cosine": Cosine,
    "reduce_on_plateau": ReduceOnPlateau,
}
