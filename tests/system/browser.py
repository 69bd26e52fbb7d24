"""A real browser for tests: Debian's Chromium, headless, driven over its debugging protocol.

One process serves all tests of a worker: to start it costs more than most of them.
"""

import atexit
import functools
import subprocess
import tempfile
from contextlib import asynccontextmanager

from ewad.demonstration.browser import chromium, command, listening, new_tab
from tests import components
from tests.system.polling import until


def require_chromium():
    """Skip the test where there is no Chromium, or fail it where CI=true."""
    if chromium() is None:
        components.missing("chromium isn't installed")


@asynccontextmanager
async def browser():
    """Yield an empty tab."""
    async with new_tab(_port()) as tab:
        yield tab


@functools.cache
def _port() -> int:
    """Start Chromium, until this process ends; return where it listens."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command(folder.name), stdout=quiet, stderr=quiet)

    def end() -> None:
        process.terminate()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    return until(lambda: listening(folder.name), "chromium did not start")
