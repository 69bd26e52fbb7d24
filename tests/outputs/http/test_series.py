"""The page's pure functions by node's own runner of tests."""

import shutil
import subprocess
from pathlib import Path

from ewad.outputs.http.page import FOLDER
from tests import components


def test_the_series_of_a_chart(tmp_path):
    node = components.program("node", "Debian's package nodejs")
    for path in (*FOLDER.glob("*.js"), Path(__file__).parent / "series.test.mjs"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')  # older ones take .js for something else
    done = subprocess.run(
        [node, "series.test.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "many lines are told from each other" in done.stdout  # the last of them
