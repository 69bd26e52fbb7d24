"""State as arrays with one row per stream (or per model), never an object each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


class RowState:
    """Owner of arrays that share their first axis: attributes under the names given to `add_rows`."""

    def __init__(self, n_rows: int = 0) -> None:
        self.n_rows = n_rows
        self._fills: dict[str, ArrayLike] = {}

    def add_rows(self, name: str, *shape: int, dtype: DTypeLike = np.float64, fill: ArrayLike = 0) -> None:
        """Add the array `name` of rows of the given shape; new rows hold `fill`, a number or a row."""
        self._fills[name] = fill
        setattr(self, name, np.full((self.n_rows, *shape), fill, dtype=dtype))

    def set_fill(self, name: str, fill: ArrayLike) -> None:
        """Let new rows of the array `name` hold `fill`."""
        self._fills[name] = fill

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows rows, keeping those that are there."""
        for name, fill in self._fills.items():
            old = getattr(self, name)
            new = np.full((n_rows, *old.shape[1:]), fill, dtype=old.dtype)
            new[: self.n_rows] = old
            setattr(self, name, new)
        self.n_rows = n_rows

    def rows(self, n_rows: int) -> dict[str, NDArray[Any]]:
        """Return the first n_rows of every array, by name."""
        return {name: getattr(self, name)[:n_rows] for name in self._fills}

    def set_rows(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `rows` returned. Raises KeyError or ValueError where something does not fit."""
        for name in self._fills:
            mine, theirs = getattr(self, name), arrays[name]
            if theirs.shape[1:] != mine.shape[1:] or theirs.dtype != mine.dtype:
                got = f"{theirs.shape[1:]} {theirs.dtype}"
                raise ValueError(f"{name}: expected rows of {mine.shape[1:]} {mine.dtype}, got {got}")
            mine[: len(theirs)] = theirs
