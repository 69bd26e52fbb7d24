"""Models that come alone: a batch whose samples are all of one model needs no axes for others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ewad.engine.rounds import Members, Rounds
from ewad.numeric.recurrence import Floats, Integers
from ewad.numeric.rows import Removal, RowState

# So many models keep what is bound to their rows: about as much as two more copies of their parameters, and a
# recursive one's covariance.
MAX_BOUND = 64
_ALL = slice(None)


class Alone(Protocol):
    """What serves one model, bound to its row: views, buffers and functions of its own."""

    def predict(self, X: Floats, /) -> Floats:
        """Return Y: (m, n_y) by the parameters as they stand."""


Kind = TypeVar("Kind", bound=Alone)


class LearnsAlone(RowState, ABC, Generic[Kind]):
    """Rows of models that learn in mini-batches, and the way of those that come alone.

    n_outputs: of each model.  batch_size: examples in a mini-batch.  collected: (n_models,) examples in the
    unfinished one.
    """

    n_outputs: int
    batch_size: int
    collected: NDArray[np.int64]

    def __init__(self, n_models: int, n_outputs: int, batch_size: int) -> None:
        super().__init__(n_models)
        self.n_outputs, self.batch_size = n_outputs, batch_size
        self.add_rows("collected", dtype=np.int64)
        self._bound: dict[int, Kind] = {}

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows models."""
        super().grow(n_rows)
        self._bound.clear()

    def remove(self, removal: Removal) -> None:
        """Let models go."""
        super().remove(removal)
        self._bound.clear()

    @abstractmethod
    def bind(self, row: int) -> Kind:
        """Return what serves the model of a row, made anew."""

    @abstractmethod
    def take(self, row: int, one: Kind, X: Floats, Y: Floats) -> None:
        """Learn from examples of one mini-batch, at least one; take a step if they complete it."""

    def learn_alone(
        self,
        row: int,
        ready: NDArray[np.bool_],
        X: Floats,
        Y: Floats,
        X_now: Floats,
        tell: Callable[[Members], None] | None = None,
    ) -> Floats:
        """Forecast after, and learn from, each sample of one model; return forecasts (n, n_outputs).

        The arguments are those of `learn`.  tell: called with the samples that are forecast by the parameters
        that stand at that moment.
        """
        one = self._alone(row)
        if len(ready) == 1:
            if ready[0]:
                self.take(row, one, X, Y)
            if tell is not None:
                tell(_ALL)
            return one.predict(X_now)
        forecast = np.empty((len(ready), self.n_outputs))
        for now, past, _ in Rounds.of_one_model(ready, self.collected.item(row), self.batch_size).rounds:
            if now is not None:
                forecast[now] = one.predict(X_now[now])
                if tell is not None:
                    tell(now)
            if past is not None:
                self.take(row, one, X[past], Y[past])
        return forecast

    def _alone(self, row: int) -> Kind:
        """Return what serves the model of a row."""
        one = self._bound.get(row)
        if one is None:
            if len(self._bound) == MAX_BOUND:
                self._bound.popitem()  # the latest: of more models that take turns, most stay
            one = self._bound[row] = self.bind(row)
        return one


def is_of_one(model: Integers) -> bool:
    """Return whether these samples, of ascending models, are all of one."""
    return bool(model[0] == model[-1])
