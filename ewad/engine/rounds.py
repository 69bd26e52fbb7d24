"""The rounds of a batch: what each model sees and learns between one step and the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Integers

Members = slice | Integers
_ALL = slice(None)


class Rounds:
    """The samples of a batch, split where models have collected a whole mini-batch of examples.

    Iterating yields, for each round, the samples whose forecasts the parameters of that round make, the
    samples that complete an example in it, and the places in `models` of those that end it with a step.

    models: (k,) ascending.  steps: (k,) how many each takes.  n: the number of rounds.
    run, now: (n_samples,) the place in `models` of each sample's, and the round that makes its forecast.
    place: (n_samples,) of an example in its mini-batch, without meaning for a sample that completes none.
    left: (k,) examples of the unfinished mini-batch.
    """

    def __init__(
        self, model: Integers, ready: NDArray[np.bool_], collected: NDArray[np.int64], size: int
    ) -> None:
        """model: (n,) ascending, n >= 1.  ready: (n,).  collected: (n_models,) examples waiting before."""
        self.models, length = runs_of(model)
        self.run = np.repeat(np.arange(len(length)), length)
        end = np.cumsum(length) - 1
        start = end - length + 1
        seen = np.cumsum(ready)
        before = collected[self.models] - (seen[start] - ready[start])
        done = seen + before[self.run]  # examples since the model's last step, with this one
        self.steps = done[end] // size
        self.place = (done - 1) % size
        self.left = done[end] - size * self.steps
        self.n = int(self.steps.max()) + 1
        self.now = done // size
        self._ready = np.flatnonzero(ready)
        self._past = (done[self._ready] - 1) // size

    def __iter__(self) -> Iterator[tuple[Members, Members, Members]]:
        now = _by_round(np.arange(len(self.now)), self.now, self.n)
        past = _by_round(self._ready, self._past, self.n)
        fewest = int(self.steps.min())
        for i, (forecast, learn) in enumerate(zip(now, past, strict=True)):
            yield forecast, learn, _ALL if i < fewest else np.flatnonzero(self.steps > i)


def runs_of(model: Integers) -> tuple[Integers, Integers]:
    """Return the models, ascending as they come, and the length of the run of each.  model: (n,), n >= 1."""
    if model[0] == model[-1]:
        return model[:1], np.array([len(model)])
    start = np.append(0, np.flatnonzero(model[1:] != model[:-1]) + 1)
    return model[start], np.append(start[1:], len(model)) - start


def rows_of(models: Integers) -> Members:
    """Return an index of these rows, ascending; where they lie side by side a slice, which copies nothing."""
    first, n = int(models[0]), len(models)
    return slice(first, first + n) if int(models[-1]) - first == n - 1 else models


def _by_round(members: Integers, round_of: Integers, n_rounds: int) -> Iterator[Members]:
    """Yield the members of each round, in their order; as slices where they lie side by side."""
    if np.all(round_of[1:] >= round_of[:-1]):
        order = members
    else:
        stable = np.argsort(round_of, kind="stable")
        order, round_of = members[stable], round_of[stable]
    bounds = np.searchsorted(round_of, np.arange(n_rounds + 1)).tolist()
    first = int(order[0]) if len(order) else 0
    side_by_side = order is members and len(order) > 0 and int(order[-1]) - first == len(order) - 1
    for a, z in pairwise(bounds):
        yield slice(first + a, first + z) if side_by_side else order[a:z]
