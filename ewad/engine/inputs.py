"""The rows of what other streams of the group had: see `ewad.kernels.inputs`; and which those streams are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ewad.kernels.inputs import SHAPE, InputsKernel
from ewad.kernels.memory import Floats, Integers
from ewad.numeric.rows import Part, RowState

if TYPE_CHECKING:
    from ewad.engine.streams import Labels, Streams

LAGS, N_AVERAGES, N_OF_INPUT = SHAPE
_LABEL = re.compile(r"\{([^{}]*)\}")
# All that is of the state: links follow from the names of the streams.
_KEPT = ("last", "history", "sums", "weights", "square", "square_weight")


def name_of(template: str, labels: Labels) -> str | None:
    """Return the name that a template such as "weather/{room}" means for a stream of these labels.

    None if the stream lacks one of them.
    """
    known = dict(labels)
    if any(label not in known for label in _LABEL.findall(template)):
        return None
    return _LABEL.sub(lambda found: known[found[1]], template)


class Inputs(RowState):
    """The inputs of every stream; see `InputsKernel`.

    missing: names of inputs that no stream of the group has yet, with the rows and places that wait for each.
    """

    links: Integers
    last: Floats
    history: Floats
    sums: Floats
    weights: Floats
    square: Floats
    square_weight: Floats

    def __init__(self, templates: tuple[str, ...], base: int, ahead: int, n_streams: int = 0) -> None:
        """templates: names of streams, which may hold labels.  base, ahead: see `InputsKernel`."""
        super().__init__(n_streams)
        self._templates = templates
        n = len(templates)
        self.step = InputsKernel(n, base, ahead)
        depth = ahead + LAGS + 1
        self.add_rows("links", n, dtype=np.int64, fill=-1)
        self.add_rows("last", fill=np.nan)
        unknown = np.zeros((n, depth, 3))
        unknown[:, :, 0] = np.nan
        self.add_rows("history", n, depth, 3, fill=unknown)
        self.add_rows("sums", n, N_AVERAGES)
        self.add_rows("weights", n, N_AVERAGES)
        self.add_rows("square", n)
        self.add_rows("square_weight", n)
        self.work_with(self.step)
        self._streams: Streams | None = None
        self._linked = 0  # so many of its streams have their links
        self.missing: dict[str, list[tuple[int, int]]] = {}

    def link(self, streams: Streams) -> None:
        """Let every stream know the rows of its inputs; quick where nothing has changed."""
        if streams is not self._streams:  # some were forgotten, and others have moved
            self._streams, self._linked = streams, 0
            self.missing.clear()
            self.links[:] = -1
        for row in range(self._linked, len(streams)):
            self._link(streams, row)
        self._linked = len(streams)

    def _link(self, streams: Streams, row: int) -> None:
        for waiting, place in self.missing.pop(streams.names[row], ()):
            self.links[waiting, place] = row
        for place, name in self._wanted(streams.labels[row]):
            found = streams.find(name)
            if found is None or found > row:  # the latter has its turn soon
                self.missing.setdefault(name, []).append((row, place))
            elif found != row:  # no stream is its own input
                self.links[row, place] = found

    def _wanted(self, labels: Labels) -> Iterator[tuple[int, str]]:
        for place, template in enumerate(self._templates):
            if (name := name_of(template, labels)) is not None:
                yield place, name

    def parts(self, meaning: str, n_rows: int) -> list[Part]:
        """Return the parts of its state; meaning: which inputs they are."""
        return [self.part("inputs", meaning, n_rows, *_KEPT)._replace(fit=self._fit)]

    def _fit(self, arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return arrays of other horizons: what inputs had at the last samples is unknown, the rest stays."""
        theirs, mine = arrays["history"], self.history
        if theirs.shape[1:] == mine.shape[1:]:
            return arrays
        unknown = np.zeros((len(theirs), *mine.shape[1:]))
        unknown[..., 0] = np.nan
        return {**arrays, "history": unknown}
