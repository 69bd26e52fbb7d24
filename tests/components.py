"""What tests need beside Python and ewad. Where it is missing a test is skipped; in CI it fails."""

import importlib
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where CI=true."""
    import pytest

    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def program(name: str, source: str) -> str:
    """Return the path of a program, beside this Python or on the PATH.  source: what brings it."""
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    return found or missing(f"{name} isn't installed: {source} has it")


def module(name: str, source: str = "make test") -> ModuleType:
    """Import a module.  source: what brings it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"{name} isn't installed: {source} has it")
