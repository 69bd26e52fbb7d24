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
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float32 or float64: steps keep theta's type
Rate = float | Array
State = tuple[Array, ...]


class Optimizer(Protocol):
    """What every optimizer here is: a frozen record of its constants with these two functions."""

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""

    def step(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> tuple[Array, State]:
        """Return theta after one step and the advanced state; no argument is changed."""


@dataclass(frozen=True, slots=True)
class GradientDescent:
    """theta - rate * g."""

    def init(self, theta: Array) -> State:
        """Return no state."""
        return ()

    def step(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> tuple[Array, State]:
        """Return theta after one step down the gradient."""
        _check(theta, gradient)
        return theta - _spread(learning_rate, theta) * gradient, state


@dataclass(frozen=True, slots=True)
class Momentum:
    """Gradient descent along the exponentially weighted average of the gradients.

    averaged=False gives the other common form, v = beta1 * v + g, whose steps are 1 / (1 - beta1) as long.
    """

    beta1: float = 0.9
    averaged: bool = True

    def init(self, theta: Array) -> State:
        """Return (velocity,), at rest."""
        return (np.zeros_like(theta),)

    def step(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> tuple[Array, State]:
        """Return theta after one step and the new velocity."""
        _check(theta, gradient)
        gain = 1.0 - self.beta1 if self.averaged else 1.0
        velocity = self.beta1 * state[0] + gain * gradient
        return theta - _spread(learning_rate, theta) * velocity, (velocity,)


@dataclass(frozen=True, slots=True)
class RMSprop:
    """Each parameter's step divided by the root mean square of its recent gradients. No bias correction.

    epsilon_inside=True puts epsilon under the root, as some libraries do.
    """

    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_inside: bool = False

    def init(self, theta: Array) -> State:
        """Return (mean square,), at zero."""
        return (np.zeros_like(theta),)

    def step(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> tuple[Array, State]:
        """Return theta after one step and the new mean square."""
        _check(theta, gradient)
        # Multiplied and divided in torch's order: on a bumpy path one last bit grows to 1e-8 in 100 steps.
        square = self.beta2 * state[0] + (1.0 - self.beta2) * gradient * gradient
        root = np.sqrt(square + self.epsilon) if self.epsilon_inside else np.sqrt(square) + self.epsilon
        return theta - _ratio(_spread(learning_rate, theta) * gradient, root, self.epsilon), (square,)


@dataclass(frozen=True, slots=True)
class Adam:
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

    def step(self, theta: Array, gradient: Array, state: State, learning_rate: Rate) -> tuple[Array, State]:
        """Return theta after one step and the advanced moments."""
        _check(theta, gradient)
        first = self.beta1 * state[0]
        first += (1.0 - self.beta1) * gradient
        second = self.beta2 * state[1]
        second += (1.0 - self.beta2) * (gradient * gradient)
        steps = state[2] + 1
        # rate * (first / correction1) / (sqrt(second / correction2) + epsilon), with fewer passes:
        correction1 = 1.0 - self.beta1 ** steps.astype(theta.dtype)
        correction2 = 1.0 - self.beta2 ** steps.astype(theta.dtype)
        root = np.sqrt(second)
        root /= np.sqrt(correction2)[..., None]
        root += self.epsilon
        move = _ratio(first, root, self.epsilon)
        move *= np.asarray(learning_rate / correction1)[..., None]
        if self.weight_decay:
            move += _spread(learning_rate, theta) * self.weight_decay * theta
        return theta - move, (first, second, steps)


OPTIMIZERS: dict[str, type[GradientDescent | Momentum | RMSprop | Adam]] = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adam": Adam,
}


def _ratio(numerator: Array, root: Array, epsilon: float) -> Array:
    """Return numerator / root; where both are zero (epsilon 0, no gradient yet) nothing moves."""
    if epsilon:
        return numerator / root
    return np.divide(numerator, root, out=np.zeros_like(numerator), where=root != 0.0)


def _spread(rate: Rate, theta: Array) -> Array:
    """Return the rate of each problem, in theta's type, so that it multiplies that problem's parameters."""
    return np.asarray(rate, dtype=theta.dtype)[..., None]


def _check(theta: Array, gradient: Array) -> None:
    if theta.shape != gradient.shape:
        raise ValueError(f"gradient: expected the shape of theta {theta.shape}, got {gradient.shape}")
