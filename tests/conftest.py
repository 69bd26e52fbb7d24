"""Fixtures that several folders share."""

import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import core, settings

import fetch_uplot
import hatch_build
from ewad.cli import THREADS
from tests import components

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


# Nor do tests of the page, or of packages, run without the library that draws its charts (tests/npm.py).
try:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        fetch_uplot.fetch()
except fetch_uplot.CannotFetchError as _error:
    if os.environ.get("CI") == "true":
        raise
    print(f"the page has no charts: {_error}", file=sys.stderr)


# Property tests have the same examples in every run, unless EWAD_SEED is a number, or `fresh`: a number drawn
# here, where the workers of a parallel run inherit it. The number that was drawn replays the run.
SEED = "EWAD_SEED"
# No deadline: a machine may be busy.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("seeded", derandomize=False, database=None, deadline=None)
if os.environ.get(SEED) == "fresh":
    os.environ[SEED] = str(secrets.randbelow(2**32))
if SEED in os.environ:
    core.global_force_seed = int(os.environ[SEED])
settings.load_profile("seeded" if SEED in os.environ else "same")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say by which seed the property tests drew their examples."""
    if SEED in os.environ:
        terminalreporter.write_line(f"property tests: {SEED}={os.environ[SEED]} replays their examples")


@pytest.fixture(autouse=True)
def _logging_stays() -> Iterator[None]:
    """Leave the log as it was: commands that run in this process configure it for themselves."""
    loggers = logging.getLogger(), logging.getLogger("ewad")
    before = [(each, each.level, each.handlers[:]) for each in loggers]
    yield
    for each, level, handlers in before:
        each.setLevel(level)
        each.handlers[:] = handlers


@pytest.fixture(scope="session")
def promtool_check() -> Callable[[str], str]:
    """Return a function that runs `promtool check metrics` on a text and returns its complaints."""
    promtool = components.program("promtool", "Debian's prometheus")

    def check(text: str) -> str:
        command = [promtool, "check", "metrics"]
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60)
        return done.stderr.decode() + done.stdout.decode() if done.returncode else ""

    return check
