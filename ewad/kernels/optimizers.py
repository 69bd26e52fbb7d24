"""The optimizers of the course: one step of one model.

Conventions where the field has several: beta weights the past; momentum is the averaged form
v = beta * v + (1 - beta) * g; epsilon stands outside the square root; only Adam corrects the bias.
Sources: A. Ng, Improving Deep Neural Networks, week 2; Kingma & Ba 2015; Loshchilov & Hutter 2019 (AdamW).
"""

from __future__ import annotations

import math

from ewad.kernels import memory
from ewad.kernels.memory import Floats, Integers


class OptimizerKernel:
    """Gradient descent: theta - rate * g, and what the others have in common: moments, each as long as
    theta.
    """

    def __init__(self, n_params: int) -> None:
        self.n = n_params
        self.n_moments = 0
        self.counts = 0  # whether steps are counted

    def bind(self, moment_0: Floats | None, moment_1: Floats | None, moment_2: Integers | None) -> None:
        """Work on these arrays from now on."""
        if moment_0 is not None:
            self.first = memory.doubles(moment_0)
            self.n_moments = 1
        if moment_1 is not None:
            self.second = memory.doubles(moment_1)
            self.n_moments = 2
        if moment_2 is not None:
            self.steps = memory.integers(moment_2)
            self.counts = 1

    def forget(self, row: int) -> None:
        """Set all moments of a model to zero."""
        o = row * self.n
        for i in range(self.n if self.n_moments > 0 else 0):
            self.first[o + i] = 0.0
        for i in range(self.n if self.n_moments > 1 else 0):
            self.second[o + i] = 0.0
        if self.counts:
            self.steps[row] = 0

    def step_all(self, theta: Floats, gradient: Floats, rates: Floats) -> None:
        """Move theta of each model by its gradient and its rate: (models, n_params) both, and (models,)."""
        moved = memory.doubles(theta)
        g = memory.readable(gradient)
        rate = memory.readable(rates)
        for row in range(len(rates)):
            self.step(row, moved, g, row * self.n, rate[row])

    def step(self, row: int, theta: Floats, g: Floats, at: int, rate: float) -> None:
        """Move theta of a model, from row * n on, by its gradient g[at:]; its moments change too."""
        o = row * self.n
        for i in range(self.n):
            theta[o + i] -= rate * g[at + i]


class MomentumKernel(OptimizerKernel):
    """Gradient descent along the exponentially weighted average of the gradients."""

    def __init__(self, n_params: int, beta1: float, averaged: bool) -> None:
        """averaged: whether a gradient enters by 1 - beta1 of it, or whole."""
        OptimizerKernel.__init__(self, n_params)
        self.beta1, self.taken = beta1, 1.0 - beta1 if averaged else 1.0

    def step(self, row: int, theta: Floats, g: Floats, at: int, rate: float) -> None:
        """Move theta along the velocity, once that has taken in the gradient."""
        o, v = row * self.n, self.first
        beta1, taken = self.beta1, self.taken
        for i in range(self.n):
            v[o + i] = beta1 * v[o + i] + taken * g[at + i]
            theta[o + i] -= rate * v[o + i]


class RMSpropKernel(OptimizerKernel):
    """Each parameter's step divided by the root mean square of its recent gradients. No bias correction."""

    def __init__(self, n_params: int, beta2: float, epsilon: float, epsilon_inside: bool) -> None:
        """epsilon_inside: whether epsilon stands under the root."""
        OptimizerKernel.__init__(self, n_params)
        self.beta2 = beta2
        self.inside, self.outside = (epsilon, 0.0) if epsilon_inside else (0.0, epsilon)

    def step(self, row: int, theta: Floats, g: Floats, at: int, rate: float) -> None:
        """Move theta down the gradient over the root of its mean square."""
        o, s = row * self.n, self.first
        beta2, inside, outside = self.beta2, self.inside, self.outside
        taken = 1.0 - beta2
        for i in range(self.n):
            s[o + i] = beta2 * s[o + i] + taken * g[at + i] * g[at + i]
            root = math.sqrt(s[o + i] + inside) + outside
            theta[o + i] -= rate * g[at + i] / (root if root > 0.0 else 1.0)  # 0 of 0: nothing has moved yet


class AdamKernel(OptimizerKernel):
    """Momentum and RMSprop together, both bias-corrected (Kingma & Ba 2015, Algorithm 1)."""

    def __init__(
        self, n_params: int, beta1: float, beta2: float, epsilon: float, weight_decay: float
    ) -> None:
        """weight_decay: shrinks theta by rate * weight_decay, apart from the gradient (AdamW)."""
        OptimizerKernel.__init__(self, n_params)
        self.beta1, self.beta2, self.epsilon, self.weight_decay = beta1, beta2, epsilon, weight_decay

    def step(self, row: int, theta: Floats, g: Floats, at: int, rate: float) -> None:
        """Move theta by rate * (v / correction1) / (sqrt(s / correction2) + epsilon)."""
        o, v, s = row * self.n, self.first, self.second
        self.steps[row] += 1
        t = float(self.steps[row])
        beta1, beta2 = self.beta1, self.beta2
        # The corrections as factors of rate and epsilon: the same step with two divisions less for each
        # parameter.
        correction2 = math.sqrt(1.0 - math.pow(beta2, t))
        length = rate * correction2 / (1.0 - math.pow(beta1, t))
        epsilon = self.epsilon * correction2
        kept = 1.0 - rate * self.weight_decay
        for i in range(self.n):
            v[o + i] = beta1 * v[o + i] + (1.0 - beta1) * g[at + i]
            s[o + i] = beta2 * s[o + i] + (1.0 - beta2) * (g[at + i] * g[at + i])
            root = math.sqrt(s[o + i]) + epsilon
            theta[o + i] = kept * theta[o + i] - length * (v[o + i] / (root if root > 0.0 else 1.0))
