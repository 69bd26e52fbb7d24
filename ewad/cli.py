"""The command line: parses arguments, nothing else. What a command does is imported when it is called."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ewad import __version__
from ewad.commands.file_options import file_options, further, history, taken, with_section
from ewad.errors import ConfigError, EwadError

if TYPE_CHECKING:
    from ewad.config import Settings
    from ewad.ingest.files import FileOptions

DONE, FAILED, USAGE = 0, 1, 2

# Linear algebra in several threads makes a sample of a network ten times as dear where cores are shared. Read
# when numpy is loaded, which is later.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

DEFAULT_CONFIG = Path("ewad.toml")
CONFIG = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="Configuration file (TOML); default: ewad.toml, if there is one.",
)

JSONL = click.option(
    "--jsonl",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Also write a line of JSON for each sample there; -: to standard output.",
)


def _whole_numbers(_context: click.Context, parameter: click.Parameter, given: str | None) -> list[int]:
    """Return the numbers between commas. Raises ConfigError."""
    try:
        return [int(number) for number in given.split(",")] if given else []
    except ValueError:
        expected = f"--{parameter.name}: expected whole numbers between commas, such as 1,24"
        raise ConfigError(f'{expected}, got "{given}"') from None


def _stream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe one block of streams without a configuration file."""
    for option in reversed(
        (
            click.option("--beta", multiple=True, type=float, help="Weight of the past; may be repeated."),
            click.option("--window", multiple=True, type=float, help="Samples; beta = 1 - 1/window."),
            click.option("--half-life", multiple=True, help='Decay by elapsed time, such as "10m".'),
            click.option(
                "--format",
                metavar="NAME",
                help="How payloads are read: number, json, influx, senml and others.",
            ),
            click.option("--field", multiple=True, help="Path of a value in a payload; may be repeated."),
            click.option(
                "--model", type=click.Choice(["linear", "auto"]), help="Default: none; in a replay linear."
            ),
            click.option(
                "--horizons",
                metavar="N,...",
                callback=_whole_numbers,
                help="Steps it looks ahead; default: 1.",
            ),
        )
    ):
        command = option(command)
    return command


