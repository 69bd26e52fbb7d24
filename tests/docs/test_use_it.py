"""The commands that the README prints work in the order in which it prints them, in a fresh checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import components

ROOT = Path(__file__).parents[2]


def lists():
    """The lists of commands under "Use it", comments left out: one without a broker, one with."""
    use_it = (ROOT / "README.md").read_text(encoding="utf-8").split("## Use it\n")[1].split("\n## ")[0]
    blocks = [block for block in re.split(r"\n\n", use_it) if block.startswith("    ")]
    return [[line.split("  # ")[0].strip() for line in block.splitlines()] for block in blocks]


def test_there_is_a_list_for_those_without_a_broker_and_one_for_those_with():
    without, with_one = lists()
    assert [line for line in without if "run" in line or "--connect" in line] == []
    assert "ewad run" in with_one


@pytest.mark.slow
def test_the_commands_without_a_broker_work_in_their_order(tmp_path):
    components.module("matplotlib")
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    (tmp_path / "docs").mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EWAD_")}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    environ["PYTHONPATH"] = str(ROOT)  # this checkout, wherever the command was installed from
    script = "\n".join(["set -e", *lists()[0]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "# configuration is valid" in done.stdout
    assert done.stdout.endswith('stream: "site/kitchen/temperature" value: 21.4\n')
