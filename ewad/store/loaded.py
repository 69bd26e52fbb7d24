"""What a log says of a state that did not fit as a whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ewad.engine import Loaded

TOLD_LINES = 100  # of each kind; ten thousand would hold up the event loop


def tell(log: logging.Logger, loaded: Loaded) -> None:
    """Log what is to be known of a state, and what was dropped; where there are many lines, the first."""
    for note in _first(loaded.notes):
        log.info("%s", note)
    for dropped in _first(loaded.dropped):
        log.warning("state dropped: %s", dropped, extra={"bounded": True})


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:TOLD_LINES]
    if len(lines) > TOLD_LINES:
        yield f"and {len(lines) - TOLD_LINES} more"
