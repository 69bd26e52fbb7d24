"""The table of options: what is said of a key is true of it, wherever it is said."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ewad.config import effective, parse
from ewad.config.document import SECTIONS
from ewad.config.schema import json_schema
from tests import components

ROOT = Path(__file__).parents[2]
OPTIONS = [(section.table, option) for section in SECTIONS.values() for option in section.table.options]
each_option = pytest.mark.parametrize(
    ("table", "option"), OPTIONS, ids=[f"{table.title} {option.key}" for table, option in OPTIONS]
)


@each_option
def test_a_default_as_it_is_shown_is_the_one_that_holds(table, option):
    if option.raw_default is not None:
        assert option.kind(option.raw_default) == option.default


@each_option
def test_an_example_is_taken(table, option):
    if option.example is not None:
        option.kind(option.example)


@each_option
def test_a_key_says_what_it_does_in_sentences(table, option):
    assert re.fullmatch(r"[A-Z0-9].*\.", option.text)
    assert option.kind.words


DOCUMENT = """
[mqtt]
qos = 2
session_expiry = "1h30m"
[[stream]]
topic = "site/{room}/t"
format = "json"
field = { "a.b" = "x" }
window = [10, 50]
model = "m"
[[stream]]
name = "b"
topic = ["a", "b/#"]
half_life = "10m"
model = "auto"
[model.m]
schedule = { kind = "manual", rates = [[0, 0.1], [10, 0.01]] }
hidden = [8, 8]
every = "1m"
[state]
"""


def lint(text, folder):
    """Return what an editor's TOML checker has against a document, by the schema."""
    taplo = components.program("taplo", "make test")
    schema, document = folder / "schema.json", folder / "ewad.toml"
    schema.write_text(json.dumps(json_schema()))
    document.write_text(text)
    command = [taplo, "lint", "--colors", "never", "--schema", schema.as_uri(), str(document)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder)
    return done.stderr + done.stdout if done.returncode else ""


@pytest.mark.parametrize(
    "text", [DOCUMENT, (ROOT / "samples" / "quickstart.toml").read_text()], ids=["document", "quickstart"]
)
def test_what_ewad_reads_an_editor_takes_by_the_schema(text, tmp_path):
    assert lint(text, tmp_path) == ""
    assert lint(effective(parse(text, "ewad.toml", {})), tmp_path) == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("beta = 1.0", "1.0"),
        ("betta = 0.5", "'betta' was unexpected"),
        ('stale_after = "5 m"', "5 m"),
        ('format = "jsn"', "jsn"),
        ("[mqtt]\nqos = 3", "3 is greater than the maximum of 2"),
        ('[model.m]\nschedule = { kind = "constant", base = 0.5 }', "base"),
        ("[sate]", "'sate' was unexpected"),
    ],
)
def test_an_editor_finds_mistakes_by_the_schema(line, says, tmp_path):
    assert says in lint(f'[[stream]]\ntopic = "a"\n{line}\n', tmp_path)


ADDED = '    spare: Annotated[int, Option(integer(1, 9), "What is spared.", since="9.9.0")] = 7\n'
TRIED = """
from ewad.config import effective, parse
from ewad.config.schema import json_schema, markdown
base = {"stream": [{"topic": "a"}]}
assert parse(base, "x", {}).limits.spare == 7
assert parse(base | {"limits": {"spare": 3}}, "x", {}).limits.spare == 3
assert parse(base, "x", {"EWAD_LIMITS__SPARE": "4"}).limits.spare == 4
assert "spare = 7" in effective(parse(base, "x", {}))
assert json_schema()["properties"]["limits"]["properties"]["spare"]["maximum"] == 9
assert "| spare | integer in 1..9 | `7` | What is spared. Since 9.9.0. |" in markdown()
try:
    parse(base | {"limits": {"spare": 10}}, "ewad.toml", {})
except Exception as error:
    print(error)
"""


def test_an_option_is_added_by_one_line_in_one_file(tmp_path):
    shutil.copytree(ROOT / "ewad", tmp_path / "ewad", ignore=shutil.ignore_patterns("__pycache__"))
    module = tmp_path / "ewad" / "config" / "service.py"
    head, line, tail = module.read_text().partition("    max_streams: Annotated[")
    module.write_text(head + ADDED + line + tail)
    command = [sys.executable, "-c", TRIED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ewad.toml: limits.spare: must be in 1..9, got 10\n", "")
