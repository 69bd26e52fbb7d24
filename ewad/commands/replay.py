"""`ewad replay`: CSV files through the very engine of the daemon, as fast as it goes or at a chosen speed."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from ewad import config
from ewad.commands.file_options import explain_files, file_options, further, history, taken, with_section
from ewad.commands.options import CONFIG, JSONL, default_config, settings_of, stream_options
from ewad.commands.replayed import Replay
from ewad.commands.sources import FileSamples, Messages, check_topics
from ewad.config import Secret, Settings
from ewad.config.syntax import mask_url, parse_url
from ewad.daemon.parts import new_engine, session_of
from ewad.errors import ConfigError, SourceError
from ewad.ingest.files import FileOptions, InputFile, SampleFile
from ewad.ingest.told import recall, take_told
from ewad.outputs.files.backfill import BackfillSink
from ewad.outputs.files.jsonl import STANDARD_OUTPUT, lines_of_replay
from ewad.outputs.files.output import refuse_overlaps
from ewad.outputs.files.pictures import check_picture
from ewad.outputs.files.plot import PlotSink
from ewad.outputs.files.report import ScoreReport
from ewad.outputs.files.report_page import ReportPage, check_page
from ewad.outputs.files.rows import TIME_FORMS, FileSink, TableFiles, TableSink, columns, sink
from ewad.outputs.sinks import Sink, replayed
from ewad.store.seeding import Seeding

# At a chosen speed samples are let go in steps of so many real seconds: smooth to look at, cheap to keep.
STEP_SECONDS = 0.05

# Options that say what becomes of the results.
RESULTS = ("output", "plot", "html", "openmetrics", "jsonl", "report", "report_json", "publish", "state")
NO_RESULTS = (
    "results were computed, and neither written nor shown: ask for them by -o, --plot, --html, --openmetrics,"
    " --jsonl, --report, --publish or --state"
)

Publisher = Callable[[str, bytes], Awaitable[None]]
PATH = click.Path(path_type=Path)


@click.command("replay")
@click.argument("files", nargs=-1, type=PATH)
@CONFIG
@stream_options
@file_options
@click.option("-o", "--output", type=PATH, help="Write results to this file, .csv or .parquet.")
@click.option("--plot", type=PATH, help="Draw a picture to this file, .png, .svg or .pdf.")
@click.option("--html", type=PATH, help="Write charts and report as one page, .html.")
@click.option(
    "--openmetrics",
    type=PATH,
    help="Write the series with their times to this file, for promtool.",
)
@JSONL
@click.option("--publish", help="Also publish the samples to this broker, mqtt://host.")
@click.option(
    "--speed", type=float, help="Play so many times faster than recorded; by default as fast as can be."
)
@click.option("--report", is_flag=True, help="Print what the forecasts were worth.")
@click.option("--report-json", is_flag=True, help="Print the same as JSON.")
@click.option(
    "--score-from",
    type=float,
    default=0.25,
    show_default=True,
    help="Skip this share of the samples (0 to 1) before scoring starts.",
)
@click.option("--with", "further", metavar="NAME,...", help="Add anomaly, skill or weights to the results.")
@click.option(
    "--results-time-format", type=click.Choice(TIME_FORMS), default="iso", help="Write times in this form."
)
@click.option("--state", type=PATH, help="Put the history into this state file.")
@click.option("--from-prometheus", metavar="URL", help="Take the history from this Prometheus, by --query.")
@click.option("--query", help="Ask for this PromQL, such as 'temperature{job=\"mqtt\"}'.")
@click.option(
    "--last",
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="Ask for a history of this length, up to now.",
)
@click.option(
    "--step", default="1m", show_default=True, metavar="DURATION", help="Ask for samples so far apart."
)
def command(files: tuple[Path, ...], config: Path | None, **options: Any) -> None:
    """Put files through the engine, as if their samples came in live; - is standard input."""
    files_made = ("output", "plot", "html", "openmetrics", "jsonl", "state", "publish", "results_time_format")
    told = ("report", "report_json", "score_from", "speed")
    outputs = {name: options.pop(name) for name in (*files_made, *told)}
    outputs["further"] = further(options.pop("further"))
    asked = {name: options.pop(name) for name in ("from_prometheus", "query", "last", "step")}
    explain, chosen = options.pop("explain"), taken(options)
    with history(files, **asked) as found:
        if explain:
            section = settings_of(config).files if config or (config := default_config()) else None
            explain_files(found, with_section(chosen, section))
        else:
            _on_files(found, config, options, chosen, outputs)


def _on_files(
    files: Sequence[InputFile],
    config: Path | None,
    options: dict[str, Any],
    chosen: FileOptions,
    outputs: dict[str, Any],
) -> None:
    config = config or (None if any(options.values()) else default_config())
    if config is not None:
        settings = settings_of(config, options)
    else:
        if outputs["state"] is not None:
            raise ConfigError("--state: needs the daemon's configuration: -c FILE")
        settings = default_settings(os.environ, options)
    chosen = with_section(chosen, settings.files)
    said, report = replay(files, settings, file_options=chosen, config_file=config, **outputs)
    click.echo(said, err=True)
    if not any(outputs[name] for name in RESULTS):
        click.echo(NO_RESULTS, err=True)
    if report:
        click.echo(report)


def default_settings(environ: Mapping[str, str], block: Mapping[str, Any]) -> Settings:
    """Return the settings of a replay without a configuration file: every stream smoothed and forecast."""
    chosen = {**block, "model": block.get("model") or "linear"}
    return config.from_options(None, ("#",), environ=environ, name="replay", **chosen)


def replay(
    files: Sequence[InputFile],
    settings: Settings,
    *,
    output: Path | None = None,
    plot: Path | None = None,
    html: Path | None = None,
    openmetrics: Path | None = None,
    publish: str | None = None,
    speed: float | None = None,
    file_options: FileOptions | None = None,
    config_file: Path | None = None,
    report: bool = False,
    report_json: bool = False,
    score_from: float = 0.25,
    further: Sequence[str] = (),
    results_time_format: str = "iso",
    state: Path | None = None,
    jsonl: Path | None = None,
) -> tuple[str, str]:
    """Replay the files one after another; return a summary for people, and a report or "".

    html: a page with charts and the report.  report: on what the forecasts were worth, as text or JSON;
    score_from: the share of each stream that is left out of it.  further: columns of the results on request.
    results_time_format: of TIME_FORMS.
    state: the state file of a daemon that does not run, which what was replayed goes into.

    Raises SourceError where a file can't be read, ConfigError where an output can't be or is one of the
    files that are read, StateError where writing it fails.
    """
    _check(speed, score_from)
    inputs = [*files, *([config_file] if config_file else [])]
    written = {"-o": output, "--plot": plot, "--html": html, "--openmetrics": openmetrics, "--state": state}
    refuse_overlaps(inputs, written | {"--jsonl": None if str(jsonl) == STANDARD_OUTPUT else jsonl})
    with ExitStack() as stack, asyncio.Runner() as runner:
        # the runner is made first: an interrupt in its making would end with a traceback
        seeding = None if state is None else stack.enter_context(closing(_seeding(state, settings)))
        run = Replay(settings, file_options, None if seeding is None else seeding.engine)
        run.further, run.time_form = further, results_time_format
        if seeding is not None:
            recall(run.intake.remembering, seeding.told.entries())
        scored = report or report_json or html is not None
        run.report = ScoreReport(run.engine, score_from) if scored else None
        # a mistake in the last file is told before the first is worked on
        opened = [stack.enter_context(run.read(path)) for path in files]
        if publish is not None:
            for file in opened:
                check_topics(file, file.names or list(file.profile.streams))
        tables: list[TableSink] = []
        sinks: list[Sink] = [TableFiles(tables, run.engine, run.further)]
        try:
            _open_sinks(tables, run, output, plot, openmetrics)
            if html is not None:
                tables.append(_page(html, run, files))
            sinks += [] if jsonl is None else [lines_of_replay(settings, jsonl)]
            if not tables:
                del sinks[0]
            started = time.perf_counter()
            work = _replay(run, opened, sinks, publish, speed)
            try:
                runner.run(work)
            finally:
                work.close()  # what an interrupt has kept from beginning would end with a warning
            for each in sinks:
                each.close()
            if seeding is not None:
                seeding.told.note(take_told(run.intake.remembering))
                seeding.keep(time.time())
        finally:
            for each in sinks:
                each.discard()
    said = run.report.json() if run.report and report_json else str(run.report) if report else ""
    return run.summary(time.perf_counter() - started), said


def _check(speed: float | None, score_from: float) -> None:
    if speed is not None and not 0.0 < speed < np.inf:
        raise ConfigError(f"--speed: expected a positive number, got {speed}")
    if not 0.0 <= score_from < 1.0:
        raise ConfigError(f"--score-from: must be in [0, 1), got {score_from}")


def _seeding(path: Path, settings: Settings) -> Seeding:
    """Return the state file, held against the daemon, with the engine that it has."""
    return Seeding(path, session_of(settings), partial(new_engine, settings), time.time())


def _open_sinks(
    sinks: list[TableSink], run: Replay, output: Path | None, plot: Path | None, openmetrics: Path | None
) -> None:
    """Add a sink for each of the outputs that are given."""
    groups = [group.settings for group in run.engine.groups]
    if output is not None:
        sinks.append(sink(output, columns(run.engine, run.further), run.time_form))
    if plot is not None:
        check_picture(plot)
        units = [block.unit for block in run.settings.streams]
        sinks.append(FileSink(plot, partial(PlotSink, groups=groups, units=units, zone=run.zone)))
    if openmetrics is not None:
        make = partial(BackfillSink, engine=run.engine, constant=run.settings.metrics.labels)
        sinks.append(FileSink(openmetrics, make))


def _page(path: Path, run: Replay, files: Sequence[InputFile]) -> FileSink:
    """Return the sink that writes a page of the results."""
    check_page(path)
    title = f"Replay of {', '.join(file.name for file in files)}"
    groups = [group.settings for group in run.engine.groups]
    units = [block.unit for block in run.settings.streams]
    make = partial(ReportPage, title=title, groups=groups, units=units, notes=run.counts, report=run.report)
    return FileSink(path, make)


async def _replay(
    run: Replay,
    files: Sequence[SampleFile],
    sinks: Sequence[Sink],
    publish: str | None,
    speed: float | None,
) -> None:
    async with AsyncExitStack() as stack:
        publisher = None if publish is None else await stack.enter_async_context(_publisher(publish))
        pace = _Pace(speed)
        for file in files:
            with file, _progress(file) as bar:
                source: Any = (Messages if file.layout == "messages" else FileSamples)(run, file)
                for piece in source.pieces(pace.step_seconds):
                    await pace.until(source.time(piece))
                    await asyncio.sleep(0)  # so that Ctrl-C ends it here, whatever the pace
                    observed = source.observe(piece)
                    run.samples += sum(len(results.accepted) for _, results in observed)
                    if run.report is not None:
                        for batch, results in observed:
                            run.report.observe(batch, results)
                    replayed(sinks, run.engine, observed)
                    if publisher is not None:
                        for topic, payload in source.payloads(piece):
                            await publisher(topic, payload.encode())
                    bar.update(file.bytes_read - bar.pos)
            run.notes += file.summary()


def _progress(file: SampleFile) -> Any:
    """Return a bar over the file's bytes; it shows itself on terminals only."""
    hidden = not sys.stderr.isatty()
    return click.progressbar(length=file.size_bytes, label=file.path.name, file=sys.stderr, hidden=hidden)


