"""The optimizers of the course on one flat parameter vector: code and equation are the same object.

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
from functools import lru_cache
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


class _OnCopies:
    """Steps that are updates of copies, so that each formula stands once."""

    __slots__ = ()

    def bind(self: Optimizer, theta: Array, state: State) -> Update:
        """Return `update` of these very arrays."""
        return lambda gradient, learning_rate: self.update(theta, gradient, state, learning_rate)

    def step(
        self: Optimizer, theta: Array, gradient: Array, state: State, learning_rate: Rate
    ) -> tuple[Array, State]:
        """Return theta after one step and the advanced state; no argument is changed."""
        theta, state = theta.copy(), tuple(part.copy() for part in state)
        self.update(theta, gradient, state, learning_rate)
        return theta, state


@dataclass(frozen=True, slots=True)
class GradientDescent(_OnCopies):
    """theta - rate * g."""

    def kernel(self, n_params: int) -> OptimizerKernel:
        """Return the kernel."""
        return OptimizerKernel(n_params)

    def init(self, theta: Array) -> State:
        """Return no state."""
        return ()

    def update(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Move theta one step down the gradient."""
        _check(theta, gradient)
        theta -= _spread(learning_rate, theta) * gradient


@dataclass(frozen=True, slots=True)
class Momentum(_OnCopies):
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

    def update(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Move theta along the velocity, once that has taken in the gradient."""
        _check(theta, gradient)
        (velocity,) = state
        velocity *= self.beta1
        velocity += (1.0 - self.beta1) * gradient if self.averaged else gradient
        theta -= _spread(learning_rate, theta) * velocity


@dataclass(frozen=True, slots=True)
class RMSprop(_OnCopies):
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

    def update(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Move theta down the gradient over the root of its mean square."""
        _check(theta, gradient)
        (square,) = state
        square *= self.beta2
        # Multiplied and divided in torch's order: on a bumpy path one last bit grows to 1e-8 in 100 steps.
        square += (1.0 - self.beta2) * gradient * gradient
        root = np.sqrt(square + self.epsilon) if self.epsilon_inside else np.sqrt(square) + self.epsilon
        theta -= _quotient(self.epsilon)(_spread(learning_rate, theta) * gradient, root, root)


@dataclass(frozen=True, slots=True)
class Adam(_OnCopies):
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

    def update(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Move theta by rate * (first / correction1) / (sqrt(second / correction2) + epsilon)."""
        self.bind(theta, state)(gradient, learning_rate)

    def bind(self, theta: Array, state: State) -> Update:
        """Return `update` of these very arrays; with work arrays of its own it takes three quarters."""
        first, second, steps = state
        beta1, beta2, epsilon, weight_decay = self.beta1, self.beta2, self.epsilon, self.weight_decay
        keep1, take1, keep2, take2 = _factors(beta1, beta2, theta.dtype)
        scratch = np.empty_like(theta)
        many = theta.ndim > 1
        # Numbers as arrays: of no axes, if there is but one problem; those multiply twice as quickly.
        bias1, bias2 = (np.empty((*theta.shape[:-1], 1) if many else (), theta.dtype) for _ in range(2))
        bias1_of, bias2_of = (bias[..., 0] if many else bias for bias in (bias1, bias2))
        multiply, add, divide = np.multiply, np.add, _quotient(epsilon)

        def update(gradient: Array, learning_rate: Rate) -> None:
            if gradient.shape != theta.shape:
                _check(theta, gradient)
            taken: Any
            if many:
                np.add(steps, 1, steps)
                taken = steps.astype(np.float64)
            else:
                taken = steps.item() + 1
                steps.fill(taken)
            # The corrections as factors of rate and epsilon: the same step in two passes less.
            root2 = (1.0 - beta2**taken) ** 0.5
            bias1_of[()] = learning_rate * root2 / (1.0 - beta1**taken)
            bias2_of[()] = epsilon * root2
            # first = beta1 * first + (1 - beta1) * gradient
            multiply(gradient, take1, scratch)
            multiply(first, keep1, first)
            add(first, scratch, first)
            # second = beta2 * second + (1 - beta2) * gradient**2
            multiply(gradient, gradient, scratch)
            multiply(scratch, take2, scratch)
            multiply(second, keep2, second)
            add(second, scratch, second)
            # theta -= rate * first / (sqrt(second) + epsilon), both corrected
            np.sqrt(second, scratch)
            add(scratch, bias2, scratch)
            divide(first, scratch, scratch)
            multiply(scratch, bias1, scratch)
            if weight_decay:
                multiply(theta, 1.0 - _spread(learning_rate * weight_decay, theta), theta)
            np.subtract(theta, scratch, theta)

        return update


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


def _quotient(epsilon: float) -> Callable[[Array, Array, Array], Array]:
    """Return what divides by a root and epsilon, into an array."""
    return np.divide if epsilon else _divide_or_zero


def _divide_or_zero(numerator: Array, root: Array, out: Array) -> Array:
    """Divide; where both are zero (no epsilon, and no gradient yet), the quotient is zero."""
    still = root == 0.0
    np.divide(numerator, root, out=out, where=~still)
    out[still] = 0.0
    return out


@lru_cache(maxsize=64)
def _factors(beta1: float, beta2: float, kind: np.dtype[Any]) -> tuple[Array, ...]:
    """Return beta1, 1 - beta1, beta2, 1 - beta2 as arrays of no axes, twice as quick in products."""
    factors = tuple(np.array(number, dtype=kind) for number in (beta1, 1.0 - beta1, beta2, 1.0 - beta2))
    for factor in factors:
        factor.flags.writeable = False
    return factors


def _spread(number: Rate, theta: Array) -> Rate:
    """Return what multiplies each problem's parameters by its number, and leaves them in theta's type."""
    if isinstance(number, float):
        return number
    return np.asarray(number, theta.dtype)[..., None]


def _check(theta: Array, gradient: Array) -> None:
    if theta.shape != gradient.shape:
        raise ValueError(f"gradient: expected the shape of theta {theta.shape}, got {gradient.shape}")
