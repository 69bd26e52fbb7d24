"""The configuration, read again: at SIGHUP, and if so set whenever its content has changed."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from ewad.config import Settings
from ewad.errors import ConfigError

log = logging.getLogger("ewad.daemon")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no garbage meanwhile: among ten thousand blocks that holds up the event loop."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Configured(Protocol):
    """What is set by a configuration."""

    settings: Settings
    reload_successful: bool

    async def apply(self, settings: Settings) -> None:
        """Go on with other settings. Raises ConfigError, the old ones in force, if they can't be used."""
        ...


class Reloader:
    """Reads the settings again by `load`, which may raise ConfigError, and applies them one after another."""

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load = load
        self._asked = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._read: Settings | None = None  # at the last attempt that could be read
        self._told = ""  # why the last attempt failed

    def ask(self) -> None:
        """Have the settings read again, whether they have changed or not."""
        self._asked.set()

    async def run(self, target: Configured) -> None:
        """Reload whenever asked, or due, until cancelled."""
        self._read = target.settings
        while True:
            await self._due(target.settings.reload.poll_seconds)
            asked = self._asked.is_set()
            self._asked.clear()
            with suppress(ConfigError):  # told by then
                await self.reload(target, asked)

    async def _due(self, poll_seconds: float | None) -> None:
        try:
            async with asyncio.timeout(poll_seconds):
                await self._asked.wait()
        except TimeoutError:
            return

    async def change(self, target: Configured, change: Callable[[Settings], Settings]) -> None:
        """Apply what differs from the settings in force, until they are read again. Raises ConfigError."""
        async with self._one_at_a_time:
            await target.apply(change(target.settings))

    async def reload(self, target: Configured, asked: bool) -> None:
        """Read and apply the settings, if they have changed or it is asked. Raises ConfigError, told then."""
        async with self._one_at_a_time:
            try:
                with _no_collection():
                    settings = await asyncio.to_thread(self._load)
                    if settings == self._read and not asked and not self._told:
                        return
                    self._read = settings
                    await target.apply(settings)
                    # What a reload makes lasts. What it replaces is gone: nothing of it is in a circle.
                    gc.freeze()
            except ConfigError as error:
                target.reload_successful = False
                if asked or str(error) != self._told:
                    log.warning("reload failed, the old configuration stays in force error=%s", error)
                self._told = str(error)
                raise
            self._told = ""
            target.reload_successful = True
            log.info("reloaded: the configuration is in force")
