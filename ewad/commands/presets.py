"""`ewad presets`: the families of devices whose messages ewad knows."""

from __future__ import annotations

import itertools
import shutil

import click

from ewad.config import presets
from ewad.config.checks import nearest
from ewad.errors import ConfigError

MOST_COLUMNS = 120


@click.command("presets")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the presets of device families, or print the one of this NAME."""
    click.echo(listed() if name is None else shown(name))


def listed() -> str:
    """Return the names of all presets with the first sentence of their files, as wide as the terminal."""
    lines = click.HelpFormatter(width=min(shutil.get_terminal_size().columns, MOST_COLUMNS))
    lines.write_dl([(name, _sentence(name)) for name in presets.names()])
    return lines.getvalue().rstrip("\n")


def shown(name: str) -> str:
    """Return the file of a preset. Raises ConfigError."""
    if name not in presets.names():
        guess = nearest(name, presets.names()) or ";"
        raise ConfigError(f'unknown preset "{name}"{guess} known: {", ".join(presets.names())}')
    return presets.text(name)


def _sentence(name: str) -> str:
    comment = itertools.takewhile(lambda line: line.startswith("#"), presets.text(name).splitlines())
    words = " ".join(line.removeprefix("#").strip() for line in comment)
    return words.partition(". ")[0].rstrip(".") + "."
