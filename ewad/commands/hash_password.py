"""`ewad hash-password`: a line of http.users_file."""

from __future__ import annotations

import sys

import click

from ewad.config.passwords import PasswordHash
from ewad.errors import ConfigError


@click.command("hash-password")
@click.argument("name")
def command(name: str) -> None:
    """Print the line of http.users_file for user NAME.

    The password is asked for, or read from standard input.
    """
    if not name.isprintable() or not name.strip() or ":" in name or name != name.strip() or name[0] == "#":
        raise ConfigError("NAME: expected a name without colon, such as prometheus")
    click.echo(f"{name}:{PasswordHash.of(_new_password()).text()}")


def _new_password() -> str:
    """Return the password that is typed twice, or else the first line of stdin. Raises ConfigError."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("expected a password on stdin, got an empty line")
    return password
