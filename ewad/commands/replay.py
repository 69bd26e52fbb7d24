"""`ewad replay`: CSV files through the very engine of the daemon, as fast as it goes or at a chosen speed."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from ewad import config
from ewad.config import Settings
from ewad.config.syntax import MAX_TOPIC_BYTES, mask_url, parse_url, quoted
from ewad.engine import REFUSED, VALUE_LIMIT, Batch, Engine, Results
from ewad.errors import ConfigError, SourceError
from ewad.ingest.files import Chunk, FileOptions, RecordedMessage, SampleFile, read
from ewad.ingest.intake import Intake
from ewad.ingest.topics import TopicTemplate
from ewad.kernels.memory import Floats
from ewad.outputs.files.backfill import BackfillSink
from ewad.outputs.files.output import refuse_overlaps
from ewad.outputs.files.pictures import check_picture
from ewad.outputs.files.plot import PlotSink
from ewad.outputs.files.report import Report
from ewad.outputs.files.rows import FileSink, Sink, columns, sink, table
from ewad.outputs.text import counted
from ewad.store.model_file import start_models

# Large enough for the engine to be at its cheapest, small enough for the scans to stay short.
BATCH_SAMPLES = 4096
# At a chosen speed samples are let go in steps of so many real seconds: smooth to look at, cheap to keep.
STEP_SECONDS = 0.05
NOT_TAKEN = -2  # the row of a stream in a block that does not take it; REFUSED is -1

Observed = list[tuple[Batch, Results]]
Publisher = Callable[[str, str], Awaitable[None]]


def default_settings(environ: Mapping[str, str], block: Mapping[str, Any]) -> Settings:
    """Return the settings of a replay without a configuration file: every stream smoothed and forecast."""
    chosen = {**block, "model": block.get("model") or "linear"}
    return config.from_options(None, ("#",), environ=environ, name="replay", **chosen)


def replay(
    files: Sequence[Path],
    settings: Settings,
    *,
    output: Path | None = None,
    plot: Path | None = None,
    openmetrics: Path | None = None,
    publish: str | None = None,
    speed: float | None = None,
    file_options: FileOptions | None = None,
    config_file: Path | None = None,
    report: bool = False,
    score_from: float = 0.25,
) -> tuple[str, str]:
    """Replay the files one after another; return a summary for people, and a report or "".

    report: on what the forecasts were worth; score_from: the share of each stream that is left out of it.

    Raises SourceError where a file can't be read, ConfigError where an output can't be or is one of the
    files that are read, StateError where writing it fails.
    """
    if speed is not None and not 0.0 < speed < np.inf:
        raise ConfigError(f"--speed: expected a positive number, got {speed}")
    if not 0.0 <= score_from < 1.0:
        raise ConfigError(f"--score-from: must be in [0, 1), got {score_from}")
    inputs = [*files, *([config_file] if config_file else [])]
    refuse_overlaps(inputs, {"-o": output, "--plot": plot, "--openmetrics": openmetrics})
    run = Replay(settings, file_options)
    run.report = Report(run.engine, score_from) if report else None
    sinks: list[Sink] = []
    with ExitStack() as stack, asyncio.Runner() as runner:
        # the runner is made first: an interrupt in its making would end with a traceback
        # a mistake in the last file is told before the first is worked on
        opened = [stack.enter_context(run.read(path)) for path in files]
        if publish is not None:
            for file in opened:
                _check_topics(file, list(file.profile.streams))
        try:
            _open_sinks(sinks, run, output, plot, openmetrics)
            started = time.perf_counter()
            work = _replay(run, opened, sinks, publish, speed)
            try:
                runner.run(work)
            finally:
                work.close()  # what an interrupt has kept from beginning would end with a warning
            for each in sinks:
                each.close()
        finally:
            for each in sinks:
                each.discard()
    return run.summary(time.perf_counter() - started), str(run.report or "")


def _open_sinks(
    sinks: list[Sink], run: Replay, output: Path | None, plot: Path | None, openmetrics: Path | None
) -> None:
    """Add a sink for each of the outputs that are given."""
    groups = [group.settings for group in run.engine.groups]
    if output is not None:
        sinks.append(sink(output, columns(groups)))
    if plot is not None:
        check_picture(plot)
        units = [block.unit for block in run.settings.streams]
        sinks.append(FileSink(plot, partial(PlotSink, groups=groups, units=units)))
    if openmetrics is not None:
        sinks.append(FileSink(openmetrics, partial(BackfillSink, engine=run.engine)))


class Replay:
    """An engine under these settings, and what has gone through it."""

    def __init__(self, settings: Settings, file_options: FileOptions | None = None) -> None:
        self.settings = settings
        self._file_options = file_options
        self.engine = Engine(settings.group_settings(), settings.limits.max_streams)
        start_models(self.engine)
        self.intake = Intake(self.engine, settings.streams, settings.limits.max_payload_bytes)
        self.samples = 0
        self.refused = 0
        self.notes: list[str] = []
        self.report: Report | None = None

    def read(self, path: Path) -> SampleFile:
        """Return the file, of which nothing is in doubt. Raises SourceError."""
        return read(path, self._file_options, certain=True)

    def summary(self, seconds: float) -> str:
        """Return what was done, and what was left out."""
        engine = self.engine
        lines = [
            f"{counted(self.samples, 'sample')} of {counted(engine.n_streams, 'stream')} in {seconds:.1f} s"
            f" ({self.samples / max(seconds, 1e-9):,.0f}/s)"
        ]
        lines += self.notes
        late = sum(group.out_of_order for group in engine.groups)
        left_out = {"out of order": late, "past limits.max_streams": self.refused}
        left_out |= {reason: n for reason, n in self.intake.rejected.items() if n}
        lines += [f"left out: {n:,} {reason}" for reason, n in left_out.items() if n]
        return "\n".join(lines)


class Samples:
    """A file of samples on its way into the engine: each of its streams goes to the block that takes it."""

    def __init__(self, run: Replay, file: SampleFile) -> None:
        self._run = run
        self._file = file
        self._templates = [
            [TopicTemplate.parse(topic) for topic in block.topics] for block in run.settings.streams
        ]
        # for each block the row of each of the file's streams; REFUSED past the limit, or NOT_TAKEN
        self._rows: list[list[int]] = [[] for _ in self._templates]
        self._checked = 0  # how many of them are known to be topics

    def pieces(self, step_seconds: float) -> Iterator[Chunk]:
        """Yield the samples in pieces of at most BATCH_SAMPLES and step_seconds of file time."""
        for chunk in self._file:
            cuts = np.arange(BATCH_SAMPLES, len(chunk.time), BATCH_SAMPLES)
            if np.isfinite(step_seconds):
                cuts = np.union1d(cuts, np.flatnonzero(np.diff(chunk.time // step_seconds)) + 1)
            for start, end in itertools.pairwise([0, *cuts.tolist(), len(chunk.time)]):
                if end > start:
                    yield Chunk(chunk.time[start:end], chunk.stream[start:end], chunk.value[start:end])

    @staticmethod
    def time(piece: Chunk) -> float:
        """Return the piece's first time."""
        return float(piece.time[0])

    def observe(self, piece: Chunk) -> Observed:
        """Let the engine observe the piece."""
        for name in self._file.names[len(self._rows[0]) :]:
            for rows, place in zip(self._rows, self._places(name), strict=True):
                rows.append(place)
        refused = np.zeros(len(piece.stream), dtype=np.bool_)
        observed = []
        for index, rows in enumerate(self._rows):
            row = np.array(rows, dtype=np.int32)[piece.stream]
            refused |= row == REFUSED
            mine = np.flatnonzero(row >= 0)
            if len(mine):
                batch = Batch(index, row[mine], piece.time[mine], self._scaled(index, piece.value[mine]))
                observed.append((batch, self._run.engine.observe(batch)))
        self._run.refused += int(refused.sum())
        return observed

    def _scaled(self, index: int, value: Floats) -> Floats:
        """Return the values as the block scales them."""
        block = self._run.settings.streams[index]
        scaled = value * block.scale + block.offset
        if np.any(np.abs(scaled) >= VALUE_LIMIT):
            where = f"{self._file.path}: stream[{index}].scale, offset"
            raise SourceError(f"{where}: expected values within {VALUE_LIMIT:g}, got larger ones")
        return scaled

    def payloads(self, piece: Chunk) -> Iterator[tuple[str, str]]:
        """Yield topic and payload of each sample."""
        _check_topics(self._file, self._file.names[self._checked :])
        self._checked = len(self._file.names)
        for stream, value in zip(piece.stream.tolist(), piece.value.tolist(), strict=True):
            yield self._file.names[stream], repr(value)

    def _places(self, name: str) -> list[int]:
        """Return the stream's row in each block: in those whose topics take the name, or in the only one."""
        engine = self._run.engine
        found = [
            next((labels for template in templates if (labels := template.match(name)) is not None), None)
            for templates in self._templates
        ]
        if len(found) == 1 and found[0] is None:
            found = [()]
        if any(labels is not None for labels in found):
            return [
                NOT_TAKEN if labels is None else engine.add_stream(group, name, labels)
                for group, labels in enumerate(found)
            ]
        topics = ", ".join(topic for block in self._run.settings.streams for topic in block.topics)
        raise SourceError(
            f"{self._file.path}: column {quoted(name)}: expected a name that a topic takes: {topics}"
        )


