"""State as arrays with one row per stream (or per model), never an object each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ewad.kernels.memory import Floats

MIN_ROWS = 1  # a row may be large: that of a model of 3,000 lags takes 72 MB


class Kernel(Protocol):
    """What takes steps on arrays of rows that somebody else owns."""

    @property
    def bind(self) -> Callable[..., None]:
        """Called with the arrays by name, whenever they have moved."""


class RowState:
    """Owner of arrays that share their first axis: attributes under the names given to `add_rows`."""

    def __init__(self, n_rows: int = 0) -> None:
        self.n_rows = n_rows
        self._fills: dict[str, ArrayLike] = {}
        self.kernel: Kernel | None = None

    def work_with(self, kernel: Kernel) -> None:
        """Let a kernel work on the arrays, those added so far, from now on, wherever they may move to.

        The kernel knows their addresses alone: it must not be asked for anything when this owner is gone.
        """
        self.kernel = kernel
        self._bind()

    def add_rows(self, name: str, *shape: int, dtype: DTypeLike = np.float64, fill: ArrayLike = 0) -> None:
        """Add the array `name` of rows of the given shape; new rows hold `fill`, a number or a row."""
        self._fills[name] = fill
        setattr(self, name, _filled((self.n_rows, *shape), fill, dtype))

    def set_fill(self, name: str, fill: ArrayLike) -> None:
        """Let new rows of the array `name` hold `fill`."""
        self._fills[name] = fill

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows rows, keeping those that are there."""
        for name, fill in self._fills.items():
            old = getattr(self, name)
            new = _filled((n_rows, *old.shape[1:]), fill, old.dtype)
            new[: self.n_rows] = old
            setattr(self, name, new)
        self.n_rows = n_rows
        self._bind()

    def remove(self, removal: Removal) -> None:
        """Let rows go: others take their places, and memory is given back if little of it is still used."""
        for name, fill in self._fills.items():
            self._move(name, fill, removal)
            if removal.room < self.n_rows:
                self._shorten(name, removal.room)
        self.n_rows = removal.room
        self._bind()

    def _move(self, name: str, fill: ArrayLike, removal: Removal) -> None:
        rows = getattr(self, name)
        rows[removal.holes] = rows[removal.movers]
        rows[removal.left : removal.used] = fill

    def _shorten(self, name: str, n_rows: int) -> None:
        """Let the array have its first n_rows, where it is: a copy of 1,000 streams of `auto` takes 0.1 s."""
        shape = n_rows, *getattr(self, name).shape[1:]
        try:
            getattr(self, name).resize(shape)
        except ValueError:  # somebody else has it, such as an interpreted kernel
            setattr(self, name, getattr(self, name)[:n_rows].copy())

    def _bind(self) -> None:
        if self.kernel is not None:
            self.kernel.bind(**{name: getattr(self, name) for name in self._fills})

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Move the Unix times among the arrays by so many seconds, none past now; here there are none.

        newest: (n_rows,) the time of each row's last sample, moved already.
        """

    def rows(self, n_rows: int) -> dict[str, NDArray[Any]]:
        """Return the first n_rows of every array, by name."""
        return {name: getattr(self, name)[:n_rows] for name in self._fills}

    def part(self, kind: str, meaning: str, n_rows: int, *names: str) -> Part:
        """Return the part of the first n_rows of these arrays; of all arrays if none is named."""
        return Part(kind, meaning, self, n_rows, names or tuple(self._fills))


def _filled(shape: tuple[int, ...], fill: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """Return new rows. Zeros take no memory before they are written to."""
    if np.ndim(fill) == 0 and not fill:
        return np.zeros(shape, dtype)
    return np.full(shape, fill, dtype)


class Removal(NamedTuple):
    """How rows leave: each of movers takes the place of one of holes, and of the `used` rows the first `left`
    stay in use.

    room: for how many rows there is memory then.
    """

    holes: NDArray[np.int64]
    movers: NDArray[np.int64]
    left: int
    used: int
    room: int

    @classmethod
    def of(cls, rows: NDArray[np.int64], used: int, n_rows: int) -> Removal:
        """Return how to remove these rows, ascending, of the first `used` of n_rows."""
        left = used - len(rows)
        tail = np.setdiff1d(np.arange(left, used), rows, assume_unique=True)
        room = max(MIN_ROWS, 2 * left) if 4 * left < n_rows else n_rows
        return cls(rows[rows < left], tail, left, used, min(room, n_rows))


class Part(NamedTuple):
    """Some arrays of one owner, as a state keeps them: numbers of the same kind and meaning fit each other.

    names: of the arrays; n_rows: how many rows of each are in use.  fit: makes dumped arrays, by name, fit
    the owner's shapes, where that can be done.  shared: a row is a model that all streams use.
    """

    kind: str
    meaning: str
    owner: RowState
    n_rows: int
    names: tuple[str, ...]
    fit: Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]] = lambda arrays: arrays
    shared: bool = False

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return views of the rows in use, by name."""
        return {name: getattr(self.owner, name)[: self.n_rows] for name in self.names}

    def put(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `arrays` returned. Raises KeyError or ValueError where something does not fit."""
        fitted = self.fit({name: arrays[name] for name in self.names})
        for name, mine in self.arrays().items():
            theirs = fitted[name]
            if theirs.shape != mine.shape or theirs.dtype != mine.dtype:
                got = f"{theirs.shape} {theirs.dtype}"
                raise ValueError(f"{name}: expected {mine.shape} {mine.dtype}, got {got}")
            mine[...] = theirs
