"""What the pages show works: configurations are valid, commands print what is shown or can be called."""

import re
import shlex
import shutil
import subprocess
import textwrap
from contextlib import suppress

import click
import pytest

from ewad.cli import cli
from tests.console import ewad
from tests.docs.pages import ROOT, blocks, commands, configurations, fits

PAGES = sorted((ROOT / "docs").rglob("*.md"))
OTHERS = [ROOT / "README.md", ROOT / "samples" / "README.md", *sorted(ROOT.glob("deploy/*/README.md"))]
INDENTED = re.compile(r"^(?: {4,}|\t)(?:\$ )?(?:EWAD_\S+ )*((?:[\w/~.]+/)?ewad .*)$", re.MULTILINE)
APART = {"formats.md"}  # has a test of its own
CONFIGURATIONS = [(page, text) for page in PAGES for text in configurations(page)]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATIONS += [
    (ROOT / "README.md", text)
    for text in re.findall(r"\n\n((?:    .*\n|\n)*?    \[mqtt\]\n(?:    .*\n|\n(?=    ))+)", README)
]
CONSOLE = {page: list(commands(page)) for page in PAGES if page.name not in APART}
SHELL = [(page, text) for page in PAGES for language, text in blocks(page) if language == "sh"]


def named(value):
    return value.stem if hasattr(value, "stem") else None


@pytest.mark.parametrize(("page", "text"), CONFIGURATIONS, ids=named)
def test_a_configuration_is_valid(page, text, tmp_path):
    (tmp_path / "ewad.toml").write_text(textwrap.dedent(text))
    done = ewad("check", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in CONSOLE if CONSOLE[page]], ids=named)
def test_the_commands_of_a_page_print_what_is_shown(page, tmp_path):
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    for command in CONSOLE[page]:
        if command.config:
            (tmp_path / "ewad.toml").write_text(command.config)
        program, *arguments = shlex.split(command.line, comments=True)
        assert program == "ewad"
        done = ewad(*arguments, cwd=tmp_path)
        printed = (done.stdout + done.stderr).strip()
        assert fits(command.output, printed), f"{command.line}\n{printed}"
        nothing = "rejected" in command.output or ("left alone" in printed and "value: " not in printed)
        assert done.returncode == int(nothing), command.line


@pytest.mark.parametrize(("page", "text"), SHELL, ids=named)
def test_a_block_for_a_shell_can_be_read_by_one_and_calls_ewad_as_it_is(page, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert subprocess.run(["bash", "-n"], input=text, text=True, timeout=60).returncode == 0
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.partition(" | ")[0], comments=True)
        while words and ("=" in words[0] or words[0] in ("sudo", "uvx")):
            words = words[1:]
        if words[:1] == ["ewad"]:
            can_be_called(words[1:])


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=named)
def test_commands_in_indented_blocks_can_be_called(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in INDENTED.findall(page.read_text(encoding="utf-8")):
        words = shlex.split(re.split(r" (?:\|{1,2}|>{1,2}|&&) ", line)[0], comments=True)
        if not re.search(r"\[OPTIONS\]|\.\.\.", line):  # how a command is called; an ellipsis
            can_be_called(words[1:])


def can_be_called(arguments):
    """Parse the arguments as the command does, without calling it. Raises click.UsageError."""
    command, name = cli, "ewad"
    while isinstance(command, click.Group):
        with suppress(click.exceptions.Exit), command.make_context(name, list(arguments)) as context:
            rest = [*context._protected_args, *context.args]
            name, command, arguments = command.resolve_command(context, rest)
            continue
        return  # --version, --help
    with command.make_context(name, list(arguments)):
        pass


def test_the_guides_have_what_is_tested():
    assert len(CONFIGURATIONS) > 15
    assert sum(map(len, CONSOLE.values())) > 15
    assert len(SHELL) > 5


def test_the_tutorial_installs_what_reads_files_before_it_reads_one():
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert 0 < page.find("pip install -e '.[all]'") < page.find("ewad replay ")


def test_the_guide_to_kubernetes_makes_the_namespace_before_what_is_in_it():
    page = (ROOT / "docs" / "howto" / "kubernetes.md").read_text(encoding="utf-8")
    assert 0 < page.find("deploy/kubernetes/namespace.yaml") < page.find("create secret")
