"""Where in the day, the week and the year a moment lies, as harmonics that a linear model can weigh."""

from __future__ import annotations

import numpy as np

from ewad.numeric.recurrence import Floats

DAY = 86_400.0
# A season's shape is drawn by its first harmonics.
SEASON_HARMONICS = 2


def harmonics(phase: Floats, n: int) -> Floats:
    """Return sin and cos of 1, ..., n times the angle, (m, 2 n).  phase: (m,) in periods."""
    angle = (2.0 * np.pi) * np.mod(phase, 1.0)[:, None] * np.arange(1.0, n + 1.0)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
