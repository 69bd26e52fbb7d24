"""`ewad run`: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ewad.commands import init
from ewad.commands.options import CONFIG, JSONL, broker_options, settings_of, stream_options
from ewad.config import Settings
from ewad.daemon import daemon, logs
from ewad.errors import ConfigError


@click.command("run")
@CONFIG
@broker_options
@stream_options
@click.option("--listen", help="Serve the page and the metrics at this address, such as 127.0.0.1:9466.")
@click.option(
    "--discover",
    is_flag=True,
    help="Look at the broker first, as `ewad init` does, and run on what is found.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    default=30.0,
    help="Look at the broker for so many seconds; by default 30.",
)
@JSONL
def command(config: Path | None, discover: bool, seconds: float, jsonl: Path | None, **options: Any) -> None:
    """Run the daemon."""
    if discover and (
        config is not None or any(v for name, v in options.items() if name not in ("url", "listen"))
    ):
        raise ConfigError("--discover: only together with --url, --listen and --seconds")
    found = init.settings(options["url"], options["listen"], seconds) if discover else None

    def load() -> Settings:
        settings = found or settings_of(config, options)
        return settings if jsonl is None else settings.with_sink("jsonl", str(jsonl))

    settings = load()
    logs.configure(settings.log.level, settings.log.format)
    daemon.run(settings, load)
