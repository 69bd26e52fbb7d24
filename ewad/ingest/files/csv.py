"""CSV files -> samples, vectorised: wide (a stream per column) and long (a stream or topic per row).

The file is read in blocks of whole lines. Each block is checked for what pandas would pass over in silence
(short rows, binary data), then parsed by pandas; only an error looks at single rows, to name its line.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from ewad.config.checks import nearest
from ewad.config.syntax import quoted
from ewad.engine import VALUE_LIMIT
from ewad.errors import SourceError
from ewad.ingest.files.times import Clock
from ewad.ingest.formats.decoders import LAST_UNIX_SECONDS, QUOTED

if TYPE_CHECKING:
    import pandas as pd

BLOCK_BYTES = 4 * 2**20  # some 65,000 rows of 64 bytes: pandas' cost per call vanishes, memory stays small
MAX_QUOTED_BYTES = 64 * 2**20  # a quote that is never closed must not read the whole file into memory
DELIMITERS = ",;\t"
GAPS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]

Layout = Literal["wide", "long", "messages"]


@dataclass(frozen=True, kw_only=True)
class CsvOptions:
    """What overrides the guesses; None guesses.

    time_column: a header; else the first column (wide) or the one named time (long). time_format: as
    strptime's. columns: the headers of the wide columns to take.
    """

    layout: Layout | None = None
    delimiter: str | None = None
    time_column: str | None = None
    time_format: str | None = None
    columns: tuple[str, ...] | None = None


class Chunk(NamedTuple):
    """Samples in the file's order: Unix seconds, index into the file's names, finite value; each (n,)."""

    time: NDArray[np.float64]
    stream: NDArray[np.int32]
    value: NDArray[np.float64]


class CsvMessage(NamedTuple):
    """A recorded message of a file with the columns time, topic, payload."""

    time: float
    topic: str
    payload: bytes
    retain: bool = False


def read(path: Path, options: CsvOptions | None = None) -> CsvFile:
    """Return the file, its header and first block already read. Raises SourceError naming line and column."""
    return CsvFile(path, options or CsvOptions())


class _Block(NamedTuple):
    """Whole lines of the file; first_line counts from 1."""

    first_line: int
    content: bytes


class CsvFile:
    """A CSV file to be iterated once: chunks of samples, or messages() where layout is "messages".

    names: the streams met so far, by Chunk.stream's index. notes: what was left out, for people. Progress is
    bytes_read of size_bytes.
    """

    def __init__(self, path: Path, options: CsvOptions) -> None:
        self.path = path
        self.options = options
        self.names: list[str] = []
        self.notes: list[str] = []
        self._raw = self._open()
        self.size_bytes = os.fstat(self._raw.fileno()).st_size
        blocks = self._blocks()
        first = next(blocks, None)
        if first is None:
            self._fail("expected a header and rows, got an empty file")
        self._delimiter, self.header, first = self._read_header(first)
        self.layout: Layout = options.layout or _layout_of(self.header)
        self._roles = self._find_roles()
        self._decimal = self._guess_decimal(first)
        self._clock = Clock(options.time_format)
        self._kinds: dict[int, bool] = {}  # column -> whether it holds numbers; absent until a cell tells
        self._index: dict[str, int] = {}  # stream name -> index in names
        rest = (self._checked(block) for block in itertools.chain([first], blocks) if block.content.strip())
        frames = ((block, self._parsed(block)) for block in rest)
        head = next(frames, None)
        if head is None:
            self._fail("expected rows below the header, got none")
        self._frames = itertools.chain([head], frames)
        if self.layout != "messages":
            self._chunks = self._chunk_each()
            self._chunks = itertools.chain([next(self._chunks)], self._chunks)

    @property
    def bytes_read(self) -> int:
        """How much of the file (compressed, if it is) has been read."""
        return self.size_bytes if self._raw.closed else self._raw.tell()

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the samples of a wide or long file."""
        return iter(self._chunks)

    def messages(self) -> Iterator[list[CsvMessage]]:
        """Yield the messages of a file with the columns time, topic, payload."""
        for block, frame in self._frames:
            time = self._times(block, frame).tolist()
            topics, payloads = frame[self._roles["topic"]], frame[self._roles["payload"]]
            self._check(block, self._roles["topic"], (topics == "").to_numpy(), "expected a topic")
            rows = zip(time, topics.tolist(), payloads.tolist(), strict=True)
            yield [CsvMessage(time, topic, payload.encode()) for time, topic, payload in rows]

    # -- bytes to checked blocks --

    def _open(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise SourceError(f"{self.path}: can't read the file: {why}") from error

    def _blocks(self) -> Iterator[_Block]:
        """Yield the file in blocks of whole lines; a quoted cell is never cut."""
        line = 1
        with self._raw as raw:
            try:
                compressed = raw.read(2) == b"\x1f\x8b"
                raw.seek(0)
                file = cast("IO[bytes]", gzip.open(raw)) if compressed else raw  # noqa: SIM115  (reads from raw)
                while content := file.read(BLOCK_BYTES):
                    content += file.readline()
                    if content.count(b'"') % 2:
                        content += self._rest_of_quote(file, line + _open_quote(content))
                    yield _Block(line, content)
                    line += content.count(b"\n")
            except (OSError, EOFError) as error:
                self._fail(f"can't read the file: {error}")

    def _rest_of_quote(self, file: IO[bytes], line: int) -> bytes:
        """Return the lines up to the one that closes the quote of this line."""
        lines: list[bytes] = []
        size = 0
        for more in file:
            lines.append(more)
            size += len(more)
            if more.count(b'"') % 2:
                return b"".join(lines)
            if size > MAX_QUOTED_BYTES:
                break
        return self._fail("expected every quote to be closed, got an odd number of them", line)

    def _checked(self, block: _Block) -> _Block:
        """Return the block if every row has a cell for every column."""
        content, width = block.content, len(self.header)
        self._decoded(block)
        lines = content.count(b"\n") + (not content.endswith(b"\n"))
        if b'"' in content or content.count(self._delimiter.encode()) != lines * (width - 1):
            for line, cells in self._rows(block):
                if len(cells) != width:
                    self._fail(f"expected {width} columns, got {len(cells)}", line)
        return block

    def _decoded(self, block: _Block) -> str:
        if b"\0" in block.content:
            self._fail("expected text, got binary data")
        try:
            return block.content.decode()
        except UnicodeDecodeError as error:
            line = block.first_line + block.content.count(b"\n", 0, error.start)
            self._fail(f"expected UTF-8, got byte 0x{block.content[error.start]:02x}", line)

    def _rows(self, block: _Block) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each row that is not blank, as pandas counts them."""
        reader = csv.reader(io.StringIO(self._decoded(block), newline=""), delimiter=self._delimiter)
        try:
            for cells in reader:
                if cells and (len(cells) > 1 or cells[0].strip(" \t")):
                    yield block.first_line + reader.line_num - 1, cells
        except csv.Error as error:
            self._fail(str(error), block.first_line + reader.line_num - 1)

    # -- the header --

    def _read_header(self, block: _Block) -> tuple[str, list[str], _Block]:
        """Return the delimiter, the column names, and what is left of the block."""
        block = block._replace(content=block.content.removeprefix(b"\xef\xbb\xbf"))
        text = self._decoded(block)
        if not text.strip():
            self._fail("expected a header and rows, got an empty file")
        blank = len(text) - len(text.lstrip("\r\n"))
        line = text[blank:].split("\n", 1)[0]
        bare = re.sub(r'"[^"]*"', "", line)
        self._delimiter = delimiter = self.options.delimiter or max(DELIMITERS, key=bare.count)
        reader = csv.reader(io.StringIO(text[blank:], newline=""), delimiter=delimiter)
        header = [name.strip() for name in next(reader)]
        end = blank + sum(
            len(row) for row in itertools.islice(io.StringIO(text[blank:], newline="\n"), reader.line_num)
        )
        number = block.first_line + text.count("\n", 0, blank)
        self._check_header(header, number)
        return delimiter, header, _Block(block.first_line + text.count("\n", 0, end), text[end:].encode())

    def _check_header(self, header: list[str], line: int) -> None:
        for index, name in enumerate(header):
            if not name:
                self._fail(f"expected a name for column {index + 1}, got none", line)
            if name in header[:index]:
                self._fail(f"expected different column names, got {quoted(name)} twice", line)
        if all(re.fullmatch(r"[-+.\d:TZ ]*\d[-+.\d:TZe ]*", name) for name in header):
            self._fail(f"expected a header line with column names, got {quoted(','.join(header))}", line)
        if len(header) < 2:
            self._fail("expected a time column and at least one numeric column, got one column", line)

    def _find_roles(self) -> dict[str, int]:
        """Return which column is what: time; in long files stream and value, or topic and payload."""
        names = {"wide": (), "long": ("stream", "value"), "messages": ("topic", "payload")}[self.layout]
        lower = [name.lower() for name in self.header]
        for name in names:
            if name not in lower:
                self._fail(f"expected a column named {name}, got {', '.join(self.header)}", 1)
        roles = {name: lower.index(name) for name in names}
        chosen = self.options.time_column
        for name in (*(self.options.columns or ()), *((chosen,) if chosen else ())):
            if name not in self.header:
                guess = nearest(name, self.header)
                self._fail(f"expected a column named {quoted(name)}, got {', '.join(self.header)}{guess}", 1)
        if chosen and self.options.columns == (chosen,):
            self._fail(f"expected columns beside that of the time, got {quoted(chosen)} alone", 1)
        if self.options.columns and self.layout != "wide":
            self._fail(f"expected a wide file to take columns of, got a {self.layout} one", 1)
        if chosen:
            return roles | {"time": self.header.index(chosen)}
        free = [index for index in range(len(self.header)) if index not in roles.values()]
        named = lower.index("time") if names and "time" in lower else None
        if named is None and not free:
            self._fail("expected a time column, got none", 1)
        return roles | {"time": free[0] if named is None else named}

    def _guess_decimal(self, block: _Block) -> str:
        """Return "," where cells between semicolons look like 21,5."""
        if self._delimiter == ",":
            return "."
        sample = block.content[:65536].decode(errors="ignore")
        point = re.search(r'(?m)(?:^|[;\t])[\s"]*-?\d*\.\d+(?:[eE][-+]?\d+)?[\s"]*(?:[;\t]|$)', sample)
        return "," if re.search(r"\d,\d", sample) and not point else "."

    # -- blocks to samples --

    def _parsed(self, block: _Block) -> pd.DataFrame:
        import pandas as pd

        texts: Any = {
            self._roles[role]: str for role in ("stream", "topic", "payload") if role in self._roles
        }
        gaps: Any = {index: GAPS for index in range(len(self.header)) if index not in texts}
        try:
            with warnings.catch_warnings():
                # cells without a column would be lost
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame: pd.DataFrame = pd.read_csv(
                    io.BytesIO(block.content),
                    header=None,
                    names=list(range(len(self.header))),
                    index_col=False,
                    sep=self._delimiter,
                    decimal=self._decimal,
                    dtype=texts,
                    na_values=gaps,
                    keep_default_na=False,
                    skipinitialspace=True,
                    low_memory=False,
                    **_exact(pd.__version__),
                )
        except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
            for line, cells in self._rows(block):
                if len(cells) != len(self.header):
                    self._fail(f"expected {len(self.header)} columns, got {len(cells)}", line)
            self._fail(f"can't read the file as CSV: {error}")
        return frame

    def _chunk_each(self) -> Iterator[Chunk]:
        chunk_of = self._wide_chunk if self.layout == "wide" else self._long_chunk
        return (chunk_of(block, frame) for block, frame in self._frames)

    def _wide_chunk(self, block: _Block, frame: pd.DataFrame) -> Chunk:
        taken = self.options.columns or self.header
        streams: list[int] = []
        columns: list[NDArray[np.float64]] = []
        time = self._times(block, frame)
        for index, name in enumerate(self.header):
            if index == self._roles["time"] or name not in taken:
                continue
            values = self._numbers(block, frame, index, required=self.options.columns is not None)
            if values is not None:
                streams.append(self._stream(name))
                columns.append(values)
        if not columns:
            if False in self._kinds.values() and True not in self._kinds.values():
                self._fail("expected at least one numeric column beside time, got text in all of them")
            return Chunk(time[:0], np.empty(0, np.int32), time[:0])
        value = np.column_stack(columns)  # (n_rows, n_streams)
        present = ~np.isnan(value)
        stream = np.broadcast_to(np.array(streams, np.int32), value.shape)
        return Chunk(np.repeat(time, present.sum(axis=1)), stream[present], value[present])

    def _long_chunk(self, block: _Block, frame: pd.DataFrame) -> Chunk:
        import pandas as pd

        codes, uniques = pd.factorize(frame[self._roles["stream"]])
        unnamed = (frame[self._roles["stream"]] == "").to_numpy()
        self._check(block, self._roles["stream"], unnamed, "expected the name of a stream")
        indexes = np.array([self._stream(str(name)) for name in uniques], dtype=np.int32)
        time = self._times(block, frame)
        value = self._numbers(block, frame, self._roles["value"], required=True)
        assert value is not None  # noqa: S101  (required)
        present = ~np.isnan(value)
        return Chunk(time[present], indexes[codes][present], value[present])

    def _stream(self, name: str) -> int:
        if name not in self._index:
            self._index[name] = len(self.names)
            self.names.append(name)
        return self._index[name]

    def _times(self, block: _Block, frame: pd.DataFrame) -> NDArray[np.float64]:
        index = self._roles["time"]
        seconds = self._clock.seconds(frame[index])
        self._check(block, index, np.isnan(seconds), "expected a time")
        beyond = np.abs(seconds) >= LAST_UNIX_SECONDS
        self._check(block, index, beyond, "expected a time up to the year 2262")
        return seconds

    def _numbers(
        self, block: _Block, frame: pd.DataFrame, index: int, required: bool = False
    ) -> NDArray[np.float64] | None:
        """Return a column's values, NaN for gaps; None for a column of text or, so far, of gaps alone."""
        import pandas as pd

        cells = frame[index]
        if self._kinds.get(index) is False:
            return None
        known = required or index in self._kinds
        if cells.dtype.kind not in "iuf":
            texts = cells.astype(str).where(cells.notna()).str.replace(self._decimal, ".", regex=False)
            values = pd.to_numeric(texts, errors="coerce")
            if not known and not values.notna().any():
                self._kinds[index] = False
                self.notes.append(f"column {quoted(self.header[index])}: text, left out")
                return None
            self._check(block, index, (values.isna() & cells.notna()).to_numpy(), "expected a number")
            cells = values
        numbers = cells.to_numpy(dtype=np.float64)
        self._check(block, index, np.abs(numbers) >= VALUE_LIMIT, "expected a finite number of ordinary size")
        if not known and np.isnan(numbers).all():
            return None
        self._kinds[index] = True
        return numbers

    def _check(self, block: _Block, column: int, bad: NDArray[np.bool_], expected: str) -> None:
        """Raise SourceError at the first bad row of a column."""
        if not bad.any():
            return
        rows = itertools.islice(self._rows(block), int(bad.argmax()), None)
        line, cells = next(rows, (None, self.header))
        cell = cells[column].strip()
        got = quoted(cell, QUOTED) if cell else "an empty cell"
        self._fail(f"{expected}, got {got}", line, self.header[column])

    def _fail(self, message: str, line: int | None = None, column: str | None = None) -> NoReturn:
        self.close()
        place = "".join([f": line {line}" if line else "", f", column {quoted(column)}" if column else ""])
        raise SourceError(f"{self.path}{place}: {message}")

    def close(self) -> None:
        """Close the file; iterating it to its end does so too."""
        self._raw.close()

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _exact(pandas_version: str) -> dict[str, Any]:
    """Return the option that reads a cell as the float64 that a live payload of its characters is."""
    major, minor = (int(part) for part in pandas_version.split(".")[:2])
    # from 3.1 on always so, and the option warns
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _open_quote(content: bytes) -> int:
    """Return in which line, from 0, the quote begins that the content does not close."""
    return [i for i, line in enumerate(content.split(b"\n")) if line.count(b'"') % 2][-1]


def _layout_of(header: list[str]) -> Layout:
    names = {name.lower() for name in header}
    if {"topic", "payload"} <= names:
        return "messages"
    return "long" if {"stream", "value"} <= names else "wide"
