"""The command line: parses arguments, nothing else. What a command does is imported when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ewad import __version__
from ewad.errors import ConfigError, EwadError

if TYPE_CHECKING:
    from ewad.config import Settings

DONE, FAILED, USAGE = 0, 1, 2

DEFAULT_CONFIG = Path("ewad.toml")
CONFIG = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="Configuration file (TOML); default: ewad.toml, if there is one.",
)


def _stream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe one block of streams without a configuration file."""
    for option in reversed(
        (
            click.option("--beta", multiple=True, type=float, help="Weight of the past; may be repeated."),
            click.option("--window", multiple=True, type=float, help="Samples; beta = 1 - 1/window."),
            click.option("--half-life", multiple=True, help='Decay by elapsed time, such as "10m".'),
            click.option("--format", "form", type=click.Choice(["number", "json"]), help="Of the payloads."),
            click.option("--field", help="JSON pointer or dotted path of the value."),
        )
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ewad")
def cli() -> None:
    """Smooth and forecast MQTT streams online; see the results in Prometheus."""


@cli.command()
@click.option("--duration", default=None, metavar="30s", help="End after so long; default: run until Ctrl-C.")
@click.option("--listen", default="127.0.0.1:9466", show_default=True, help="Where to serve the metrics.")
def demo(duration: str | None, listen: str) -> None:
    """Show it all at work: a broker of its own, sample temperatures, the daemon."""
    from ewad import demo as composition

    composition.run(duration, listen)


@cli.command()
@CONFIG
@click.option("--url", help="Broker, such as mqtt://localhost:1883.")
@click.option("--topic", multiple=True, help="Topic template, such as 'site/{room}/temperature'.")
@_stream_options
@click.option("--listen", help="Where to serve the metrics, such as 127.0.0.1:9466.")
def run(config: Path | None, url: str | None, topic: tuple[str, ...], **options: Any) -> None:
    """Run the daemon."""
    from ewad import daemon, logs

    def load() -> Settings:
        return _settings(config, url, topic, options)

    settings = load()
    logs.configure(settings.log.level, settings.log.format)
    daemon.run(settings, load)


@cli.command()
@CONFIG
@click.option("--connect", is_flag=True, help="Also connect and subscribe to the broker once.")
def check(config: Path | None, connect: bool) -> None:
    """Say whether a configuration is valid, and what it comes to."""
    from ewad import check as checking

    click.echo(checking.check(_settings(config, None, (), {}), connect))


@cli.command()
@click.argument("topic")
@click.argument("payload")
@CONFIG
def explain(topic: str, payload: str, config: Path | None) -> None:
    """Say what becomes of a message: block, labels, value - or why it is rejected."""
    from ewad import check as checking

    click.echo(checking.explain(_settings(config, None, (), {}), topic, os.fsencode(payload)))


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@_stream_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Results: .csv or .parquet.")
@click.option("--plot", type=click.Path(path_type=Path), help="Picture: .png, .svg or .pdf.")
@click.option("--openmetrics", type=click.Path(path_type=Path), help="Series with times, for promtool.")
@click.option("--publish", help="Also publish the samples to this broker, mqtt://host.")
@click.option("--speed", type=float, help="So many times faster than recorded; default: as fast as can be.")
def replay(files: tuple[Path, ...], config: Path | None, **options: Any) -> None:
    """Put CSV files through the engine, as if their samples came in live."""
    from ewad import replay as replaying

    outputs = {name: options.pop(name) for name in ("output", "plot", "openmetrics", "publish", "speed")}
    if config is not None or (DEFAULT_CONFIG.is_file() and not any(options.values())):
        settings = _settings(config, None, (), options)
    else:
        settings = replaying.default_settings(os.environ, _block(options))
    click.echo(replaying.replay(files, settings, **outputs), err=True)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--model", "name", help="Which [model.NAME] of the configuration; default: its only one.")
@click.option("--optimizer", default="", metavar="NAME,...", help="Compare these; default: the model's own.")
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Passes over the data.")
@click.option("--batch-size", type=click.IntRange(1), help="Default: the course's rule.")
@click.option("--validation", type=float, default=0.2, show_default=True, help="Last part of the time.")
@click.option("--stop-on-plateau", is_flag=True, help="End where the cost no longer falls.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the shuffling.")
@click.option("--plot", type=click.Path(path_type=Path), help="Cost by epoch: .png, .svg or .pdf.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The best model, for start_from.")
def train(files: tuple[Path, ...], config: Path | None, name: str | None, **options: Any) -> None:
    """Train a model on CSV files, with several optimizers side by side."""
    from ewad import train as training

    settings = None if config is None else _settings(config, None, (), {})
    click.echo(training.train(files, settings, name, **options))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def figures(folder: Path) -> None:
    """Draw the figures of the optimization course, computed by ewad itself."""
    from ewad import figures as drawing

    for path in drawing.draw_all(folder):
        click.echo(path)


def _settings(
    config: Path | None, url: str | None, topics: tuple[str, ...], options: dict[str, Any]
) -> Settings:
    """Return the settings of the file, or those of the options if there is none."""
    from ewad import config as configuration

    if config is None and not (url or topics) and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    if config is None and (url or topics):
        return configuration.from_options(url, topics, environ=os.environ, **_block(options))
    given = [f"--{name}" for name, value in {"url": url, "topic": topics, **options}.items() if value]
    if given:
        raise ConfigError(f"{given[0]}: goes with --url and --topic, not with a configuration file")
    return configuration.load(config, os.environ)


def _block(options: dict[str, Any]) -> dict[str, Any]:
    return {{"form": "format"}.get(name, name): value for name, value in options.items()}


def main() -> None:
    """Run the command line; errors of ours end in a line or two on stderr, without a traceback."""
    try:
        cli.main(standalone_mode=False)
    except Exception as error:
        sys.exit(_failed(_first(error)))
    sys.exit(DONE)


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
        case BrokenPipeError():
            # whoever read our output has gone: what is left of it has no reader
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
    raise error


def _told(message: str, status: int) -> int:
    click.echo(f"ewad: {message}", err=True)
    return status
