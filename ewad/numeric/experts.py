"""The table of experts, and how large those are that learn by gradients and where they start from.

An expert is one kernel in ewad/kernels/experts and one line here: the configuration, the state and all
outputs learn of it from this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ewad.kernels.experts.linear import LinearKernel
from ewad.kernels.experts.network import NetworkKernel
from ewad.kernels.experts.smoothing import HoltKernel, SesKernel
from ewad.kernels.memory import Floats
from ewad.numeric.network import Network, layout


class Shape(Protocol):
    """What every expert that learns by gradients is: a frozen record of its shape with these."""

    @property
    def n_params(self) -> int:
        """The length of one model's theta."""

    def initial(self) -> Floats:
        """Return theta: (n_params,) of a model that has learnt nothing yet."""

    def penalised(self) -> Floats:
        """Return (n_params,) 1 where L2 regularisation holds a parameter back, 0 for biases."""

    def kernel(self, **settings: Any) -> LinearKernel | NetworkKernel:
        """Return the kernel; settings: the arguments of `GradientExpert`."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Y = X W + b, with theta = (W, b) as (n_x + 1, n_y), flat."""

    n_x: int
    n_y: int

    @property
    def n_params(self) -> int:
        """(n_x + 1) * n_y."""
        return (self.n_x + 1) * self.n_y

    def initial(self) -> Floats:
        """Return zeros: the first forecast is persistence."""
        return np.zeros(self.n_params)

    def penalised(self) -> Floats:
        """Return 1 for W and 0 for b."""
        return np.repeat([1.0, 0.0], [self.n_x * self.n_y, self.n_y])

    def kernel(self, **settings: Any) -> LinearKernel:
        """Return the kernel."""
        kernel = LinearKernel(**settings)
        kernel.prepare(self.n_x)
        return kernel


@dataclass(frozen=True, slots=True)
class NetworkExpert:
    """Y = a network of n_x, *hidden, n_y units; relu in the hidden layers; theta as `Network` lays it out.

    The output layer starts at zero, so that the first forecast is persistence, not noise.
    """

    n_x: int
    n_y: int
    hidden: tuple[int, ...] = (16,)

    @property
    def layers(self) -> tuple[int, ...]:
        """The units of each layer."""
        return (self.n_x, *self.hidden, self.n_y)

    @property
    def n_params(self) -> int:
        """All weights and biases."""
        return layout(self.layers)[-1][2]

    def initial(self) -> Floats:
        """Return He weights, always the same, under an output layer of zeros."""
        network = Network(self.layers)
        theta: Floats = network.initial(np.random.default_rng(0))
        network.parameters(theta)[-1][0][:] = 0.0
        return theta

    def penalised(self) -> Floats:
        """Return 1 for the weights, 0 for the biases."""
        penalised = np.zeros(self.n_params)
        for W, _ in Network(self.layers).parameters(penalised):
            W[:] = 1.0
        return penalised

    def kernel(self, **settings: Any) -> NetworkKernel:
        """Return the kernel."""
        kernel = NetworkKernel(**settings)
        kernel.prepare(self.layers)
        return kernel


# A network of the nearest horizon alone, of half the units: trained together with far ones it pays them
# attention.
NEAR = "near_network"
# name -> what makes the shape from (n_x, n_y, units of the hidden layers)
GRADIENT_EXPERTS: dict[str, Callable[[int, int, tuple[int, ...]], Shape]] = {
    "linear": lambda n_x, n_y, hidden: Linear(n_x, n_y),
    "network": NetworkExpert,
    NEAR: lambda n_x, n_y, hidden: NetworkExpert(n_x, 1, tuple((units + 1) // 2 for units in hidden)),
}
SEASONAL = "seasonal"
# What sees other streams too: of a model with inputs.
INPUTS = "inputs"
# name -> what the squared parameters of a linear model by recursive least squares cost it
RECURSIVE_EXPERTS: dict[str, float] = {
    "rls": 100.0,  # many features: held back firmly, or it learns the noise of the first thousand samples
    SEASONAL: 3.0,  # a handful of features, averages and calendar: it has to be quick
    INPUTS: 10.0,  # those, some lags more, and ten features of each input
}
# name -> the kernel, made from the horizons, of what follows each stream by a few numbers of its own
STREAM_EXPERTS: dict[str, type[SesKernel] | type[HoltKernel]] = {
    "ses": SesKernel,
    "holt": HoltKernel,
}
# What needs no learning.
FIXED_EXPERTS = ("persistence", "seasonal_naive")
# What other programs have forecast, by the place of its source among those of the model.
EXTERNAL_EXPERTS = ("external", "external_2", "external_3", "external_4")
STACK = "stack"
EXPERTS: tuple[str, ...] = (
    *FIXED_EXPERTS,
    *GRADIENT_EXPERTS,
    *RECURSIVE_EXPERTS,
    *STREAM_EXPERTS,
    *EXTERNAL_EXPERTS,
    STACK,
)
