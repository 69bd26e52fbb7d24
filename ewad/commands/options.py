"""The options that several commands have in common, and the settings that they come to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ewad import config as configuration
from ewad.config import Settings
from ewad.errors import ConfigError

FAILED = 1  # the exit status of a command that has done its work, and the answer is no
DEFAULT_CONFIG = Path("ewad.toml")
CONFIG = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="Read this configuration (TOML); by default ewad.toml, if there is one.",
)

JSONL = click.option(
    "--jsonl",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Also write a line of JSON for each sample to this file; - is standard output.",
)


def _whole_numbers(_context: click.Context, parameter: click.Parameter, given: str | None) -> list[int]:
    """Return the numbers between commas. Raises ConfigError."""
    try:
        return [int(number) for number in given.split(",")] if given else []
    except ValueError:
        expected = f"--{parameter.name}: expected whole numbers between commas, such as 1,24"
        raise ConfigError(f'{expected}, got "{given}"') from None


def stream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe one block of streams without a configuration file."""
    for option in reversed(
        (
            click.option(
                "--beta",
                multiple=True,
                type=float,
                help="Give the past this weight, from 0 to 1; may be repeated.",
            ),
            click.option(
                "--window",
                multiple=True,
                type=float,
                help="Average over about so many samples (beta = 1 - 1/window).",
            ),
            click.option(
                "--half-life",
                multiple=True,
                help='Let the past lose half its weight in this time, such as "10m".',
            ),
            click.option(
                "--format",
                metavar="NAME",
                help="Read payloads as number, json, influx, senml or another format.",
            ),
            click.option(
                "--field", multiple=True, help="Take the value at this path of a payload; may be repeated."
            ),
            click.option(
                "--model",
                type=click.Choice(["linear", "auto"]),
                help="Forecast by this model; by default by none, in a replay by linear.",
            ),
            click.option(
                "--horizons",
                metavar="N,...",
                callback=_whole_numbers,
                help="Forecast so many steps ahead; by default 1.",
            ),
        )
    ):
        command = option(command)
    return command


def broker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where messages come from without a configuration file."""
    topic = "Take topics of this template, such as 'site/{room}/temperature'; may be repeated."
    command = click.option("--topic", multiple=True, help=topic)(command)
    command = click.option(
        "--preset", help="Read messages of this family of devices; `ewad presets` lists them."
    )(command)
    return click.option("--url", help="Connect to this broker, such as mqtt://localhost:1883.")(command)


def _environment_has_streams() -> bool:
    return any(name.startswith("EWAD_STREAM__") for name in os.environ)


def default_config() -> Path | None:
    """Return ewad.toml, if there is one in this folder."""
    return DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None


def configured(options: Mapping[str, Any]) -> bool:
    """Return whether options, ewad.toml or the environment tell which topics there are."""
    told = any(options.get(name) for name in ("url", "topic", "preset"))
    return told or default_config() is not None or _environment_has_streams()


def settings_of(config: Path | None, options: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of the file, or those of the options if there is none."""
    options = options or {}
    given = [name for name, value in options.items() if value]
    standing_alone = bool(options.get("url") or options.get("topic") or options.get("preset"))
    if config is not None and given:
        raise ConfigError(f"{_option(given[0])}: not together with -c/--config")
    if standing_alone:
        rest = {name: value for name, value in options.items() if name not in ("url", "topic")}
        return configuration.from_options(options["url"], options["topic"], environ=os.environ, **rest)
    config = config or default_config()
    if given:
        why = "needs --topic" if config is None else f"needs --topic, or else {config} is what counts"
        raise ConfigError(f"{_option(given[0])}: {why}")
    if config is None and not _environment_has_streams():
        alone = ", or --topic (and --url)" if "topic" in options else ""
        raise ConfigError(f"no configuration: expected -c FILE, or {DEFAULT_CONFIG} in this folder{alone}")
    return configuration.load(config, os.environ)


def _option(name: str) -> str:
    """Return a parameter of the command that runs as people write it: half_life gives --half-life."""
    parameters = click.get_current_context().command.params
    return next(max(parameter.opts, key=len) for parameter in parameters if parameter.name == name)
