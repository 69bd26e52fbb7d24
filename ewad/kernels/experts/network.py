"""A network of the features: relu in the hidden layers, trained by backward propagation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ewad.kernels import algebra, memory
from ewad.kernels.experts.gradient import GradientExpert
from ewad.kernels.memory import Floats


class NetworkKernel(GradientExpert):
    """theta = (W, b) of each layer, one after another, flat, W by rows, (n_out, n_in)."""

    def prepare(self, layers: tuple[int, ...]) -> None:
        """Set the units of each layer, n_x, *hidden, n_y; before anything else."""
        self.n_layers = len(layers) - 1
        starts, params = [0], [0]
        for n_in, n_out in pairwise(layers):
            starts.append(starts[-1] + n_in)
            params.append(params[-1] + (n_in + 1) * n_out)
        self.shape = np.array(layers), np.array(starts), np.array(params)
        self.units = memory.integers(self.shape[0])
        self.first = memory.integers(self.shape[1])
        self.params = memory.integers(self.shape[2])
        self.buffers = np.zeros(sum(layers)), np.zeros(sum(layers))
        # of each layer from first[layer] on: what its units put out, and the derivative of the loss by Z
        self.a, self.dz = memory.doubles(self.buffers[0]), memory.doubles(self.buffers[1])

    def forward(self, row: int, x: Floats, x_at: int) -> None:
        """Fill in what all units put out."""
        a, theta = self.a, self.theta
        for i in range(self.units[0]):
            a[i] = x[x_at + self.start + i]
        for layer in range(self.n_layers):
            n_in, n_out = self.units[layer], self.units[layer + 1]
            w = row * self.n + self.params[layer]
            below, above = self.first[layer], self.first[layer + 1]
            for k in range(n_out):
                z = algebra.dot(theta, w + k * n_in, a, below, n_in) + theta[w + n_in * n_out + k]
                if layer + 1 < self.n_layers:
                    z = max(z, 0.0)
                a[above + k] = z

    def predict(self, row: int, x: Floats, x_at: int, out: Floats, at: int) -> None:
        """Write what the last layer puts out."""
        self.forward(row, x, x_at)
        last = self.first[self.n_layers]
        for h in range(self.n_outputs):
            out[at + h] = self.a[last + h]

    def descend(self, row: int, x: Floats, x_at: int, y: Floats, y_at: int, g: int) -> float:
        """Return |A - y|**2 of the last layer; add its gradient."""
        self.forward(row, x, x_at)
        a, dz, last = self.a, self.dz, self.first[self.n_layers]
        squares = 0.0
        for h in range(self.n_outputs):
            error = a[last + h] - y[y_at + h]
            squares += error * error
            dz[last + h] = 2.0 * error
        for layer in range(self.n_layers - 1, -1, -1):
            self.back(row, layer, g)
        return squares

    def back(self, row: int, layer: int, g: int) -> None:
        """Add the gradient of a layer's parameters; write dz of the layer below it."""
        a, dz, gradient, theta = self.a, self.dz, self.gradient, self.theta
        n_in, n_out = self.units[layer], self.units[layer + 1]
        w, dw = row * self.n + self.params[layer], g + self.params[layer]
        below, above = self.first[layer], self.first[layer + 1]
        for i in range(n_in if layer > 0 else 0):
            dz[below + i] = 0.0
        for k in range(n_out):
            d = dz[above + k]
            if d != 0.0:  # units that are silent learn nothing, nor do those below them by them
                gradient[dw + n_in * n_out + k] += d
                algebra.add_multiple(d, a, below, gradient, dw + k * n_in, n_in)
                if layer > 0:
                    algebra.add_multiple(d, theta, w + k * n_in, dz, below, n_in)
        for i in range(n_in if layer > 0 else 0):
            if not a[below + i] > 0.0:
                dz[below + i] = 0.0
