"""Delimited text in all its dialects -> a table. Comma-separated values are but the best known of them.

The file is read in blocks of whole lines. Each block is checked for what pandas would pass over in silence
(short rows, binary data), then parsed by pandas; single rows are looked at only where that finds some.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ewad.errors import SourceError
from ewad.ingest.files import dialect as dialects
from ewad.ingest.files import encoding as encodings
from ewad.ingest.files.archive import UNREADABLE, Archive
from ewad.ingest.files.encoding import MAX_QUOTED_BYTES, LineBlock, NotUtf8
from ewad.ingest.files.numbers import MISSING
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.table import Known, Place, RowTable

if TYPE_CHECKING:
    import pandas as pd

    from ewad.ingest.files.dialect import Dialect

csv.field_size_limit(MAX_QUOTED_BYTES)  # of the whole process: the module has no other way
TEXT_NAMES = ("topic", "payload", "stream")  # columns whose cells are names or payloads, whatever they hold


class _Row(NamedTuple):
    """A row. line: it ends in, from 1. cells: as they stand. whole: one for each column; None: left out."""

    line: int
    cells: list[str]
    whole: list[str] | None


class CsvReader:
    """Delimited text. names, known: of its columns; the dialect is found from the beginning of the file."""

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        self.kind = "CSV"
        self._archive = archive
        self._options = options
        self.encoding = options.encoding or encodings.guess(archive)
        self.left_out: dict[str, tuple[int, str]] = {}
        self.guesses: list[str] = []
        try:
            self._dialect, self._skipped_bytes = self._find_dialect()
        except NotUtf8 as error:
            self.fall_back(error)
            self._dialect, self._skipped_bytes = self._find_dialect()
        dialect = self._dialect
        self.names = list(dialect.names)
        self._width = len(self.names)
        self._missing = [*MISSING, *options.missing]
        self.known = Known(
            units=dict(dialect.units),
            comma=dialect.comma,
            headless=dialect.headless,
            header_line=dialect.header_line or None,
        )
        self._check_header()

    @property
    def facts(self) -> list[str]:
        """How the file is laid out, for people."""
        found = [f"cells between {dialects.NAMED[self._dialect.delimiter]}"]
        found += [] if self.encoding == "utf-8" else [f"encoding {self.encoding}"]
        found += [self._archive.compression] if self._archive.compression else []
        found += [f"comments after {self._dialect.comment}"] if self._dialect.comment else []
        return [*found, *self._dialect.facts]

    def fall_back(self, error: NotUtf8) -> None:
        """Read a file that is not in UTF-8 as Windows-1252 from now on. Raises SourceError if it is not."""
        if self._options.encoding is not None or self.encoding != "utf-8" or not self._western():
            self.fail(
                f"expected UTF-8, got byte 0x{error.byte:02x}: name the encoding with --encoding", error.line
            )
        self.encoding = "cp1252"
        self.guesses.append("not in UTF-8: read as Windows-1252 (--encoding)")

    def _western(self) -> bool:
        try:
            return encodings.is_western(self._archive)
        except UNREADABLE as error:
            raise self._archive.failure(error) from error

    def frames(self, texts: frozenset[int], first: bool) -> Iterator[RowTable]:
        """Yield the table in blocks."""
        if self._options.decimal == "," and not self.known.comma:  # else 1.234 would be a number with a point
            texts = frozenset(range(self._width))
        for block in self._rows_alone():
            content = block.content if self._seems_whole(block.content) else self._whole(block, first)
            table = self._parsed(block, content, texts, first)
            if len(table):
                yield RowTable(table, _CsvPlaces(self, block))

    # -- the header --

    def _find_dialect(self) -> tuple[Dialect, int]:
        size = dialects.SAMPLED_CHARACTERS
        blocks = encodings.blocks(self._archive, self.encoding, quoted=False, size=size)
        block = next(blocks, None)
        if block is None:
            self.fail("expected a header and rows, got an empty file")
        text = self._decoded(block)
        try:
            dialect = dialects.find(text, self._options)
        except dialects.Undecided as error:
            self.fail(error.message, error.line)
        return dialect, len(text[: dialect.end].encode())

    def _check_header(self) -> None:
        names, line = self.names, self.known.header_line or 1
        if len([name for name in names if name]) < 2 and len(names) < 2:
            self.fail("expected a time column and at least one numeric column, got one column", line)
        for index, name in enumerate(names):
            if name and name in names[:index]:
                self.fail(
                    f'expected different column names, got "{name}" twice: give others with --names', line
                )

    # -- bytes to checked blocks --

    def _rows_alone(self) -> Iterator[LineBlock]:
        """Yield the file without what stands above the data."""
        skip = self._skipped_bytes
        quoted = self._dialect.delimiter != dialects.BLANKS
        for block in self._blocks(quoted):
            if skip >= len(block.content):
                skip -= len(block.content)
                continue
            lines = block.content.count(b"\n", 0, skip)
            yield self._cleaned(LineBlock(block.first_line + lines, block.content[skip:]))
            skip = 0

    def _blocks(self, quoted: bool) -> Iterator[LineBlock]:
        for block in encodings.blocks(self._archive, self.encoding, quoted=quoted):
            if b"\0" in block.content:
                self.fail("expected text, got binary data")
            yield block

    def _cleaned(self, block: LineBlock) -> LineBlock:
        """Return the block without comments, and with one tab for the blanks between cells."""
        content = block.content
        if self._dialect.comment:
            sign = re.escape(self._dialect.comment.encode())
            content = re.sub(rb"(?m)^" + sign + rb"[^\n]*$", b"", content)
        if self._dialect.delimiter == dialects.BLANKS:
            content = re.sub(rb"(?m)^[ \t]+|[ \t\r]+$", b"", content)
            content = re.sub(rb"[ \t]+", b"\t", content)
        return LineBlock(block.first_line, content)

    @property
    def _cut(self) -> str:
        return "\t" if self._dialect.delimiter == dialects.BLANKS else self._dialect.delimiter

    def _seems_whole(self, content: bytes) -> bool:
        """Return whether there are as many delimiters as rows with a cell for every column have.

        Too few here and too many there may sum up alike: pandas tells of too many.
        """
        lines = content.count(b"\n") + (not content.endswith(b"\n"))
        return b'"' not in content and content.count(self._cut.encode()) == lines * (self._width - 1)

    def _whole(self, block: LineBlock, first: bool) -> bytes:
        """Return the content with a cell for every column in each row, without rows that can't have one."""
        width = self._width
        others = [row for row in self._all_rows(block) if len(row.cells) != width]
        if not others:
            return block.content
        for row in others if first else ():
            reason = "cells" if row.whole is None else "short"
            count, shown = self.left_out.get(reason, (0, ""))
            shown = shown or f"line {row.line}: expected {width} columns, got {len(row.cells)}"
            self.left_out[reason] = count + 1, shown
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self._cut, lineterminator="\n")
        writer.writerows(cells for _, cells in self.rows(block))
        return out.getvalue().encode()

    def rows(self, block: LineBlock) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each row of the table, as pandas counts them."""
        return ((row.line, row.whole) for row in self._all_rows(block) if row.whole is not None)

    def _all_rows(self, block: LineBlock) -> Iterator[_Row]:
        """Yield each row that is not blank."""
        text = self._decoded(block)
        cut_off = 0 if text.endswith("\n") else text.count("\n") + 1  # the last line, if it has no end
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._cut, skipinitialspace=True)
        try:
            for cells in reader:
                if cells and (len(cells) > 1 or cells[0].strip(" \t")):
                    whole: list[str] | None = cells
                    if len(cells) != self._width:
                        whole = self._filled(cells) if reader.line_num != cut_off else None
                    yield _Row(block.first_line + reader.line_num - 1, cells, whole)
        except csv.Error as error:
            self.fail(str(error), block.first_line + reader.line_num - 1)

    def _filled(self, cells: list[str]) -> list[str] | None:
        """Return a short row with gaps at its end, as pandas and R read it; None for one that is no such row.

        Others of the file end there, too, and its cells are what their columns hold. A column of texts has no
        gaps, and where blanks stand between cells nobody knows which cell is missing.
        """
        types, missing = self._dialect.types, self.names[len(cells) :]
        if len(cells) not in self._dialect.ends or len(types) != self._width:
            return None
        if not dialects.ends_early(cells, types) or any(name.lower() in TEXT_NAMES for name in missing):
            return None
        return cells + [""] * len(missing)

    def _decoded(self, block: LineBlock) -> str:
        if b"\0" in block.content:
            self.fail("expected text, got binary data")
        return block.content.decode()

    # -- blocks to tables --

    def _parsed(self, block: LineBlock, content: bytes, texts: frozenset[int], first: bool) -> pd.DataFrame:
        """Return the content, of the block or of its whole rows alone, as a table. Raises SourceError."""
        import pandas as pd

        if not content.strip():
            return pd.DataFrame()
        columns = range(self._width)
        gaps: Any = {index: self._missing for index in columns if index not in texts}
        try:
            with warnings.catch_warnings():
                # cells without a column would be lost
                warnings.simplefilter("error", pd.errors.ParserWarning)
                table: pd.DataFrame = pd.read_csv(
                    io.BytesIO(content),
                    header=None,
                    names=list(columns),
                    index_col=False,
                    sep=self._cut,
                    decimal="," if self._dialect.comma else ".",
                    dtype={index: str for index in columns if index in texts},
                    na_values=gaps,
                    keep_default_na=False,
                    skipinitialspace=True,
                    low_memory=False,
                    **_exact(pd.__version__),
                )
        except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
            whole = self._whole(block, first) if content == block.content else content
            if whole == content:
                self.fail(f"can't read the file as CSV: {error}")
            return self._parsed(block, whole, texts, first)
        return table

    def fail(self, message: str, line: int | None = None) -> NoReturn:
        """Raise SourceError."""
        place = f": line {line}" if line else ""
        raise SourceError(f"{self._archive.path}{place}: {message}")


class _CsvPlaces:
    """Finds a cell of a block again."""

    def __init__(self, reader: CsvReader, block: LineBlock) -> None:
        self._reader = reader
        self._block = block

    def __call__(self, row: int, column: int) -> Place:
        found = next(itertools.islice(self._reader.rows(self._block), row, None), None)
        return (None, "") if found is None else (found[0], found[1][column])


def _exact(pandas_version: str) -> dict[str, Any]:
    """Return the option that reads a cell as the float64 that a live payload of its characters is."""
    major, minor = (int(part) for part in pandas_version.split(".")[:2])
    # from 3.1 on always so, and the option warns
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}
