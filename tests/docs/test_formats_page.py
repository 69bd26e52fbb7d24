"""docs/reference/formats.md: what it shows is what comes out, for every format."""

import re
import shlex
from pathlib import Path

import pytest

from ewad.ingest.formats.table import FORMATS
from tests.console import ewad
from tests.ingest.formats.test_sparkplug import metric, payload

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"```toml\n(.*?)```\n```console\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    (config, *command.split("\n", 1))
    for config, console in SAMPLES
    for command in console.removeprefix("$ ").split("\n$ ")
]


@pytest.mark.parametrize(("config", "command", "output"), COMMANDS, ids=[c[1][:50] for c in COMMANDS])
def test_what_the_page_shows_is_what_comes_out(config, command, output, tmp_path):
    (tmp_path / "ewad.toml").write_text(config)
    (tmp_path / "birth.bin").write_bytes(
        payload(metric(name="Temperature", alias=1, kind=9, value=(12, ("<f", 21.5))))
    )
    done = ewad(*shlex.split(command)[1:], cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.strip() == output.strip()
    assert done.returncode == int("rejected" in output)


def test_the_page_has_every_format():
    assert set(FORMATS) <= set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE))
