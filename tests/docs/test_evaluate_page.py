"""What the page on evaluating shows is what the command prints; figures may move with the forecasts."""

import re
from pathlib import Path

from tests.console import ewad

ROOT = Path(__file__).parents[2]


def shape(text):
    """The words and the layout: any number is 0."""
    lines = (re.sub(r"\d[\d.,]*", "0", " ".join(line.split())) for line in text.splitlines())
    return [line for line in lines if line]


def test_the_example_is_what_the_command_prints():
    page = (ROOT / "docs" / "howto" / "evaluate.md").read_text(encoding="utf-8")
    command, _, shown = page.split("    $ ")[1].partition("\n")
    done = ewad(*command.split()[1:], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert shape(shown) == shape(done.stdout)
