"""Where in the day, the week and the year a moment lies, as harmonics that a linear model can weigh."""

from __future__ import annotations

import numpy as np

from ewad.kernels.memory import Floats

DAY = 86_400.0
WEEK = 7  # samples a season, where a day has one
YEAR = 365.25 * DAY
# A season of more samples than this has no use as a whole: minutes have a day, seconds have none.
LONGEST_SEASON = 1440
# A season that forecasts are compared with may be longer: a year of hours.
LONGEST_COMPARED = 20_000
# A season's shape is drawn by its first harmonics.
SEASON_HARMONICS = 2


def harmonics(phase: Floats, n: int) -> Floats:
    """Return sin and cos of 1, ..., n times the angle, (m, 2 n).  phase: (m,) in periods."""
    angle = (2.0 * np.pi) * np.mod(phase, 1.0)[:, None] * np.arange(1.0, n + 1.0)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


def season_of(interval_seconds: float) -> int | None:
    """Return the samples of a season at such an interval: a day, of daily samples a week; None if neither."""
    if not interval_seconds > 0.0:
        return None
    day = round(DAY / interval_seconds)
    if day == 1:
        return WEEK
    return day if 2 <= day <= LONGEST_SEASON else None


def seasons_of(interval_seconds: float) -> list[tuple[int, str]]:
    """Return how many samples a day, a week and a year have at such an interval, with their names.

    Only those of at least 2 and at most LONGEST_COMPARED samples.
    """
    if not interval_seconds > 0.0:
        return []
    lengths = ((DAY, "a day"), (WEEK * DAY, "a week"), (YEAR, "a year"))
    found = [(round(seconds / interval_seconds), name) for seconds, name in lengths]
    return [(samples, name) for samples, name in found if 2 <= samples <= LONGEST_COMPARED]
