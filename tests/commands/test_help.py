"""The help: whole sentences, examples that can be called, and a guess where a name is unknown."""

import re
import shlex

import click
import pytest

from ewad.cli import COMMANDS, cli
from ewad.commands.examples import EXAMPLES
from tests.console import ewad
from tests.docs.test_pages import can_be_called

LINES = [line for lines in EXAMPLES.values() for line in lines]


def all_commands(group):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield command
        if isinstance(command, click.Group):
            yield from all_commands(command)


PARAMETERS = [
    (command.name, each)
    for command in all_commands(cli)
    for each in command.params
    if isinstance(each, click.Option)
]


@pytest.mark.parametrize(
    ("command", "option"), PARAMETERS, ids=[f"{name}-{option.name}" for name, option in PARAMETERS]
)
def test_an_option_says_what_it_does_in_a_sentence(command, option):
    assert re.fullmatch(r"[A-Z].*[.;)]?\.", option.help or ""), option.help


def test_every_command_has_examples():
    assert set(EXAMPLES) == set(COMMANDS), "ewad/commands/examples.py"


@pytest.mark.parametrize("line", LINES)
def test_an_example_can_be_called(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(line.partition(" >")[0])
    assert program == "ewad"
    can_be_called(arguments)


def test_help_shows_the_examples_as_they_are_typed():
    done = ewad("run", "--help")
    assert done.returncode == 0
    assert f"  Examples:\n    {EXAMPLES['run'][0]}\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rnu",), 'ewad: unknown command "rnu"; did you mean "run"?'),
        (("xyzzy",), 'ewad: unknown command "xyzzy"'),
        (("state", "shw"), "ewad: No such command 'shw'. Did you mean 'show'?"),
        (("run", "--tpic", "x"), "ewad: No such option '--tpic'. Did you mean '--topic'?"),
    ],
)
def test_an_unknown_word_is_told_with_the_nearest(arguments, said):
    done = ewad(*arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == said
    assert done.stderr.splitlines()[1].startswith("try: ")


def test_completion_offers_the_commands():
    words = {"_EWAD_COMPLETE": "bash_complete", "COMP_WORDS": "ewad ex", "COMP_CWORD": "1"}
    done = ewad(**words)
    assert "plain,explain" in done.stdout.split()