class _Pace:
    """Lets file time pass `speed` times as fast as real time, or does not hold it at all."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._origin: tuple[float, float] | None = None
        self.step_seconds = np.inf if speed is None else STEP_SECONDS * speed

    async def until(self, file_time: float) -> None:
        if self._speed is None:
            return
        now = time.monotonic()
        self._origin = self._origin or (now, file_time)
        started, first = self._origin
        await asyncio.sleep(started + (file_time - first) / self._speed - now)


@asynccontextmanager
async def _publisher(url: str) -> AsyncIterator[Publisher]:
    """Connect to the broker and yield what publishes a payload at QoS 1."""
    from ewad.ingest.mqtt.settings import BrokerSettings  # 0.1 s: only where it is used
    from ewad.outputs.mqtt.client import publishing

    try:
        address = parse_url(url)
    except ValueError as error:
        raise ConfigError(f"--publish: {error}") from error
    settings = BrokerSettings(
        host=address.host,
        port=address.port,
        transport=address.transport,
        path=address.path,
        client_id="",  # the broker gives one
        username=address.username,
        password=None if address.password is None else Secret(address.password),
    )
    try:
        async with publishing(settings) as publish:
            yield publish
    except SourceError as error:
        raise SourceError(f"--publish {mask_url(url)}: {error}") from error
