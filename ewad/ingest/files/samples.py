"""The second pass over a file: samples or recorded messages, read as the first pass has decided."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from ewad.config.syntax import quoted
from ewad.errors import SourceError
from ewad.ingest.files import sorting, summary
from ewad.ingest.files.archive import Archive
from ewad.ingest.files.case import Value
from ewad.ingest.files.clock import Clock
from ewad.ingest.files.messages import RecordedMessage, messages_in_order
from ewad.ingest.files.numbers import MISSING, numbers
from ewad.ingest.files.options import FileOptions, Layout
from ewad.ingest.files.profile import as_written, profile, text_columns
from ewad.ingest.files.sorting import Chunk
from ewad.ingest.files.table import FileReader, RowTable

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class SampleFile:
    """A file to be iterated once: chunks of samples, or messages() where layout is "messages".

    names: the streams met so far, by Chunk.stream's index. notes: what was left out, for people. doubts: what
    could as well be otherwise. Progress is bytes_read of size_bytes.
    """

    def __init__(self, archive: Archive, reader: FileReader, options: FileOptions) -> None:
        self.path = archive.path
        self.names: list[str] = []
        self._named: dict[str, str] = {}  # what a stream is called -> its name in the file
        self._archive = archive
        self._reader = reader
        self._options = options
        self.profile = profile(archive, reader, options)
        self._roles = self.profile.roles
        self.layout: Layout = self._roles.layout
        self.notes = self.profile.notes
        self.doubts = self.profile.doubts
        self._index: dict[tuple[str, ...], list[int]] = {}  # cells of the series' columns -> streams
        self._words = frozenset(MISSING) | frozenset(options.missing)
        self._sentinels = [float(word) for word in options.missing if _is_number(word)]
        self._texts = self._as_they_stand()
        if self.layout == "wide":
            for value in self._roles.values:
                self._name((), value, value.name)

    @property
    def size_bytes(self) -> int:
        """How large the file is (compressed, if it is)."""
        return self._archive.size_bytes

    @property
    def bytes_read(self) -> int:
        """How much of the file (compressed, if it is) has been read."""
        return self._archive.bytes_read

    @property
    def sorted(self) -> bool:
        """Whether samples come in order of time: they are sorted where they do not stand so."""
        return self.profile.order == "sorted" or self._options.sort is not False

    @property
    def name_column(self) -> str:
        """The column of the streams' names, or of the topics, in a file that has one."""
        return self._reader.names[self._roles.streams[0]] if self._roles.streams else ""

    def summary(self) -> list[str]:
        """Return what was decided about the file, in lines for people."""
        return summary.lines(self.path, self._reader, self.profile)

    def refuse_doubts(self) -> None:
        """Raise SourceError where what was guessed could as well be otherwise, unless that is accepted."""
        if self.doubts and not self._options.accept:
            raise SourceError(
                f"{self.path}: {'; '.join(self.doubts)}; --accept takes it so, --explain tells more"
            )

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the samples of a wide or long file, in order of time."""
        chunk_of = self._wide_chunk if self.layout == "wide" else self._long_chunk
        chunks = (chunk_of(frame.table, time, frame) for frame, time in self._timed())
        if self.profile.order == "sorted" or not self.sorted:
            return chunks
        return sorting.in_order(chunks)

    def messages(self) -> Iterator[list[RecordedMessage]]:
        """Yield the messages of a file with the columns time, topic, payload, in order of time."""
        pieces = self._messages()
        return pieces if self.profile.order == "sorted" or not self.sorted else messages_in_order(pieces)

    def _messages(self) -> Iterator[list[RecordedMessage]]:
        topic, payload = self._roles.streams
        for frame, time in self._timed():
            topics, payloads = frame.table[topic].fillna(""), frame.table[payload].fillna("")
            self._check(frame, topic, (topics == "").to_numpy(np.bool_), "expected a topic")
            known = ~np.isnan(time)
            rows = zip(time[known].tolist(), topics[known].tolist(), payloads[known].tolist(), strict=True)
            yield [RecordedMessage(moment, name, text.encode()) for moment, name, text in rows]

    def _as_they_stand(self) -> frozenset[int]:
        texts = text_columns(self._reader.names, self._reader.known, self._options)
        return texts | as_written(self._roles.clock) | {*self._roles.streams}

    def _timed(self) -> Iterator[tuple[RowTable, Floats]]:
        clock = Clock(self._roles.clock, newest_first=self.profile.runs_back)
        with self._archive:
            for frame in self._reader.frames(self._texts, False):
                yield frame, clock.seconds(frame.table)

    def _wide_chunk(self, table: pd.DataFrame, time: Floats, frame: RowTable) -> Chunk:
        values = self._roles.values
        value = np.empty((len(table), len(values)))  # (n_rows, n_streams)
        for i, each in enumerate(values):
            value[:, i] = self._numbers(table, each, frame)
        value[np.isnan(time)] = np.nan
        stream = np.broadcast_to(np.arange(len(values), dtype=np.int32), value.shape)
        return _present(time, stream, value)

    def _long_chunk(self, table: pd.DataFrame, time: Floats, frame: RowTable) -> Chunk:
        import pandas as pd

        columns = list(self._roles.streams)
        for column in columns:
            unnamed = table[column].isna() | (table[column].astype(str).str.strip() == "")
            self._check(frame, column, unnamed.to_numpy(np.bool_), "expected the name of a stream")
        codes, uniques = pd.factorize(pd.MultiIndex.from_frame(table[columns].astype(str)))
        streams = np.array([self._streams(tuple(cells)) for cells in uniques], dtype=np.int32)
        value = np.column_stack([self._numbers(table, each, frame) for each in self._roles.values])
        value[np.isnan(time)] = np.nan
        return _present(time, streams[codes].reshape(value.shape), value)

    def _streams(self, cells: tuple[str, ...]) -> list[int]:
        """Return the indexes of a series' streams, one for each column of values."""
        if cells not in self._index:
            name = "/".join(cell.strip() for cell in cells)
            values = self._roles.values
            self._index[cells] = list(range(len(self.names), len(self.names) + len(values)))
            plain = [name] if len(values) == 1 else [f"{name}/{value.name}" for value in values]
            for each in zip(values, plain, strict=True):
                self._name(cells, *each)
        return self._index[cells]

    def _name(self, cells: tuple[str, ...], value: Value, plain: str) -> None:
        """Name a further stream. Raises SourceError where the template makes one name of two."""
        name = self._called(cells, value, plain)
        if self._options.stream_name is not None and name in self._named:
            self._fail(
                f"--stream-name: expected a name for each stream, got {quoted(name)} for {quoted(plain)}"
                f" and {quoted(self._named[name])}: {{stream}} tells them apart"
            )
        self._named[name] = plain
        self.names.append(name)

    def _called(self, cells: tuple[str, ...], value: Value, plain: str) -> str:
        """Return what a stream is called. Raises SourceError for a template with unknown words."""
        template = self._options.stream_name
        if template is None:
            return plain
        columns = [self._reader.names[index] for index in self._roles.streams]
        words = {
            "stream": plain,
            "value": value.name,
            **dict(zip(columns, map(str.strip, cells), strict=False)),
        }
        unknown = [word for word in re.findall(r"\{([^{}]*)\}", template) if word not in words]
        if unknown:
            known = ", ".join(f"{{{word}}}" for word in words)
            raise SourceError(f"{self.path}: --stream-name: expected {known}, got {{{unknown[0]}}}")
        return re.sub(r"\{([^{}]*)\}", lambda found: words[found[1]], template)

    def _numbers(self, table: pd.DataFrame, value: Value, frame: RowTable) -> Floats:
        """Return a column's values, NaN for gaps and infinities."""
        import pandas as pd

        cells = table[value.column]
        if cells.dtype.kind in "iufb":
            found = cells.to_numpy(dtype=np.float64)
            found = np.where(np.isinf(found), np.nan, found)
        else:
            codes, uniques = pd.factorize(cells)
            read, bad = numbers(list(uniques), self._words, value.decimal, value.unit)
            if not value.lenient:
                self._check(frame, value.column, np.append(bad, False)[codes], "expected a number")
            found = np.append(read, np.nan)[codes]
        for sentinel in self._sentinels:
            found[found == sentinel] = np.nan
        return found

    def _check(self, frame: RowTable, column: int, bad: NDArray[np.bool_], expected: str) -> None:
        """Raise SourceError at the first bad row of a column."""
        if not bad.any():
            return
        line, cell = frame.place(int(bad.argmax()), column)
        got = quoted(cell.strip(), 40) if cell.strip() else "an empty cell"
        self._fail(f"{expected}, got {got}", line, self._reader.names[column])

    def _fail(self, message: str, line: int | None = None, column: str | None = None) -> NoReturn:
        self.close()
        if column is None:
            raise SourceError(f"{self.path}: {message}")
        place = "".join([f": line {line}" if line else "", f", column {quoted(column)}"])
        raise SourceError(f"{self.path}{place if line else ': ' + place[2:]}: {message}")

    def close(self) -> None:
        """Close the file; iterating it to its end does so too."""
        self._archive.close()

    def __enter__(self) -> SampleFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _present(time: Floats, stream: NDArray[np.int32], value: Floats) -> Chunk:
    """Return the samples of a table of values, (n_rows, n_columns), row by row without the gaps."""
    present = ~np.isnan(value)
    if present.all():
        return Chunk(np.repeat(time, value.shape[1]), stream.ravel(), value.ravel())
    return Chunk(np.repeat(time, present.sum(axis=1)), stream[present], value[present])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
