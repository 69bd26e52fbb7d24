"""A line of JSON for each accepted sample, to a file or to standard output (`--jsonl -`)."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import msgspec
import numpy as np

from ewad.config import Settings
from ewad.errors import ConfigError
from ewad.outputs.files.output import Output
from ewad.outputs.registry import result_values
from ewad.outputs.sinks import Observed, Sink

STANDARD_OUTPUT = "-"


class JsonlSink(Sink):
    """Appends lines in the order of the samples. A slow reader is waited for.

    A line has time, stream, group, labels, value, then the columns of `ewad replay -o`; null: not known yet.
    """

    def __init__(self, settings: Settings) -> None:
        """Take settings whose jsonl is a path, or "-". Raises ConfigError if no file can be there."""
        self._path: str = settings.sinks["jsonl"]
        self._waiting = bytearray()
        self._encoder = msgspec.json.Encoder()
        self._descriptor: int | None = _opened(self._path)

    def fits(self, settings: Settings) -> bool:
        """Whether the lines go to the same place."""
        return settings.sinks.get("jsonl") == self._path

    def observed(self, observed: Observed) -> None:
        """Take the lines of a batch."""
        batch, results, streams, settings, _ = observed
        accepted = results.accepted
        rows = batch.stream[accepted].tolist()
        columns = {
            "time": batch.time[accepted].tolist(),
            "stream": [streams.names[row] for row in rows],
            "group": [settings.name] * len(rows),
            "labels": [dict(streams.labels[row]) for row in rows],
            "value": batch.value[accepted].tolist(),
        }
        columns |= {
            name: np.asarray(values).tolist() for name, values in result_values(settings, results).items()
        }
        lines = (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))
        self._waiting += self._encoder.encode_lines(lines)

    def flush(self) -> None:
        """Write the lines. Raises OSError, with the rest kept, where that fails."""
        while self._waiting and self._descriptor is not None:
            written = os.write(self._descriptor, self._waiting)
            del self._waiting[:written]

    def close(self) -> None:
        """Close the file; standard output stays open."""
        descriptor, self._descriptor = self._descriptor, None
        if self._path != STANDARD_OUTPUT and descriptor is not None:
            os.close(descriptor)

    def discard(self) -> None:
        """Close the file, come what may."""
        with contextlib.suppress(OSError):
            self.close()


class LinesFile(JsonlSink):
    """Lines of a replay: the file appears in its place when it is closed, whole."""

    def __init__(self, settings: Settings) -> None:
        """Take settings whose jsonl is a path. Raises ConfigError if no file can be there."""
        self._output = Output(Path(settings.sinks["jsonl"]))
        super().__init__(settings.with_sink("jsonl", str(self._output.unfinished)))

    def flush(self) -> None:
        """Write the lines. Raises StateError where that fails."""
        with self._output.writing():
            super().flush()

    def close(self) -> None:
        """Finish the file and put it in its place."""
        super().close()
        self._output.finish()

    def discard(self) -> None:
        """Leave no file behind, unless it is closed already."""
        with contextlib.suppress(OSError):
            super().close()
        self._output.discard()


def lines_of_replay(settings: Settings, path: Path) -> JsonlSink:
    """Return the sink of a replay's lines: to standard output at once, or to a file, whole."""
    settings = settings.with_sink("jsonl", str(path))
    return JsonlSink(settings) if str(path) == STANDARD_OUTPUT else LinesFile(settings)


def _opened(path: str) -> int:
    if path == STANDARD_OUTPUT:
        if sys.stdout is None:
            raise ConfigError("--jsonl -: expected a standard output, got a closed one")
        return sys.stdout.fileno()
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ConfigError(f"--jsonl {path}: can't write there: {error.strerror}") from error
