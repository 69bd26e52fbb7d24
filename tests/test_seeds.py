"""Property tests: the same examples in each run, others when asked, and those again by their seed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.daemon import environment

PROPERTY = """
from hypothesis import given, settings, strategies as st

@settings(max_examples=5)
@given(st.integers(0, 2**62))
def test_some(number):
    print("drawn", number)
"""


@pytest.fixture
def examples(tmp_path: Path):
    """Return a function that runs a property test with these variables: what it drew, and what was told."""
    (tmp_path / "test_some.py").write_text(PROPERTY)

    def run(**environ: str) -> tuple[list[str], str]:
        command = [sys.executable, "-m", "pytest", "-s", "-p", "tests.conftest", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, f"--rootdir={tmp_path}", "test_some.py"],
            capture_output=True, text=True, timeout=60, cwd=tmp_path,
            env=environment(PYTHONPATH=str(Path(__file__).parents[1]), **environ),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"drawn (\d+)", done.stdout), done.stdout

    return run


@pytest.mark.slow
def test_examples_are_the_same_unless_a_seed_is_given(examples) -> None:
    first, said = examples()
    assert examples()[0] == first
    assert "EWAD_SEED" not in said


@pytest.mark.slow
def test_a_fresh_seed_is_told_and_replays_its_examples(examples) -> None:
    fresh, said = examples(EWAD_SEED="fresh")
    (seed,) = re.findall(r"EWAD_SEED=(\d+)", said)
    assert examples(EWAD_SEED=seed)[0] == fresh
    assert examples(EWAD_SEED=str(int(seed) + 1))[0] != fresh
