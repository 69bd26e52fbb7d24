"""`ewad presets`: the families of devices whose messages ewad knows."""

from __future__ import annotations

import click

from ewad.config import presets
from ewad.config.checks import nearest
from ewad.errors import ConfigError


@click.command("presets")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the presets of device families, or print the one of this NAME."""
    click.echo(listed() if name is None else shown(name))


def listed() -> str:
    """Return the names of all presets with the first words of their files."""
    width = max(map(len, presets.names()))
    return "\n".join(f"{name:{width}}  {_title(name)}" for name in presets.names())


def shown(name: str) -> str:
    """Return the file of a preset. Raises ConfigError."""
    if name not in presets.names():
        guess = nearest(name, presets.names()) or ";"
        raise ConfigError(f'unknown preset "{name}"{guess} known: {", ".join(presets.names())}')
    return presets.text(name)


def _title(name: str) -> str:
    return presets.text(name).partition("\n")[0].removeprefix("# ")
