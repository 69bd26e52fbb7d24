"""Files on their way into the engine: samples by their streams, recorded messages as live ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ewad.config.syntax import MAX_TOPIC_BYTES, quoted
from ewad.engine import REFUSED, VALUE_LIMIT, Batch, Results
from ewad.errors import ConfigError, SourceError
from ewad.ingest.files import Chunk, RecordedMessage, SampleFile
from ewad.ingest.topics import TopicTemplate
from ewad.kernels.memory import Floats

if TYPE_CHECKING:
    from ewad.commands.replayed import Replay

# Large enough for the engine to be at its cheapest, small enough for the scans to stay short.
BATCH_SAMPLES = 4096
NOT_TAKEN = -2  # the row of a stream in a block that does not take it; REFUSED is -1

Observed = list[tuple[Batch, Results]]


class FileSamples:
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
            if self._run.further:  # no stream twice in a piece: what stands after it is then of each sample
                cuts = np.union1d(cuts, _repeats(chunk.stream))
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
            mine = np.flatnonzero((row >= 0) & ~self._run.known_already(index, row, piece.time))
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
        check_topics(self._file, self._file.names[self._checked :])
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
        if self._run.warm:
            found = [self._run.intake.labels_of(group, name) for group in range(len(found))]
        elif len(found) == 1 and found[0] is None:
            found = [()]
        if any(labels is not None for labels in found):
            return [
                NOT_TAKEN if labels is None else engine.add_stream(group, name, labels)
                for group, labels in enumerate(found)
            ]
        topics = ", ".join(topic for block in self._run.settings.streams for topic in block.topics)
        remedy = ": give such names with --stream-name, such as 'site/{stream}/temperature'" * self._run.warm
        raise SourceError(
            f"{self._file.path}: column {quoted(name)}: expected a name that a topic takes: {topics}{remedy}"
        )


def _repeats(stream: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return where a chunk must be cut for no stream to come twice in a piece."""
    cuts: list[int] = []
    seen: set[int] = set()
    for place, each in enumerate(stream.tolist()):
        if each in seen:
            cuts.append(place)
            seen.clear()
        seen.add(each)
    return np.array(cuts, dtype=np.int64)


class Messages:
    """A file of recorded messages: they are decoded as live ones are, each at its own time."""

    def __init__(self, run: Replay, file: SampleFile) -> None:
        self._run = run
        self._file = file

    def pieces(self, step_seconds: float) -> Iterator[list[RecordedMessage]]:
        """Yield the messages in pieces of at most BATCH_SAMPLES and step_seconds of file time."""
        for messages in self._file.messages():
            new = [message for message in messages if not self._run.has_message(message.topic, message.time)]
            most = 1 if self._run.further else BATCH_SAMPLES
            for _, step in itertools.groupby(new, lambda message: message.time // step_seconds):
                while piece := list(itertools.islice(step, most)):
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
        check_topics(self._file, [message.topic for message in piece])
        return ((message.topic, message.payload.decode()) for message in piece)


def check_topics(file: SampleFile, names: Iterable[str]) -> None:
    """Raise ConfigError for a name that no message can be published to."""
    for name in names:
        if not name or set(name) & set("+#\0") or len(name.encode()) > MAX_TOPIC_BYTES:
            column = name if file.layout == "wide" else file.name_column
            raise ConfigError(
                f"--publish: {file.path}: column {quoted(column)}: "
                f"expected a topic without +, # and NUL, got {quoted(name)}"
            )
