"""`ewad ctl`: asks a running daemon for an action, over HTTP."""

from __future__ import annotations

import base64
import http.client
import ssl
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from ewad.commands.options import CONFIG, settings_of
from ewad.config import Settings
from ewad.config.syntax import quoted
from ewad.errors import ConfigError, SourceError

SECONDS = 60.0  # a reload of ten thousand blocks takes some
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (asked, not listened, there)


@click.group("ctl")
@CONFIG
@click.option(
    "--user", help="Ask as this user, where [http] users_file is set; the password is asked for, or read."
)
@click.pass_context
def command(context: click.Context, config: Path | None, user: str | None) -> None:
    """Ask a running daemon for an action: reload, forget, normal, learning-rate.

    The daemon is that of this configuration, and runs on this machine.
    """
    context.obj = config, user


@command.command("reload")
@click.pass_obj
def _reload(given: tuple[Path | None, str | None]) -> None:
    """Read the configuration again, and say whether that could be done."""
    _ask(given, "reload", {})


@command.command("forget")
@click.argument("stream")
@click.option("--group", help="Say of which block the stream is, where several blocks have one of that name.")
@click.pass_obj
def _forget(given: tuple[Path | None, str | None], stream: str, group: str | None) -> None:
    """Forget a STREAM: its series, and what the broker has retained of it, go."""
    _ask(given, "forget", {"stream": stream, "group": group})


@command.command("normal")
@click.argument("stream")
@click.option("--group", help="Say of which block the stream is, where several blocks have one of that name.")
@click.pass_obj
def _normal(given: tuple[Path | None, str | None], stream: str, group: str | None) -> None:
    """Take back the anomaly of a STREAM: its score is 0 until its next sample."""
    _ask(given, "normal", {"stream": stream, "group": group})


@command.command("learning-rate")
@click.argument("model")
@click.argument("rate", type=float)
@click.pass_obj
def _learning_rate(given: tuple[Path | None, str | None], model: str, rate: float) -> None:
    """Give a MODEL a constant learning RATE, until the configuration is read again."""
    _ask(given, "learning-rate", {"model": model, "learning_rate": rate})


def _ask(given: tuple[Path | None, str | None], action: str, document: dict[str, Any]) -> None:
    config, user = given
    click.echo(ask(settings_of(config), action, document, user))


def ask(settings: Settings, action: str, document: dict[str, Any], user: str | None = None) -> str:
    """Return what the daemon says that it has done. Raises ConfigError with its words where it refuses.

    Raises SourceError if nobody answers.
    """
    headers = {"Content-Type": "application/json"} | ({} if user is None else _authorization(user))
    connection = _connection(settings)
    try:
        connection.request("POST", f"/api/v1/actions/{action}", msgspec.json.encode(document), headers)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        where = f"{connection.host}:{connection.port}"
        raise SourceError(f"no daemon answers at {where}: {error}") from error
    finally:
        connection.close()
    if response.status == 200:
        return str(msgspec.json.decode(text)["done"])
    raise ConfigError(_why_not(response.status, text, user))


def _connection(settings: Settings) -> http.client.HTTPConnection:
    """Return a connection to where the daemon listens. Its certificate is trusted as its file has it."""
    listen = settings.http.listen
    host = EVERYWHERE.get(listen.host, listen.host)
    if settings.http.cert_file is None:
        return http.client.HTTPConnection(host, listen.port, timeout=SECONDS)
    context = ssl.create_default_context(cafile=settings.http.cert_file)
    context.check_hostname = False  # it is for the name that others call this machine by
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, listen.port, timeout=SECONDS, context=context)


def _authorization(user: str) -> dict[str, str]:
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _why_not(status: int, text: bytes, user: str | None) -> str:
    if status == 401:
        return (
            "expected --user NAME and its password" if user is None else f"wrong password of {quoted(user)}"
        )
    try:
        return str(msgspec.json.decode(text)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"the daemon answers {status}: {text[:200].decode(errors='replace').strip()}"