def _broker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where messages come from without a configuration file."""
    topic = "Topic template, such as 'site/{room}/temperature'; may be repeated."
    command = click.option("--topic", multiple=True, help=topic)(command)
    command = click.option("--preset", help="Of a family of devices: see ewad presets.")(command)
    return click.option("--url", help="Broker, such as mqtt://localhost:1883.")(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ewad")
def cli() -> None:
    """Smooth and forecast MQTT streams online; see the results in Prometheus."""


@cli.command()
@click.option("--duration", default=None, metavar="30s", help="End after so long; default: run until Ctrl-C.")
@click.option("--listen", default="127.0.0.1:9466", show_default=True, help="Where to serve the metrics.")
@click.option("--open", "browse", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Draw pictures of the page there, by Chromium, and end.",
)
def demo(duration: str | None, listen: str, browse: bool, record: Path | None) -> None:
    """Show it all at work: a broker of its own, sensors that have their troubles, the daemon."""
    from ewad.demonstration import demo as composition

    composition.run(duration, listen, browse, record)


@cli.command()
@CONFIG
@_broker_options
@_stream_options
@click.option("--listen", help="Where to serve the metrics, such as 127.0.0.1:9466.")
@click.option(
    "--discover", is_flag=True, help="Look at the broker first, as `ewad init` does, and run on that."
)
@click.option("--seconds", type=click.FloatRange(0.1), default=30.0, help="To look at it; default: 30.")
@JSONL
def run(config: Path | None, discover: bool, seconds: float, jsonl: Path | None, **options: Any) -> None:
    """Run the daemon."""
    import msgspec

    from ewad.commands import init as beginning
    from ewad.daemon import daemon, logs

    if discover and (
        config is not None or any(v for name, v in options.items() if name not in ("url", "listen"))
    ):
        raise ConfigError("--discover: only together with --url, --listen and --seconds")
    found = beginning.settings(options["url"], options["listen"], seconds) if discover else None

    def load() -> Settings:
        settings = found or _settings(config, options)
        return settings if jsonl is None else msgspec.structs.replace(settings, jsonl=str(jsonl))

    settings = load()
    logs.configure(settings.log.level, settings.log.format)
    daemon.run(settings, load)


@cli.command()
@CONFIG
@click.option("--log", "target", required=True, metavar="DIR", help="Where the log is written.")
@click.option("--keep", metavar="7d", help="For how long the log keeps records; default: for ever.")
@click.option("--keep-bytes", type=click.IntRange(1), help="How large it may become; default: no limit.")
def gateway(config: Path | None, target: str, keep: str | None, keep_bytes: int | None) -> None:
    """Write the samples of MQTT messages to a durable log, from which shards read them."""
    from ewad.commands import gateway as writing
    from ewad.config.syntax import parse_duration
    from ewad.daemon import logs
    from ewad.daemon.signals import SIGNALS

    settings = _settings(config)
    try:
        keep_seconds = None if keep is None else parse_duration(keep)
    except ValueError as error:
        raise ConfigError(f"--keep: {error}") from error
    logs.configure(settings.log.level, settings.log.format)
    SIGNALS.hold()
    writing.gateway(settings, target, keep_seconds, keep_bytes)


@cli.command()
@CONFIG
@_broker_options
@_stream_options
@click.option("--connect", is_flag=True, help="Also connect and subscribe to the broker once.")
def check(config: Path | None, connect: bool, **options: Any) -> None:
    """Say whether a configuration is valid, and what it comes to."""
    from ewad.commands import check as checking

    click.echo(checking.check(_settings(config, options), connect))


@cli.command()
@click.option("--markdown", is_flag=True, help="The reference of all tables and keys instead, in Markdown.")
def schema(markdown: bool) -> None:
    """Print the JSON schema of ewad.toml, by which editors complete and check it."""
    from ewad.config import schema as schemas

    click.echo(schemas.markdown() if markdown else json.dumps(schemas.json_schema(), indent=2))


# a payload may begin with a minus: -63
@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("of_topic", metavar="TOPIC")
@click.argument("payload", type=click.UNPROCESSED)
@CONFIG
@_broker_options
@_stream_options
def explain(of_topic: str, payload: str, config: Path | None, **options: Any) -> None:
    """Say what becomes of a message: block, labels, value - or why it is rejected.

    PAYLOAD is the text itself, - for standard input, or @FILE for the content of a file. Ends with 1 if the
    message is rejected.
    """
    from ewad.commands import check as checking

    explanation = checking.explain(_settings(config, options), of_topic, checking.payload_of(payload))
    click.echo(str(explanation))
    if explanation.rejected:
        raise click.exceptions.Exit(FAILED)


@cli.command("presets")
@click.argument("name", required=False)
def presets_of_devices(name: str | None) -> None:
    """List the presets of device families, or print the one of this NAME."""
    from ewad.commands import presets

    click.echo(presets.listed() if name is None else presets.shown(name))


@cli.command()
@click.option("--url", help="Broker, such as mqtt://localhost:1883.")
@click.option("--seconds", type=click.FloatRange(0.1), default=30.0, show_default=True, help="To listen for.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=DEFAULT_CONFIG, help="The new file.")
def init(url: str | None, seconds: float, output: Path) -> None:
    """Look at a broker for a while, and write a configuration for what its devices send."""
    from ewad.commands import init as beginning

    click.echo(beginning.write(url, seconds, output))


@cli.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@CONFIG
@_stream_options
@file_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Results: .csv or .parquet.")
@click.option("--plot", type=click.Path(path_type=Path), help="Picture: .png, .svg or .pdf.")
@click.option("--html", type=click.Path(path_type=Path), help="Charts and report as one page: .html.")
@click.option("--openmetrics", type=click.Path(path_type=Path), help="Series with times, for promtool.")
@JSONL
@click.option("--publish", help="Also publish the samples to this broker, mqtt://host.")
@click.option("--speed", type=float, help="So many times faster than recorded; default: as fast as can be.")
@click.option("--report", is_flag=True, help="Print what the forecasts were worth.")
@click.option("--report-json", is_flag=True, help="The same as JSON.")
@click.option("--score-from", type=float, default=0.25, show_default=True, help="Share that it leaves out.")
@click.option("--with", "further", metavar="NAME,...", help="Also anomaly, skill, weights in the results.")
@click.option("--iso-times", is_flag=True, help="Times of results as dates, not as Unix seconds.")
@click.option("--state", type=click.Path(path_type=Path), help="Put the history into this state file.")
@click.option("--from-prometheus", metavar="URL", help="Take the history from there, by --query.")
@click.option("--query", help="PromQL, such as 'temperature{job=\"mqtt\"}'.")
@click.option("--last", default="7d", show_default=True, metavar="DURATION", help="How far back to ask.")
@click.option("--step", default="1m", show_default=True, metavar="DURATION", help="Between its samples.")
def replay(files: tuple[Path, ...], config: Path | None, **options: Any) -> None:
    """Put files through the engine, as if their samples came in live; - is standard input."""
    names = (
        "output",
        "plot",
        "html",
        "openmetrics",
        "publish",
        "speed",
        "report",
        "report_json",
        "score_from",
    )
    outputs = {name: options.pop(name) for name in (*names, "iso_times", "state", "jsonl")}
    outputs["further"] = further(options.pop("further"))
    asked = {name: options.pop(name) for name in ("from_prometheus", "query", "last", "step")}
    explain, chosen = options.pop("explain"), taken(options)
    with history(files, **asked) as found:
        if explain:
            section = _settings(config).files if config or (config := _default_config()) else None
            _explain_files(found, with_section(chosen, section))
        else:
            _replay(found, config, options, chosen, outputs)


def _replay(
    files: Sequence[Path],
    config: Path | None,
    options: dict[str, Any],
    chosen: FileOptions,
    outputs: dict[str, Any],
) -> None:
    from ewad.commands import replay as replaying

    config = config or (None if any(options.values()) else _default_config())
    if config is not None:
        settings = _settings(config, options)
    else:
        if outputs["state"] is not None:
            raise ConfigError("--state: needs the daemon's configuration: -c FILE")
        settings = replaying.default_settings(os.environ, options)
    chosen = with_section(chosen, settings.files)
    said, report = replaying.replay(files, settings, file_options=chosen, config_file=config, **outputs)
    click.echo(said, err=True)
    if report:
        click.echo(report)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--model", "name", help="Which [model.NAME] of the configuration; default: its only one.")
@click.option("--optimizer", metavar="NAME,...", help="Compare these; default: the model's own.")
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Passes over the data.")
@click.option("--batch-size", type=click.IntRange(1), help="Default: the course's rule.")
@click.option("--validation", type=float, default=0.2, show_default=True, help="Last part of the time.")
@click.option("--stop-on-plateau", is_flag=True, help="End where the cost no longer falls.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the shuffling.")
@click.option("--plot", type=click.Path(path_type=Path), help="Cost by epoch: .png, .svg or .pdf.")
@click.option(
    "--html", type=click.Path(path_type=Path), help="Cost by epoch and the table as one page: .html."
)
@file_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The best model, for start_from.")
def train(files: tuple[Path, ...], config: Path | None, name: str | None, **options: Any) -> None:
    """Train a model on files, with several optimizers side by side; - is standard input."""
    from ewad.commands import train as training

    chosen = taken(options)
    config = config or _default_config()
    settings = None if config is None else _settings(config)
    chosen = with_section(chosen, None if settings is None else settings.files)
    if options.pop("explain"):
        _explain_files(files, chosen)
        return
    said, summary = training.train(files, settings, name, file_options=chosen, config_file=config, **options)
    if config is not None:
        click.echo(f"configuration: {config}", err=True)
    click.echo(summary, err=True)
    click.echo(said)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--model", "name", help="Which [model.NAME] of the configuration; without one: auto.")
@click.option(
    "--protocol",
    type=click.Choice(["series", "fsnet", "gift-eval"]),
    default="series",
    show_default=True,
    help="Which rows are scored, and how.",
)
@click.option("--river", is_flag=True, help="Also measure models of river, if it is installed; takes long.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@file_options
def evaluate(files: tuple[Path, ...], config: Path | None, name: str | None, **options: Any) -> None:
    """Measure forecasts on files, or folders of files, beside simple methods, by a published protocol."""
    from ewad.commands import evaluate as evaluating

    chosen = taken(options)
    settings = None if config is None else _settings(config)
    chosen = with_section(chosen, None if settings is None else settings.files)
    if options.pop("explain"):
        _explain_files(files, chosen)
        return
    click.echo(evaluating.evaluate(files, settings, name, file_options=chosen, **options))


@cli.command()
@click.argument("name")
def hash_password(name: str) -> None:
    """Print the line of http.users_file for user NAME; the password is asked for, or read from stdin."""
    from ewad.config.passwords import PasswordHash

    if not name.isprintable() or not name.strip() or ":" in name or name != name.strip() or name[0] == "#":
        raise ConfigError("NAME: expected a name without colon, such as prometheus")
    click.echo(f"{name}:{PasswordHash.of(_new_password()).text()}")


@cli.group()
def state() -> None:
    """Look into the state file, also while the daemon runs."""


@state.command()
@CONFIG
def show(config: Path | None) -> None:
    """Say what the state file holds."""
    from ewad.commands import state as state_command

    click.echo(state_command.show(_settings(config)))


@state.command()
@CONFIG
@click.option("-o", "--output", type=click.File("w", lazy=False), default="-", help="Default: stdout.")
def export(config: Path | None, output: IO[str]) -> None:
    """Write what is known of each stream as CSV."""
    from ewad.commands import state as state_command

    state_command.export(_settings(config), output)


@state.command()
@CONFIG
@click.argument("target", type=click.Path(path_type=Path))
def backup(config: Path | None, target: Path) -> None:
    """Copy the state file to a new file TARGET."""
    from ewad.commands import state as state_command

    click.echo(state_command.back_up(_settings(config), target))


@state.command()
@CONFIG
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--into", required=True, type=click.Path(path_type=Path), help="Folder of the new files.")
def split(config: Path | None, sources: tuple[Path, ...], into: Path) -> None:
    """Deal the streams of state files SOURCES out to the shards of [shard], a new file each.

    No daemon may run on SOURCES meanwhile. They stay as they are.
    """
    from ewad.commands import shards

    click.echo(shards.split(_settings(config), sources, into))


@state.command()
@CONFIG
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new file.")
def merge(config: Path | None, sources: tuple[Path, ...], output: Path) -> None:
    """Put the streams of state files SOURCES into one new file.

    No daemon may run on SOURCES meanwhile. They stay as they are.
    """
    from ewad.commands import shards

    click.echo(shards.merge(_settings(config), sources, output))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def figures(folder: Path) -> None:
    """Draw the figures of the optimization course, computed by ewad itself."""
    from ewad.commands import figures as drawing

    for path in drawing.draw_all(folder):
        click.echo(path)


def _explain_files(files: Sequence[Path], options: FileOptions) -> None:
    """Print what is decided about the files. Raises SourceError where it could as well be otherwise."""
    from ewad.ingest.files import read

    for path in files:
        with read(path, options) as file:
            click.echo("\n".join(file.summary()))
            file.refuse_doubts()


def _new_password() -> str:
    """Return the password that is typed twice, or else the first line of stdin. Raises ConfigError."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("expected a password on stdin, got an empty line")
    return password


