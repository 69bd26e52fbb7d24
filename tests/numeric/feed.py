"""Feeds samples of arrays to kernels, one after another, as the engine does."""

from typing import NamedTuple

import numpy as np

from ewad.kernels.sample import Sample


class Believed(NamedTuple):
    """What was believed of each sample, (n,) each."""

    steady: np.ndarray
    expected: np.ndarray
    scale: np.ndarray
    evenness: np.ndarray


def believe(owner, stream, known, value):
    """Feed a RobustScale; stream, known, value: (n,)."""
    sample, found = Sample(1, 1, 1), []
    for row, here, x in zip(stream, known, value, strict=True):
        sample.row, sample.position, sample.value = int(row), int(here), float(x)
        owner.step.observe(sample)
        found.append((sample.steady, sample.expected, sample.scale, sample.evenness))
    return Believed(*np.array(found).reshape(-1, 4).T)


def seasons_before(owner, stream, time, number, position, value):
    """Feed Seasons; return what lies a season before, (n, n_horizons)."""
    sample, found = Sample(1, 1, 1), []
    for row, now, i, place, x in zip(stream, time, number, position, value, strict=True):
        sample.row, sample.time, sample.number, sample.position = int(row), float(now), int(i), int(place)
        sample.local, sample.steady, sample.scale = float(now), float(x), 1.0
        found.append(owner.step.observe(sample).copy())
    return np.array(found)


def weigh(owner, row, numbers, errors):
    """Feed a Hedge; errors: (n, n_horizons, n_experts); return the weights after each, alike."""
    found = np.empty(np.shape(errors))
    for k, number in enumerate(numbers):
        for i in range(found.shape[1]):
            missed = np.array(errors[k, i], dtype=float)
            found[k, i] = owner.step.observe(row, i, float(number), missed)
    return found


def calibrate(owner, row, numbers, times, evenness, promised, came, smallest=1e-9):
    """Feed a Calibration; promised, came: (n, n_horizons); return the shares after each."""
    sample, found = Sample(1, 1, 1), []
    for k, number in enumerate(numbers):
        sample.row, sample.number, sample.time = row, int(number), float(times[k])
        sample.evenness = evenness
        changes, moves = (np.array(each[k], dtype=float) for each in (promised, came))
        owner.step.observe(sample, changes, moves, smallest)
        found.append(owner.share[row].copy())
    return np.array(found)
