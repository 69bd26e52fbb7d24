"""Fixtures that several folders share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import settings

import hatch_build
from ewad.cli import THREADS

for _variable in THREADS:  # as ewad has it, here before anything loads numpy
    os.environ.setdefault(_variable, "1")


# What has changed is compiled before any test imports it; where that can't be done, tests run interpreted.
try:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        hatch_build.build()
except hatch_build.CannotCompileError as _error:
    if os.environ.get("CI") == "true":
        raise
    print(f"the kernels are not compiled: {_error}", file=sys.stderr)


# The same examples in every run. HYPOTHESIS_PROFILE=default looks for others.
settings.register_profile("same", derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session")
def promtool_check() -> Callable[[str], str]:
    """Return a function that runs `promtool check metrics` on a text and returns its complaints."""
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: CI installs prometheus")
        pytest.skip("promtool is not installed (it comes with prometheus)")

    def check(text: str) -> str:
        command = [promtool, "check", "metrics"]
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60)
        return done.stderr.decode() + done.stdout.decode() if done.returncode else ""

    return check
