"""`ewad gateway`: where it writes, by what is said on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from ewad.commands.options import CONFIG, settings_of
from ewad.config import Settings
from ewad.config.syntax import parse_duration
from ewad.daemon import logs
from ewad.daemon.parts import session_of
from ewad.daemon.signals import SIGNALS
from ewad.errors import ConfigError
from ewad.scale.file_log import FileLog
from ewad.scale.gateway import Gateway, GatewayLog, run


@click.command("gateway")
@CONFIG
@click.option("--log", "target", required=True, metavar="DIR", help="Write the log into this folder.")
@click.option("--keep", metavar="7d", help="Keep records for this time; by default for ever.")
@click.option(
    "--keep-bytes",
    type=click.IntRange(1),
    help="Let the log become no larger than this; by default there is no limit.",
)
def command(config: Path | None, target: str, keep: str | None, keep_bytes: int | None) -> None:
    """Write the samples of MQTT messages to a durable log, from which shards read them."""
    settings = settings_of(config)
    try:
        keep_seconds = None if keep is None else parse_duration(keep)
    except ValueError as error:
        raise ConfigError(f"--keep: {error}") from error
    logs.configure(settings.log.level, settings.log.format)
    SIGNALS.hold()
    gateway(settings, target, keep_seconds, keep_bytes)


def gateway(
    settings: Settings, target: str, keep_seconds: float | None = None, keep_bytes: int | None = None
) -> None:
    """Write what comes to target until a signal ends it. Raises ConfigError, StateError."""
    run(Gateway(settings, opened(settings, target, keep_seconds, keep_bytes)))


def opened(
    settings: Settings, target: str, keep_seconds: float | None = None, keep_bytes: int | None = None
) -> GatewayLog:
    """Return the log that target names: a directory. Raises ConfigError for an address."""
    if "://" in target:
        raise ConfigError(f'--log: expected a folder, got "{target}": a gateway writes files alone')
    session = session_of(settings)
    return FileLog(Path(target), session, keep_seconds=keep_seconds, keep_bytes=keep_bytes)
