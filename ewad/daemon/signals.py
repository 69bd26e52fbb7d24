"""What SIGTERM, SIGINT and SIGHUP mean to the daemon, from its first instruction to its last.

Imported before all else: it needs next to nothing itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
Action = Callable[[], object]


def _leave() -> None:
    """End at once, with status 0: nothing has been received yet, and the state file bears it."""
    os._exit(0)


class Signals:
    """Until `hand_over` a stop ends the process at once, and a reload is remembered.

    Handlers stay installed all the while: asyncio's own would leave gaps in which a signal kills.
    """

    def __init__(self) -> None:
        self._reload_asked = False
        self._stop: Action = _leave
        self._reload: Action = self._remember

    def hold(self) -> None:
        """Take the signals from now on. To be called in the main thread."""
        for number in NUMBERS:
            signal.signal(number, self._take)

    def hand_over(self, stop: Action, reload: Action) -> None:
        """Do these from now on: stop at the first stop only, reload at once if one was asked for before."""
        self._stop, self._reload = stop, reload
        if self._reload_asked:
            self._reload_asked = False
            reload()

    def ignore(self) -> None:
        """Do nothing from now on, also while the interpreter ends: the exit status is decided."""
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload()
        else:
            stop, self._stop = self._stop, _nothing
            stop()

    def _remember(self) -> None:
        self._reload_asked = True


def _nothing() -> None:
    """Stop no more than once."""


SIGNALS = Signals()  # those of the process
