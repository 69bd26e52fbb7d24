"""Waiting for a condition that has no event of its own: polled, with a bound that only failures reach."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Found = TypeVar("Found")
LIMIT_SECONDS = 90.0
PAUSE_SECONDS = 0.03


def until(
    condition: Callable[[], Found], what: Callable[[], str] | str = "", limit_seconds: float = LIMIT_SECONDS
) -> Found:
    """Return the condition's first true value. Fails with `what` after limit_seconds."""
    deadline = time.monotonic() + limit_seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            told = what if isinstance(what, str) else what()
            pytest.fail(f"not within {limit_seconds:g} s: {told}")
        time.sleep(PAUSE_SECONDS)
    return found
