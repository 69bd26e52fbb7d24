"""make demo: what it installs is what running needs."""

import subprocess
from pathlib import Path

from tests import components

ROOT = Path(__file__).parents[2]


def commands(target):
    """Return what make would do for a target where nothing is installed."""
    components.program("make", "Debian's package of that name")
    command = ["make", "--dry-run", "--always-make", "VENV=/nowhere", target]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def pins(name):
    lines = (ROOT / name).read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith(" ")}


def test_the_demo_needs_no_development_tools():
    demo = commands("demo")
    assert "-r requirements-demo.txt" in demo
    assert "requirements-dev.txt" not in demo
    assert demo.count("Setting up") == 3  # it says how far it is


def test_the_library_of_the_page_is_fetched_while_pip_installs():
    demo = commands("demo")
    assert "fetch_uplot.py > /dev/null & page=$!" in demo
    assert demo.index("fetch_uplot.py") < demo.index("-r requirements-demo.txt") < demo.index("wait $page")


def test_the_tests_bring_the_development_tools():
    assert "-r requirements-dev.txt" in commands("test")


def test_the_demo_runs_on_what_the_tests_run_on():
    assert pins("requirements-demo.txt") <= pins("requirements-dev.txt")
