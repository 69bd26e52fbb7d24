"""The optimizers of the course on one flat parameter vector; their formulas are in ewad.kernels.optimizers.

Conventions where the field has several: beta weights the past; momentum is the averaged form
v = beta * v + (1 - beta) * g; epsilon stands outside the square root; only Adam corrects the bias.
State goes in and comes out: `state = adam.init(theta)`, then
`theta, state = adam.step(theta, gradient, state, learning_rate)`.
Leading axes are independent problems: theta (..., n_params), learning rate a number or (...).
Sources: A. Ng, Improving Deep Neural Networks, week 2; Kingma & Ba 2015; Loshchilov & Hutter 2019 (AdamW).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.optimizers import AdamKernel, MomentumKernel, OptimizerKernel, RMSpropKernel

Array = NDArray[Any]  # float32 or float64: steps keep theta's type
Rate = float | Array
State = tuple[Array, ...]
Update = Callable[[Array, Rate], None]  # (gradient, learning_rate): a step in place of bound arrays


class Optimizer(Protocol):
    """What every optimizer here is: a frozen record of its constants with these four functions."""

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""

    def step(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> tuple[Array, State]:
        """Return theta after one step and the advanced state; no argument is changed."""

    def update(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Take the step in place: changes theta and the arrays of state."""

    def kernel(self, n_params: int) -> OptimizerKernel:
        """Return what takes the steps of many models, sample by sample."""

    def bind(self, theta: Array, state: State) -> Update:
        """Return `update` of these very arrays: the quicker way to step them again and again.

        What comes back keeps work arrays, and is not for two threads at once.
        """


class _ByKernel:
    """Steps that its kernel takes, so that each formula stands once, in ewad.kernels.optimizers."""

    __slots__ = ()

    def step(
        self: Optimizer, theta: Array, gradient: Array, state: State, learning_rate: Rate
    ) -> tuple[Array, State]:
        """Return theta after one step and the advanced state; no argument is changed."""
        theta, state = theta.copy(), tuple(np.array(part) for part in state)
        self.update(theta, gradient, state, learning_rate)
        return theta, state

    def update(self: Optimizer, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Take the step in place: changes theta and the arrays of state."""
        self.bind(theta, state)(gradient, learning_rate)

    def bind(self: Optimizer, theta: Array, state: State) -> Update:
        """Return `update` of these very arrays."""
        own = [_wide(array) for array in (theta, *state)]
        copied = [
            (array, copy) for array, copy in zip((theta, *state), own, strict=True) if array is not copy
        ]
        kernel, rates = self.kernel(theta.shape[-1]), np.empty(theta.shape[:-1] or (1,))
        kernel.bind(*own[1:], *[None] * (4 - len(own)))

        def update(gradient: Array, learning_rate: Rate) -> None:
            if gradient.shape != theta.shape:
                _check(theta, gradient)
            rates[...] = learning_rate
            for array, copy in copied:
                copy[...] = array
            kernel.step_all(own[0], _wide(gradient), rates.ravel())
            for array, copy in copied:
                array[...] = copy

        return update


@dataclass(frozen=True, slots=True)
class GradientDescent(_ByKernel):
    """theta - rate * g."""

    def kernel(self, n_params: int) -> OptimizerKernel:
        """Return the kernel."""
        return OptimizerKernel(n_params)

    def init(self, theta: Array) -> State:
        """Return no state."""
        return ()


@dataclass(frozen=True, slots=True)
class Momentum(_ByKernel):
    """Gradient descent along the exponentially weighted average of the gradients.

    averaged=False gives the other common form, v = beta1 * v + g, whose steps are 1 / (1 - beta1) as long.
    """

    beta1: Annotated[float, "[0, 1)", "The weight of the past in the average of the gradients."] = 0.9
    averaged: Annotated[
        bool, "Whether the past and the gradient weigh 1 together; false: v = beta1 * v + g."
    ] = True

    def kernel(self, n_params: int) -> OptimizerKernel:
        """Return the kernel."""
        return MomentumKernel(n_params, self.beta1, self.averaged)

    def init(self, theta: Array) -> State:
        """Return (velocity,), at rest."""
        return (np.zeros_like(theta),)


@dataclass(frozen=True, slots=True)
class RMSprop(_ByKernel):
    """Each parameter's step divided by the root mean square of its recent gradients. No bias correction.

    epsilon_inside=True puts epsilon under the root, as some libraries do.
    """

    beta2: Annotated[float, "[0, 1)", "The weight of the past in the average of the squared gradients."] = (
        0.999
    )
    epsilon: Annotated[
        float, "(0, inf)", "What is added to the root of that average, so that nothing is divided by 0."
    ] = 1e-8
    epsilon_inside: Annotated[bool, "Whether epsilon stands under the root."] = False

    def kernel(self, n_params: int) -> OptimizerKernel:
        """Return the kernel."""
        return RMSpropKernel(n_params, self.beta2, self.epsilon, self.epsilon_inside)

    def init(self, theta: Array) -> State:
        """Return (mean square,), at zero."""
        return (np.zeros_like(theta),)


@dataclass(frozen=True, slots=True)
class Adam(_ByKernel):
    """Momentum and RMSprop together, both bias-corrected (Kingma & Ba 2015, Algorithm 1).

    weight_decay > 0 shrinks theta by rate * weight_decay apart from the gradient (AdamW).
    """

    beta1: Annotated[float, "[0, 1)", "The weight of the past in the average of the gradients."] = 0.9
    beta2: Annotated[float, "[0, 1)", "The weight of the past in the average of the squared gradients."] = (
        0.999
    )
    epsilon: Annotated[
        float, "(0, inf)", "What is added to the root of that average, so that nothing is divided by 0."
    ] = 1e-8
    weight_decay: Annotated[
        float, "[0, inf)", "Shrinks the parameters by rate * weight_decay at each step (AdamW)."
    ] = 0.0

    def kernel(self, n_params: int) -> OptimizerKernel:
        """Return the kernel."""
        return AdamKernel(n_params, self.beta1, self.beta2, self.epsilon, self.weight_decay)

    def init(self, theta: Array) -> State:
        """Return (first moment, second moment, steps taken), all zero."""
        return np.zeros_like(theta), np.zeros_like(theta), np.zeros(theta.shape[:-1], dtype=np.int64)


OPTIMIZERS: dict[str, type[GradientDescent | Momentum | RMSprop | Adam]] = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adam": Adam,
}


def clip_by_norm(gradient: Array, max_norm: float) -> Array:
    """Return the gradient, shortened to max_norm where it is longer; its direction stays. (..., n_params)."""
    norm = np.sqrt(np.vecdot(gradient, gradient))
    return np.asarray(gradient * _spread(max_norm / np.maximum(norm, max_norm), gradient))


def _wide(array: Array) -> Array:
    """Return the array if a kernel can work on it, else a copy of that kind: contiguous, 64 bits a number."""
    kind = np.int64 if array.dtype.kind == "i" else np.float64
    if array.dtype == kind and array.flags.c_contiguous:
        return array
    return np.array(array, dtype=kind, order="C")


def _spread(number: Rate, theta: Array) -> Rate:
    """Return what multiplies each problem's parameters by its number, and leaves them in theta's type."""
    if isinstance(number, float):
        return number
    return np.asarray(number, theta.dtype)[..., None]


def _check(theta: Array, gradient: Array) -> None:
    if theta.shape != gradient.shape:
        raise ValueError(f"gradient: expected the shape of theta {theta.shape}, got {gradient.shape}")
