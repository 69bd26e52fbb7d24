"""The rounds of a batch: what each model sees and learns between one step and the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.recurrence import Integers

Members = slice | Integers
_ALL = slice(None)
_ONE = np.ones(1, dtype=np.int64)
_ONE.flags.writeable = False


class Round(NamedTuple):
    """What happens between one step and the next.

    now: the samples whose forecasts the parameters of this round make.  past: those that complete an example
    in it.  stepping: the places of the models that end it with a step.  None: there are none.
    """

    now: Members | None
    past: Members | None
    stepping: Members | None


class Rounds:
    """The samples of a batch, split where models have collected a whole mini-batch of examples.

    steps: (k,) how many each model takes.  n: the number of rounds.  rounds: those, in turn.
    run, now: (n_samples,) the place of each sample's model, and the round that makes its forecast.
    place: (n_samples,) of an example in its mini-batch, without meaning for a sample that completes none.
    left: (k,) examples of the unfinished mini-batch.
    """

    def __init__(
        self, length: Integers, ready: NDArray[np.bool_], before: NDArray[np.int64], size: int
    ) -> None:
        """length: (k,) how many of the sorted samples are each model's, all positive.  ready: (n_samples,).
        before: (k,) examples waiting.  size: of a mini-batch.
        """
        self.run = np.repeat(np.arange(len(length)), length)
        end = np.cumsum(length) - 1
        start = end - length + 1
        seen = np.cumsum(ready)
        done = seen + (before - (seen[start] - ready[start]))[self.run]  # since the model's last step
        self.steps = done[end] // size
        self.place = (done - 1) % size
        self.left = done[end] - size * self.steps
        self.n = int(self.steps.max()) + 1
        self.now = done // size
        examples = np.flatnonzero(ready)
        now = _by_round(np.arange(len(done)), self.now, self.n)
        past = _by_round(examples, (done[examples] - 1) // size, self.n)
        self.rounds = [Round(*members) for members in zip(now, past, self._stepping(), strict=True)]

    @classmethod
    def of_one_model(cls, ready: NDArray[np.bool_], before: int, size: int) -> Rounds:
        """Return the rounds of samples that are all of one model."""
        return cls(np.array([len(ready)]), ready, np.array([before]), size)

    def _stepping(self) -> Iterator[Members | None]:
        fewest = int(self.steps.min())
        for i in range(self.n - 1):
            yield _ALL if i < fewest else np.flatnonzero(self.steps > i)
        yield None


def runs_of(model: Integers) -> tuple[Integers, Integers]:
    """Return the models, ascending as they come, and the length of the run of each.  model: (n,), n >= 1."""
    if len(model) == 1:
        return model, _ONE
    if model[0] == model[-1]:
        return model[:1], np.array([len(model)])
    start = np.append(0, np.flatnonzero(model[1:] != model[:-1]) + 1)
    return model[start], np.append(start[1:], len(model)) - start


def _by_round(members: Integers, round_of: Integers, n_rounds: int) -> Iterator[Members | None]:
    """Yield the members of each round, in their order, as slices where they lie side by side; None: none."""
    if np.all(round_of[1:] >= round_of[:-1]):
        order = members
    else:
        stable = np.argsort(round_of, kind="stable")
        order, round_of = members[stable], round_of[stable]
    bounds = np.searchsorted(round_of, np.arange(n_rounds + 1)).tolist()
    first = int(order[0]) if len(order) else 0
    side_by_side = order is members and len(order) > 0 and int(order[-1]) - first == len(order) - 1
    for a, z in pairwise(bounds):
        if a == z:
            yield None
        else:
            yield slice(first + a, first + z) if side_by_side else order[a:z]
