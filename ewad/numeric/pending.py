"""Forecasts whose truth is still to come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Floats, Integers, Runs
from ewad.numeric.rows import RowState


class Due:
    """Where the forecasts for each sample of a batch lie: for each horizon h, h places a stream, in turn."""

    def __init__(self, horizons: Sequence[int], runs: Runs, number: Integers, position: Integers) -> None:
        """number: (n,) of each sorted sample in its stream, from 0.  position: (n,) in its window."""
        steps, first = _places(tuple(horizons))
        self.runs = runs
        self.horizons = horizons
        self.farthest = max(horizons)
        places = first[-1] + steps[-1]  # a stream
        if len(number) == 1:  # quicker with numbers
            self.at = ((runs.series.item() * places + first) + number.item() % steps)[None]
        else:
            self.at = runs.spread(runs.series)[:, None] * places + first + number[:, None] % steps
        self.lost: NDArray[np.bool_] | None = None  # what was made before the window began; None: nothing
        if np.minimum.reduce(position, initial=self.farthest) < self.farthest:
            self.lost = position[:, None] < steps
        self.late: tuple[Integers, ...] | None = (
            None  # what this batch's later samples do not use up; None: all
        )
        if runs.longest > 1:
            left = runs.length[runs.run] - runs.rank
            self.late = (left[:, None] <= steps).nonzero()


class DueOne(NamedTuple):
    """Where the forecast for one sample of a stream lies, if there is but one horizon.

    lost: whether it was made before the window began.
    """

    row: int
    place: int
    lost: bool


class Pending(RowState):
    """Forecasts of every stream, each kept until the sample that it was made for.

    forecasts: (n_streams, sum of horizons, width) of `width` kinds of forecast; NaN where there is none.
    """

    forecasts: Floats

    def __init__(self, horizons: Sequence[int], width: int, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.add_rows("forecasts", sum(horizons), width, fill=np.nan)

    def exchange(self, due: Due, made: Floats) -> Floats:
        """Keep the forecasts made after each sorted sample; return those made for it.

        made: (n, n_horizons, width), and so is what comes back; NaN where there was none.
        """
        came = self.take(due)
        for i, horizon in enumerate(due.horizons if due.runs.longest > 1 else ()):
            if horizon < due.runs.longest:
                inside = np.flatnonzero(due.runs.rank >= horizon)  # made within this very batch
                came[inside, i] = made[inside - horizon, i]
        if due.lost is not None:
            came[due.lost] = np.nan
        self.keep(due, made)
        return came

    def exchange_one(self, due: DueOne, made: Sequence[float]) -> list[float]:
        """As `exchange`, of one sample and one horizon: (width,) each."""
        came = self.take_one(due)
        self.forecasts[due.row, due.place] = made
        return came

    def take_one(self, due: DueOne) -> list[float]:
        """Return the forecasts made for one sample, (width,)."""
        came: list[float] = self.forecasts[due.row, due.place].tolist()
        return [math.nan] * len(came) if due.lost else came

    def take(self, due: Due) -> Floats:
        """Return the forecasts made before the batch; without meaning where it has made newer ones."""
        found: Floats = self._in_turn.take(due.at, axis=0)
        return found

    def keep(self, due: Due, made: Floats) -> None:
        """Keep those of the forecasts that are for samples after the batch."""
        items = np.ascontiguousarray(made).view(_item(made.itemsize * made.shape[2]))[..., 0]
        kept = self._in_turn.view(items.dtype)[:, 0]
        if due.late is None:
            kept.put(due.at, items)
        else:
            kept[due.at[due.late]] = items[due.late]

    @property
    def _in_turn(self) -> Floats:
        """The forecasts of all streams in turn, (n_streams * sum of horizons, width): a view."""
        return self.forecasts.reshape(-1, self.forecasts.shape[2])


@lru_cache(maxsize=64)
def _item(size: int) -> np.dtype[np.void] | np.dtype[np.complex128]:
    """Return a type of so many bytes: an item each is several times quicker to keep than a row."""
    return np.dtype(np.complex128) if size == 16 else np.dtype((np.void, size))


@lru_cache(maxsize=64)
def _places(horizons: tuple[int, ...]) -> tuple[Integers, Integers]:
    """Return how many places each horizon has, and which is its first."""
    steps = np.array(horizons)
    return steps, np.cumsum(steps) - steps
