"""A real browser for tests: Debian's Chromium, headless, driven over its debugging protocol."""

import os

import pytest

from ewad.demonstration.browser import browser, chromium

__all__ = ["browser", "require_chromium"]


def require_chromium():
    """Skip the test where there is no Chromium, or fail it where CI=true."""
    if chromium() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("chromium isn't installed")
