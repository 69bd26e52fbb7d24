"""How a delimited file is laid out: delimiter, header and its place, comments, units, decimal sign.

The order of the decisions is that of the sniffers of databases: first what cuts most rows alike, then what
kind of cell each column holds, and from that which rows above are header, units or neither.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ewad.config.syntax import counted
from ewad.ingest.files.numbers import COMMA, MISSING, kind_of
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.times import looks_like_a_time
from ewad.ingest.files.words import UNIT_WORDS, is_time_name

SAMPLED_ROWS = 400
SAMPLED_CHARACTERS = 256 * 1024
DELIMITERS = ",;\t|"
BLANKS = " "  # one or several blanks or tabs between cells
COMMENTS = ("#", "%", "//")
WORDS = frozenset(MISSING)
NAMED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", BLANKS: "blanks", ":": "colons"}
UNIT_SIGNS = re.compile(r"[°%/\[\]()²³µΩ]")

KNOWN_NAMES = {frozenset(("topic", "payload")), frozenset(("stream", "value"))}  # what names alone decide
WANTED_NAMES = frozenset(("topic", "payload", "stream", "value"))

Row = tuple[int, list[str]]  # the line it ends in, from 1; its cells


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """names: of the columns, "" where there is none. end: the characters of the sample above the data.

    first_line: of the data, from 1. comment: what a line of no data begins with, or "". comma: whether cells
    such as 21,5 stand for numbers as far as the sample shows. types: what most cells of each column are, see
    _type_of. ends: the numbers of cells that two or more rows of the sample end early with, see ends_early.
    units: by column, where a row tells them.
    """

    delimiter: str
    names: tuple[str, ...]
    header_line: int
    headless: bool
    comment: str
    first_line: int
    end: int
    comma: bool
    types: tuple[str, ...]
    ends: frozenset[int]
    units: dict[int, str] = field(default_factory=dict)
    facts: tuple[str, ...] = ()


class Undecided(Exception):  # noqa: N818 (becomes a SourceError that names the file)
    """No dialect fits: what was expected and what came, and the line."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def find(text: str, options: FileOptions) -> Dialect:
    """Return the dialect of a file that begins with this text. Raises Undecided."""
    lines = _Lines(text, options)
    if not any(line.strip() for line in lines.kept):
        raise Undecided("expected a header and rows, got an empty file")
    delimiter = options.delimiter or lines.announced or _delimiter(lines)
    sample = list(rows_of(lines.kept, delimiter))
    rows = sample[:SAMPLED_ROWS]
    if not rows:
        raise Undecided("expected a header and rows, got an empty file")
    width = _width(rows)
    types = [_type_of_column(rows, column) for column in range(width)]
    start = _first_data_row(rows, width, types, options)
    if options.header is False:
        start = next((i for i, (_, row) in enumerate(rows) if len(row) == width or ends_early(row, types)), 0)
    header, units_row, facts = _header(rows, start, width, types, options, lines)
    ends = _ends(sample[start:], types, lines) if delimiter != BLANKS else frozenset()
    return _assembled(lines, rows, delimiter, start, header, units_row, types, ends, facts, options)


def rows_of(lines: Sequence[str], delimiter: str) -> Iterator[Row]:
    """Yield each row that is not blank, with the line that it ends in."""
    if delimiter == BLANKS:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield from ((number, cells) for _, cells in _cut([re.sub(r"[ \t]+", " ", line.strip())], " "))
        return
    yield from (
        (number, cells) for number, cells in _cut(lines, delimiter) if len(cells) > 1 or cells[0].strip()
    )


