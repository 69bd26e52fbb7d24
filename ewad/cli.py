"""The command line: finds the command in ewad/commands, and ends with what came of it."""

from __future__ import annotations

import difflib
import importlib
import os
import sys

import click

from ewad import __version__
from ewad.commands.examples import epilog
from ewad.errors import ConfigError, EwadError

DONE, FAILED, USAGE = 0, 1, 2

# Linear algebra in several threads makes a sample of a network ten times as dear where cores are shared. Read
# when numpy is loaded, which is later.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

# In the order of the help, with the first line of each command's own. `a-b` is `command` in commands/a_b.py,
# which is imported when it is called: `ewad --help` needs nothing of what they need.
COMMANDS = {
    "demo": "Show it all at work: a broker of its own, sensors that have their troubles, the daemon.",
    "run": "Run the daemon.",
    "gateway": "Write the samples of MQTT messages to a durable log, from which shards read them.",
    "spark": "Apply the log of a gateway to shards on Apache Spark.",
    "init": "Look at a broker for a while, and write a configuration for what its devices send.",
    "check": "Say whether a configuration is valid, and what it comes to.",
    "explain": "Say what becomes of a message: block, labels, value - or why it is rejected.",
    "presets": "List the presets of device families, or print the one of this NAME.",
    "schema": "Print the JSON schema of ewad.toml, by which editors complete and check it.",
    "replay": "Put files through the engine, as if their samples came in live; - is standard input.",
    "train": "Train a model on files, with several optimizers side by side; - is standard input.",
    "evaluate": "Measure forecasts on files, or folders of files, by a published protocol.",
    "state": "Look into the state file, also while the daemon runs.",
    "ctl": "Ask a running daemon for an action: reload, forget, normal, learning-rate.",
    "hash-password": "Print the line of http.users_file for user NAME.",
    "figures": "Draw the figures of the optimization course, computed by ewad itself.",
}


class Commands(click.Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ewad.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.epilog = epilog(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that args begin with. Raises click.UsageError that names the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f'unknown command "{name}"' + (f'; did you mean "{near[0]}"?' if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ewad")
def cli() -> None:
    """Smooth and forecast MQTT streams online; see the results in Prometheus."""


def main() -> None:
    """Run the command line; errors of ours end in a line or two on stderr, without a traceback."""
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    try:
        status = cli.main(prog_name="ewad", standalone_mode=False)
    except Exception as error:
        sys.exit(_failed(_first(error)))
    sys.exit(status or DONE)


def _first(error: Exception) -> Exception:
    """Return the error, or the first one of a group: tasks that run together fail together."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed(error: Exception) -> int:
    """Tell the error and return the exit status. Raises it if it is none of ours."""
    match error:
        case click.exceptions.Abort():
            return _told("interrupted", FAILED)
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return USAGE
        case click.UsageError(ctx=click.Context() as context):
            return _told(f"{error.format_message()}\ntry: {context.command_path} --help", USAGE)
        case click.ClickException():
            return _told(error.format_message(), USAGE)
        case ConfigError():
            return _told(str(error), USAGE)
        case EwadError():
            return _told(str(error), FAILED)
        case MemoryError():
            return _told(f"out of memory: {error}", FAILED)
        case BrokenPipeError():
            # whoever read our output has gone: what is left of it has no reader
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _told("whoever read the output has closed it: nothing more to do", DONE)
    raise error


def _told(message: str, status: int) -> int:
    click.echo(f"ewad: {message}", err=True)
    return status