class Messages:
    """A file of recorded messages: they are decoded as live ones are, each at its own time."""

    def __init__(self, run: Replay, file: SampleFile) -> None:
        self._run = run
        self._file = file

    def pieces(self, step_seconds: float) -> Iterator[list[RecordedMessage]]:
        """Yield the messages in pieces of at most BATCH_SAMPLES and step_seconds of file time."""
        for messages in self._file.messages():
            for _, step in itertools.groupby(messages, lambda message: message.time // step_seconds):
                while piece := list(itertools.islice(step, BATCH_SAMPLES)):
                    yield piece

    @staticmethod
    def time(piece: list[RecordedMessage]) -> float:
        """Return the piece's first time."""
        return piece[0].time

    def observe(self, piece: list[RecordedMessage]) -> Observed:
        """Decode the piece and let the engine observe it."""
        for arrival, together in itertools.groupby(piece, lambda message: message.time):
            self._run.intake.consume(list(together), arrival)
        return self._run.intake.observe()

    def payloads(self, piece: list[RecordedMessage]) -> Iterator[tuple[str, str]]:
        """Yield topic and payload of each message."""
        _check_topics(self._file, [message.topic for message in piece])
        return ((message.topic, message.payload.decode()) for message in piece)


def _check_topics(file: SampleFile, names: Iterable[str]) -> None:
    """Raise ConfigError for a name that no message can be published to."""
    for name in names:
        if not name or set(name) & set("+#\0") or len(name.encode()) > MAX_TOPIC_BYTES:
            column = name if file.layout == "wide" else file.name_column
            raise ConfigError(
                f"--publish: {file.path}: column {quoted(column)}: "
                f"expected a topic without +, # and NUL, got {quoted(name)}"
            )


async def _replay(
    run: Replay, files: Sequence[SampleFile], sinks: Sequence[Sink], publish: str | None, speed: float | None
) -> None:
    async with AsyncExitStack() as stack:
        publisher = None if publish is None else await stack.enter_async_context(_publisher(publish))
        pace = _Pace(speed)
        for file in files:
            with file, _progress(file) as bar:
                source: Any = (Messages if file.layout == "messages" else Samples)(run, file)
                for piece in source.pieces(pace.step_seconds):
                    await pace.until(source.time(piece))
                    observed = source.observe(piece)
                    run.samples += sum(len(results.accepted) for _, results in observed)
                    if run.report is not None:
                        for batch, results in observed:
                            run.report.observe(batch, results)
                    for each in sinks:
                        each.write(table(run.engine, observed))
                    if publisher is not None:
                        for topic, payload in source.payloads(piece):
                            await publisher(topic, payload)
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
    import aiomqtt

    try:
        address = parse_url(url)
    except ValueError as error:
        raise ConfigError(f"--publish: {error}") from error
    try:
        async with aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            tls_params=aiomqtt.TLSParameters() if address.transport in ("tls", "wss") else None,
            transport="websockets" if address.transport in ("ws", "wss") else "tcp",
            websocket_path=address.path or None,
        ) as client:

            async def publish(topic: str, payload: str) -> None:
                await client.publish(topic, payload, qos=1)

            yield publish
    except aiomqtt.MqttError as error:
        raise SourceError(f"--publish {mask_url(url)}: {error}") from error