def _cut(lines: Sequence[str], delimiter: str) -> Iterator[Row]:
    """Yield the cells of each row that has some. Raises Undecided."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise Undecided(str(error), reader.line_num) from error


class _Lines:
    """The lines of the sample; what is no row of the table is blank in `kept`."""

    def __init__(self, text: str, options: FileOptions) -> None:
        self.raw = io.StringIO(text[:SAMPLED_CHARACTERS], newline="\n").readlines()
        if len(text) > SAMPLED_CHARACTERS and len(self.raw) > 1:
            del self.raw[-1]
        skipped = options.skip_rows or 0
        self.kept = ["\n" if i < skipped else line for i, line in enumerate(self.raw)]
        self.announced: str | None = None
        self.facts: list[str] = [f"{counted(skipped, 'line')} skipped"] if skipped else []
        self.above = skipped  # lines at the top that are none of the table
        first = next((i for i, line in enumerate(self.kept) if line.strip()), None)
        if first is not None:
            found = re.fullmatch(r'"?sep=(\\t|.)"?\s*', self.kept[first])
            if found:
                self.announced = "\t" if found[1] in ("\\t", "\t") else found[1]
                self.kept[first] = "\n"
                self.above = first + 1
        self.comment = options.comment or self._comment()
        self.commented: list[tuple[int, str]] = []
        for i, line in enumerate(self.kept if self.comment else ()):
            if line.startswith(self.comment):
                self.commented.append((i + 1, line[len(self.comment) :].strip()))
                self.kept[i] = "\n"

    def _comment(self) -> str:
        """Return what comments begin with: the sample's first line does, and later ones do not."""
        lines = [line for line in self.kept if line.strip()]
        for sign in COMMENTS:
            some = [line.startswith(sign) for line in lines]
            if some and some[0] and not some[-1]:
                # a "#" alone or a quoted one is the name of a column of row numbers
                return sign if not re.match(rf"{sign}\s*[,;\t|]", lines[0]) else ""
        return ""


def _delimiter(lines: _Lines) -> str:
    """Return what cuts most rows into as many cells each, of which most are numbers or times."""
    scores = {}
    for delimiter in (*DELIMITERS, BLANKS):
        try:
            rows = list(rows_of(lines.kept[: 2 * SAMPLED_ROWS], delimiter))[:SAMPLED_ROWS]
        except Undecided:
            continue
        width = _width(rows)
        if width < 2:
            continue
        alike = [cells for _, cells in rows if len(cells) == width]
        cells = [cell for row in alike[-50:] for cell in row]
        typed = sum(_type_of(cell) not in ("text", "state") for cell in cells) / max(len(cells), 1)
        handicap = 0.6 if delimiter == BLANKS else 1.0  # blanks stand within cells, too
        scores[delimiter] = len(alike) / len(rows) * (0.2 + typed) * handicap
    return max(scores, key=lambda delimiter: scores[delimiter]) if scores else ","


def _width(rows: Sequence[Row]) -> int:
    """Return how many cells most rows have; of the same number of rows, the first ones'."""
    counts = Counter(len(cells) for _, cells in rows)
    wide = {width: count for width, count in counts.items() if width > 1} or counts
    return max(wide, key=lambda width: wide[width], default=0)


def _type_of(cell: str) -> str:
    """Return "number", "time", "missing", "state" (on, true, ...) or "text"."""
    cell = cell.strip()
    kind, unit = kind_of(cell, WORDS)
    if kind in ("point", "comma", "groups"):
        return "number" if not unit or len(unit) <= 4 else "text"
    if kind in ("missing", "state"):
        return kind
    return "time" if looks_like_a_time(cell) else "text"


def fits(cell: str, type_: str) -> bool:
    """Return whether a cell is what its column holds."""
    return type_ not in ("number", "time") or _type_of(cell) in (type_, "missing")


def ends_early(cells: Sequence[str], types: Sequence[str]) -> bool:
    """Return whether a row lacks cells at its end, none of a text or a time, and the others fit."""
    lacking = types[len(cells) :]
    fitting = 2 <= len(cells) < len(types) and all(map(fits, cells, types))
    return fitting and "text" not in lacking and "time" not in lacking


def _ends(data: Sequence[Row], types: Sequence[str], lines: _Lines) -> frozenset[int]:
    """Return the numbers of cells of rows that end early. A lone row does not count: it may be torn."""
    cut_off = 0 if lines.raw[-1].endswith("\n") else len(lines.raw)  # the last line, if it has no end
    counts = Counter(len(cells) for line, cells in data if line != cut_off and ends_early(cells, types))
    return frozenset(length for length, count in counts.items() if count > 1)


