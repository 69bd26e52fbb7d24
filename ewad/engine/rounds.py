"""The rounds of a batch: what each model sees and learns between one step and the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Integers

Members = slice | Integers


class Rounds:
    """The samples of a batch, split where models have collected a whole mini-batch of examples.

    Iterating yields, for each round, the samples whose forecasts the parameters of that round make, the
    samples that complete an example in it, and the models that end it with a step.

    models: (k,) ascending.  steps: (k,) how many each takes.  place: (n,) of an example in its mini-batch,
    without meaning for a sample that completes none.  left: (k,) examples of the unfinished mini-batch.
    """

    def __init__(
        self, model: Integers, ready: NDArray[np.bool_], collected: NDArray[np.int64], size: int
    ) -> None:
        """model: (n,) ascending, n >= 1.  ready: (n,).  collected: (n_models,) examples waiting before."""
        start = np.append(0, np.flatnonzero(model[1:] != model[:-1]) + 1)
        length = np.diff(start, append=len(model))
        end = start + length - 1
        self.models = model[start]
        seen = np.cumsum(ready)
        before = collected[self.models] - (seen[start] - ready[start])
        done = seen + np.repeat(before, length)  # examples since the model's last step, with this one
        self.steps = done[end] // size
        self.place = (done - 1) % size
        self.left = done[end] - size * self.steps
        self._n = int(self.steps.max()) + 1
        self._now = done // size
        self._ready = np.flatnonzero(ready)
        self._past = (done[self._ready] - 1) // size

    def __iter__(self) -> Iterator[tuple[Members, Members, Integers]]:
        now = by_round(np.arange(len(self._now)), self._now, self._n)
        past = by_round(self._ready, self._past, self._n)
        fewest = int(self.steps.min())
        for i, (forecast, learn) in enumerate(zip(now, past, strict=True)):
            yield forecast, learn, self.models if i < fewest else self.models[self.steps > i]


def by_round(members: Integers, round_of: Integers, n_rounds: int) -> Iterator[Members]:
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
