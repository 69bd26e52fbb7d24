"""What every format makes of a payload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ewad.ingest.topics import Labels


class Point(NamedTuple):
    """A document that fields are read from.

    labels: what the format itself says of whose it is.  time: Unix seconds, if the format itself says when.
    """

    document: Any
    labels: Labels = ()
    time: float | None = None


# (topic, payload) -> points. Raises DecodeError.
ReadPoints = Callable[[str, bytes], Sequence[Point]]
