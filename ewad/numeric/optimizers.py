"""The optimizers of the course on one flat parameter vector: code and equation are the same object.

Conventions where the field has several: beta weights the past; momentum is the averaged form
v = beta * v + (1 - beta) * g; epsilon stands outside the square root; only Adam corrects the bias.
State goes in and comes out: `state = adam.init(theta)`, then
`theta, state = adam.step(theta, gradient, state, learning_rate)`.
Leading axes are independent problems: theta (..., n_params), learning rate a number or (...).
Sources: A. Ng, Improving Deep Neural Networks, week 2; Kingma & Ba 2015; Loshchilov & Hutter 2019 (AdamW).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float32 or float64: steps keep theta's type
Rate = float | Array
State = tuple[Array, ...]


class Optimizer(Protocol):
    """What every optimizer here is: a frozen record of its constants with these three functions."""

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""

    def step(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> tuple[Array, State]:
        """Return theta after one step and the advanced state; no argument is changed."""

    def update(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Take the step in place: changes theta and the arrays of state."""


class _OnCopies:
    """Steps that are updates of copies, so that each formula stands once."""

    __slots__ = ()

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

    beta1: float = 0.9
    averaged: bool = True

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

    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_inside: bool = False

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
        theta -= _ratio(_spread(learning_rate, theta) * gradient, root, self.epsilon)


@dataclass(frozen=True, slots=True)
class Adam(_OnCopies):
    """Momentum and RMSprop together, both bias-corrected (Kingma & Ba 2015, Algorithm 1).

    weight_decay > 0 shrinks theta by rate * weight_decay apart from the gradient (AdamW).
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def init(self, theta: Array) -> State:
        """Return (first moment, second moment, steps taken), all zero."""
        return np.zeros_like(theta), np.zeros_like(theta), np.zeros(theta.shape[:-1], dtype=np.int64)

    def update(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> None:
        """Move theta by rate * (first / correction1) / (sqrt(second / correction2) + epsilon)."""
        _check(theta, gradient)
        first, second, steps = state
        correction1, correction2 = self._corrections(steps)
        beta1, rest1, beta2, rest2 = _factors(self.beta1, self.beta2, theta.dtype)
        scratch = rest1 * gradient
        first *= beta1
        first += scratch
        np.multiply(gradient, gradient, scratch)
        scratch *= rest2
        second *= beta2
        second += scratch
        # The corrections as factors of rate and epsilon: the same step in two passes less.
        root = np.sqrt(second, scratch)
        root += _spread(self.epsilon * correction2**0.5, theta)
        move = _ratio(first, root, self.epsilon)
        move *= _spread(learning_rate * correction2**0.5 / correction1, theta)
        if self.weight_decay:
            theta *= 1.0 - _spread(learning_rate * self.weight_decay, theta)
        theta -= move

    def _corrections(self, steps: Array) -> tuple[Any, Any]:
        """Count a step, in place; return 1 - beta**steps of both betas, of a single problem as numbers."""
        if steps.size == 1:
            taken = steps.item() + 1
            steps.fill(taken)
            return 1.0 - self.beta1**taken, 1.0 - self.beta2**taken
        steps += 1
        taken = steps.astype(np.float64)
        return 1.0 - self.beta1**taken, 1.0 - self.beta2**taken


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


def _ratio(numerator: Array, root: Array, epsilon: float) -> Array:
    """Return numerator / root in root's place; where both are zero (epsilon 0, no gradient yet), zero."""
    if epsilon:
        return np.divide(numerator, root, root)
    return np.divide(numerator, root, out=root, where=root != 0.0)


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
