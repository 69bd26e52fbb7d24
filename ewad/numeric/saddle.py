"""The course's saddle as a cost to walk on: flat where gradient descent comes to rest, with a way down.

Source: A. Ng, Improving Deep Neural Networks, week 2, "The problem of local optima".
"""

from __future__ import annotations

import numpy as np

from ewad.kernels.memory import Floats

# On the ridge, but for a millionth.
SADDLE_START = (1.0, 1e-6)


def saddle(theta: Floats) -> tuple[float, Floats]:
    """Return J = 1 + x**2 - y**2 + y**4 / 4 and its gradient; lowest, 0, at x = 0, y = +-sqrt(2)."""
    x, y = theta
    return float(1.0 + x * x - y * y + y**4 / 4.0), np.array([2.0 * x, y**3 - 2.0 * y])
