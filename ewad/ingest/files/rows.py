"""What readers of formats that are no tables have in common: rows, one by one, become blocks of a table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import msgspec

from ewad.errors import SourceError
from ewad.ingest.files import encoding as encodings
from ewad.ingest.files.archive import Archive
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.table import Known, Place, RowTable
from ewad.ingest.formats.json import quote_bare

BLOCK_ROWS = 20_000
DEEP = "more nested levels than can be read"

Row = tuple[int | None, Sequence[Any]]  # its line, and a cell for each of the reader's names; None: no cell


def decode_json(text: str, kind: Any = Any) -> Any:
    """Return a document of this type; bare NaN and Infinity in it, as Python writes them, are texts.

    Raises msgspec.DecodeError.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        quoted = quote_bare(text)
        if quoted == text:
            raise
        return msgspec.json.decode(quoted, type=kind)


class RowReader:
    """A reader whose format yields rows: each adds rows(), and sets names, kind and known when it is made."""

    kind = ""

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        self.archive = archive
        self.options = options
        self.names: list[str] = []
        self.known = Known()
        self.encoding = options.encoding or encodings.guess(archive)
        self.guesses: list[str] = []
        self.left_out: dict[str, tuple[int, str]] = {}

    @property
    def facts(self) -> list[str]:
        """How the file is laid out, for people."""
        found = [] if self.encoding == "utf-8" else [f"encoding {self.encoding}"]
        return [*found, self.archive.compression] if self.archive.compression else found

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the table from its beginning."""
        raise NotImplementedError

    def frames(self, texts: frozenset[int], first: bool) -> Iterator[RowTable]:
        """Yield the table in blocks."""
        import pandas as pd

        rows = self.rows()
        while block := list(itertools.islice(rows, BLOCK_ROWS)):
            columns = {}
            for index in range(len(self.names)):
                cells = [row[index] for _, row in block]
                if index in texts:
                    cells = [None if cell is None else str(cell) for cell in cells]
                columns[index] = pd.Series(cells, dtype=object).infer_objects()
            yield RowTable(pd.DataFrame(columns), _RowPlaces(block))

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the file's lines that are not blank, numbered from 1."""
        for block in self.blocks():
            for number, line in enumerate(block.content.decode().split("\n"), block.first_line):
                if line.strip():
                    yield number, line.rstrip("\r")

    def blocks(self) -> Iterator[encodings.LineBlock]:
        """Yield the file in blocks of whole lines, as UTF-8."""
        try:
            yield from encodings.blocks(self.archive, self.encoding, quoted=False)
        except encodings.NotUtf8 as error:
            self.fail(
                f"expected UTF-8, got byte 0x{error.byte:02x}: name the encoding with --encoding", error.line
            )

    def document(self, expected: str, kind: Any = Any) -> Any:
        """Return the file as one JSON document. kind: its type, as msgspec takes it."""
        try:
            return decode_json(b"".join(block.content for block in self.blocks()).decode(), kind)
        except RecursionError:
            self.fail(f"expected {expected}, got {DEEP}")
        except (msgspec.DecodeError, UnicodeError) as error:
            self.fail(f"expected {expected}, got {error}")

    def note_left_out(self, what: str) -> None:
        """Count a row that is none of the table."""
        count, shown = self.left_out.get("cells", (0, what))
        self.left_out["cells"] = count + 1, shown

    def fail(self, message: str, line: int | None = None) -> NoReturn:
        """Raise SourceError."""
        place = f": line {line}" if line else ""
        raise SourceError(f"{self.archive.path}{place}: {message}")


class _RowPlaces:
    """Finds a cell of a block again."""

    def __init__(self, block: list[Row]) -> None:
        self._block = block

    def __call__(self, row: int, column: int) -> Place:
        line, cells = self._block[row]
        return line, "" if cells[column] is None else str(cells[column])
