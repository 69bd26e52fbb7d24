"""What a log says of a state that did not fit as a whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ewad.engine import Loaded

TOLD_LINES = 100  # of each kind; ten thousand would hold up the event loop
REMEDY = "; to keep it, set what was before again, and go on with the state file of then (.previous)"


def tell(log: logging.Logger, loaded: Loaded, *, remedy: str = REMEDY) -> None:
    """Log what is to be known of a state, and what was dropped; where there are many lines, the first.

    Of each group there is one line; at level debug there is one for each part. remedy: "" without a file.
    """
    for note in _first(loaded.notes):
        log.info("%s", note)
    lines = [f"{line}{remedy if undone else ''}" for line, undone in loaded.misfits]
    for line in _first(lines):
        log.warning("state dropped: %s", line, extra={"bounded": True})
    for part in _first(loaded.dropped):
        log.debug("state dropped: %s", part)


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:TOLD_LINES]
    if len(lines) > TOLD_LINES:
        yield f"and {len(lines) - TOLD_LINES} more"