def _type_of_column(rows: Sequence[Row], column: int) -> str:
    """Return what most cells of a column are, missing ones aside; a number or a time where it is a draw."""
    width = _width(rows)
    later = rows[len(rows) // 3 :]  # the first ones may be anything
    found = [_type_of(cells[column]) for _, cells in later if len(cells) == width]
    counts = Counter(kind for kind in found if kind != "missing")
    known = [(counts[kind], kind) for kind in ("time", "number") if counts[kind]]
    if known and max(known)[0] >= counts["text"] + counts["state"]:
        return max(known)[1]
    return "text" if counts else "missing"


def _first_data_row(rows: Sequence[Row], width: int, types: Sequence[str], options: FileOptions) -> int:
    """Return the index of the first row whose cells are what their columns hold."""
    named = False  # whether a row above has the name of a time
    for i, (_, cells) in enumerate(rows):
        if KNOWN_NAMES & {frozenset(cell.strip().lower() for cell in cells) & WANTED_NAMES}:
            return i + 1
        kinds = [_type_of(cell) for cell in cells]
        held = {kind for kind, type_ in zip(kinds, types, strict=False) if kind == type_}
        if len(cells) != width:
            # a date or a number alone may stand above a header
            if ends_early(cells, types) and ("time" in held) + ("number" in held) + named >= 2:
                return i
            continue
        wrong = [
            kind == "text" for kind, type_ in zip(kinds, types, strict=True) if type_ in ("number", "time")
        ]
        if (
            "time" in held
            or (named and "number" in held)
            or (wrong and not any(wrong) and any(kind in ("number", "time") for kind in kinds))
        ):
            return i
        named = named or any(map(is_time_name, cells))
    # rows of text alone, or none that fits: what comes below the first row of that width
    first = next((i for i, (_, cells) in enumerate(rows) if len(cells) == width), 0)
    return first + 1


def _header(
    rows: Sequence[Row],
    start: int,
    width: int,
    types: Sequence[str],
    options: FileOptions,
    lines: _Lines,
) -> tuple[int | None, int | None, list[str]]:
    """Return which rows are header and units, by index, and what is to be told."""
    facts: list[str] = []
    if options.header is False:
        return None, None, facts
    if options.header or options.skip_rows is not None:
        first = next((i for i, (_, cells) in enumerate(rows) if len(cells) >= width - 1), 0)
        if first < start or options.header:
            units = first + 1 if first + 1 == start - 1 and _are_units(rows[first + 1][1], types) else None
            return first, units, facts
    above = [
        i
        for i in range(start)
        if len(rows[i][1]) in (width - 1, width, width + 1)
        and 2 * sum(bool(cell.strip()) for cell in rows[i][1]) > len(rows[i][1])
    ]
    if not above:  # a header of another width than the rows is one all the same
        return (0 if start and len(rows[0][1]) > 1 else None), None, facts
    if len(above) > 1:
        last, before = (rows[i][1] for i in (above[-1], above[-2]))
        named = any(map(is_time_name, last)) and not any(map(is_time_name, before))
        if not named and _are_units(last, types):
            return above[-2], above[-1], facts
    return above[-1], None, facts


def _are_units(cells: Sequence[str], types: Sequence[str]) -> bool:
    """Return whether a row between header and data holds units, or words on the columns."""
    some = [
        cell.strip() for cell, kind in zip(cells, types, strict=False) if kind == "number" and cell.strip()
    ]
    like = [
        len(cell) <= 16 and bool(cell.lower() in UNIT_WORDS or UNIT_SIGNS.search(cell) or len(cell) <= 4)
        for cell in some
    ]
    return bool(some) and 2 * sum(like) >= len(like)


def _assembled(
    lines: _Lines,
    rows: Sequence[Row],
    delimiter: str,
    start: int,
    header: int | None,
    units_row: int | None,
    types: Sequence[str],
    ends: frozenset[int],
    facts: list[str],
    options: FileOptions,
) -> Dialect:
    data = [cells for _, cells in rows[start:]]
    width = _width(rows[start:]) if data else 0
    if header is not None and sum(len(cells) == width for cells in data) < 2:
        width = len(rows[header][1])  # one row of another width is a mistake in it
    told = list(lines.facts)
    found, header_line = _header_names(lines, rows, width, delimiter, start, header)
    headless = found is None
    if found is None:
        told.append("no header")
    names = _names(found, data, width, types)
    above = max(lines.above, rows[header][0] if header is not None else 0)
    if header_line > 1 and not headless and any(line.strip() for line in lines.raw[: header_line - 1]):
        told.append(f"header in line {header_line}")
    units = {}
    if units_row is not None:
        above = rows[units_row][0]
        units = {i: cell.strip(" []()") for i, cell in enumerate(rows[units_row][1]) if cell.strip(" []()")}
        told.append(f"units in line {above}")
    if start and (header is None or start > header):
        above = rows[start - 1][0]  # what stands between header and data is neither
    if options.names is not None:
        names = list(options.names) + [""] * (width - len(options.names))
    cells = [cell.strip() for row in data for cell in row]
    comma = delimiter != "," and (_commas(cells) if options.decimal is None else options.decimal == ",")
    return Dialect(
        delimiter=delimiter,
        names=tuple(names),
        header_line=header_line,
        headless=headless and options.names is None,
        comment=lines.comment,
        first_line=above + 1,
        end=sum(map(len, lines.raw[:above])),
        comma=comma,
        types=tuple(types),
        ends=ends,
        units=units,
        facts=tuple(told),
    )


def _header_names(
    lines: _Lines, rows: Sequence[Row], width: int, delimiter: str, start: int, header: int | None
) -> tuple[list[str] | None, int]:
    """Return the names of the header, None if there is none, and its line."""
    if header is None:
        return _commented_header(lines, width, delimiter, rows, start)
    number, cells = rows[header]
    return [name.strip() for name in cells], number


def _names(
    found: list[str] | None, data: Sequence[Sequence[str]], width: int, types: Sequence[str]
) -> list[str]:
    """Return the names of all columns, where the header has them, or has all but one."""
    if found is None:
        return [f"column_{i}" for i in range(1, width + 1)]
    if width == len(found) + 1:
        if all(not cells[-1].strip() for cells in data if len(cells) == width):
            return [*found, ""]
        if len(data) > 1 or (types and types[0] != "time"):
            return _with_row_names(found, data, width)
    return found


def _commas(cells: Sequence[str]) -> bool:
    """Return whether cells such as 21,5 are numbers: some can't be thousands, and none has a point."""
    points = any(re.fullmatch(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?", cell) for cell in cells)
    return not points and any(
        COMMA.fullmatch(cell) and kind_of(cell, WORDS).kind == "comma" for cell in cells
    )


def _with_row_names(names: list[str], data: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the names with one for a first column that has none, as R has it, or for a time cut in two."""
    first = [row[:2] for row in data if len(row) == width]
    if first and all(looks_like_a_time(" ".join(cells)) and not _is_number(cells[0]) for cells in first):
        return [names[0], f"{names[0]} of day", *names[1:]]
    rowlike = all(not _is_decimal(row[0]) for row in data if len(row) == width)
    return ["", *names] if rowlike else names


def _is_number(cell: str) -> bool:
    return kind_of(cell.strip(), WORDS).kind in ("point", "comma", "groups")


def _is_decimal(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?\d*\.\d*\s*", cell))


def _commented_header(
    lines: _Lines, width: int, delimiter: str, rows: Sequence[Row], start: int
) -> tuple[list[str] | None, int]:
    """Return the names out of the last comment above the data, if it has as many as there are columns."""
    first = rows[start][0] if start < len(rows) else 0
    before = [(number, text) for number, text in lines.commented if number < first]
    for number, text in reversed(before):
        cells = next((cells for _, cells in rows_of([text], delimiter)), [])
        if len(cells) == width and not any(_is_number(cell) for cell in cells):
            return [cell.strip() for cell in cells], number
    return None, 0