def _default_config() -> Path | None:
    return DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None


def _settings(config: Path | None, options: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of the file, or those of the options if there is none."""
    from ewad import config as configuration

    options = options or {}
    given = [name for name, value in options.items() if value]
    standing_alone = bool(options.get("url") or options.get("topic") or options.get("preset"))
    if config is not None and given:
        raise ConfigError(f"{_option(given[0])}: not together with -c/--config")
    if standing_alone:
        rest = {name: value for name, value in options.items() if name not in ("url", "topic")}
        return configuration.from_options(options["url"], options["topic"], environ=os.environ, **rest)
    config = config or _default_config()
    if given:
        why = "needs --topic" if config is None else f"needs --topic, or else {config} is what counts"
        raise ConfigError(f"{_option(given[0])}: {why}")
    if config is None and not any(name.startswith("EWAD_STREAM__") for name in os.environ):
        alone = ", or --topic (and --url)" if "topic" in options else ""
        raise ConfigError(f"no configuration: expected -c FILE, or {DEFAULT_CONFIG} in this folder{alone}")
    return configuration.load(config, os.environ)


def _option(name: str) -> str:
    """Return a parameter of the command that runs as people write it: half_life gives --half-life."""
    parameters = click.get_current_context().command.params
    return next(max(parameter.opts, key=len) for parameter in parameters if parameter.name == name)


def main() -> None:
    """Run the command line; errors of ours end in a line or two on stderr, without a traceback."""
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    try:
        status = cli.main(standalone_mode=False)
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
            return FAILED
    raise error


def _told(message: str, status: int) -> int:
    click.echo(f"ewad: {message}", err=True)
    return status
