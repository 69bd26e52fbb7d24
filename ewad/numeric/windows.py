"""Lag windows of many streams: the features and targets of every sample of a batch at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Floats, Integers, Runs

# Runs of like length fill a rectangle: at most so many places a sample, else each run takes what it needs.
_MAX_PADDING = 4


@dataclass(frozen=True, slots=True)
class Windows:
    """The values of a batch, each run continuing its stream's history.

    values: all runs one after another, each preceded by its stream's last `depth` values.
    place: (n,) where each sorted sample lies in values.
    """

    values: Floats
    place: Integers
    depth: int

    @classmethod
    def of(cls, history: Floats, runs: Runs, value: Floats) -> Windows:
        """Return the windows of a sorted batch.

        history: (k, depth) the last values of each run's stream, newest last (zeros where there were none).
        value: (n,). Both may have further axes: vectors instead of numbers.
        """
        k, depth, *shape = history.shape
        if len(value) == 1:
            return cls(np.concatenate((history[0], value)), _depth(depth), depth)
        if k * runs.longest <= _MAX_PADDING * len(value):  # a rectangle: whole rows are quick to copy
            values = np.zeros((k, depth + runs.longest, *shape))
            values[:, :depth] = history
            place = runs.run * (depth + runs.longest) + depth + runs.rank
            values = values.reshape(-1, *shape)
        else:
            place = np.arange(len(value)) + depth * (runs.run + 1)
            values = np.empty((len(value) + k * depth, *shape))
            first = runs.start + depth * np.arange(k)
            _stretches(values, depth)[first] = _stretches(history.reshape(-1, *shape), depth)[::depth]
        values[place] = value
        return cls(values, place, depth)

    def at(self, samples: Integers) -> Windows:
        """Return the windows of these samples, (n,) sorted positions, in that order."""
        return Windows(self.values, self.place[samples], self.depth)

    def differences(self, steps: int) -> Floats:
        """Return (n, steps): for each sample the last first differences, newest last; steps <= depth."""
        if len(self.place) == 1:
            last = int(self.place[0])
            values = self.values[last - steps : last + 1]
            return (values[1:] - values[:-1])[None]
        return _gather(self.values[1:] - self.values[:-1], self.place - steps, steps)

    def back(self, steps: int) -> Floats:
        """Return (n,) the value that many samples before each sample; steps <= depth."""
        if len(self.place) == 1:
            place = int(self.place[0]) - steps
            return self.values[place : place + 1]
        return self.values[self.place - steps]

    def back_all(self, steps: Integers) -> Floats:
        """Return (n, n_steps) `back` for several numbers of samples."""
        return np.asarray(self.values[self.place[:, None] - steps])

    def keep(self, history: Floats, runs: Runs) -> None:
        """Write the last values of each run's stream to history: (n_streams, depth)."""
        if len(self.values) == self.depth + 1:  # of a single sample
            history[runs.rows] = self.values[1:]
            return
        history[runs.rows] = _gather(self.values, runs.last(self.place) - self.depth + 1, self.depth)


@lru_cache(maxsize=64)
def _depth(depth: int) -> Integers:
    place = np.array([depth])
    place.flags.writeable = False
    return place


def _gather(values: Floats, first: Integers, length: int) -> Floats:
    """Return (n, length): from each of these places on, so many values."""
    if len(first) == 1:
        start = int(first[0])
        return values[None, start : start + length]
    stretches = _stretches(values, length)[first]
    return stretches.view(np.float64).reshape(-1, length, *values.shape[1:])


def _stretches(values: Floats, length: int) -> NDArray[np.void]:
    """Return all overlapping stretches of so many values, an opaque item each: quicker to copy than rows."""
    size = math.prod(values.shape[1:]) * values.itemsize
    n, dtype = len(values) - length + 1, np.dtype((np.void, length * size))
    return np.ndarray((n,), dtype, np.ascontiguousarray(values), strides=(size,))


def positions(before: Integers, runs: Runs, restart: NDArray[np.bool_] | None) -> Integers:
    """Return (n,) the place of each sorted sample in its stream's window, from 0.

    before: (k,) how many samples each run's window has already.  restart: (n,) whether the sample begins a
    new window; None: none does.
    """
    position = runs.spread(before) + runs.rank
    if restart is None or not restart.any():
        return position
    place = np.arange(len(restart))
    since = place - np.maximum.accumulate(np.where(restart, place, -1))  # the latest, of any run
    return np.where(since <= runs.rank, since, position)
