"""InfluxDB: annotated CSV, as `influx query --raw` and the API give it, and line protocol."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ewad.ingest.files.archive import Archive
from ewad.ingest.files.number_times import unix_form
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.rows import Row, RowReader
from ewad.ingest.files.table import Known

NUMBERS = ("double", "long", "unsignedLong", "boolean")
OWN = (
    "result",
    "table",
    "_start",
    "_stop",
    "_time",
    "_value",
    "_field",
    "_measurement",
    "error",
    "reference",
    "",
)

LINE = re.compile(
    r"(?P<series>(?:\\.|[^\s,\\])+(?:,(?:\\.|[^\s\\])+)?) "
    r"(?P<fields>(?:\\.|[^\s\"\\])+=(?:\"(?:\\.|[^\"\\])*\"|[^\s\"])+(?:\"(?:\\.|[^\"\\])*\"|[^\s\"])*)"
    r"(?: (?P<time>-?\d+))?\s*"
)
FIELD = re.compile(r"((?:\\.|[^=,\\])+)=(\"(?:\\.|[^\"\\])*\"|[^,]+)(?:,|$)")


def is_annotated(head: bytes) -> bool:
    """Return whether a file is annotated CSV of InfluxDB."""
    return re.match(rb"\s*#(?:datatype|group|default),", head) is not None or head.startswith(
        b",result,table"
    )


def is_line_protocol(head: bytes) -> bool:
    """Return whether the first lines are of InfluxDB's line protocol."""
    lines = [
        line for line in head.decode(errors="replace").splitlines()[:20] if line.strip() and line[0] != "#"
    ]
    if len(head) > 1000 and len(lines) > 1:
        del lines[-1]
    return bool(lines) and all(LINE.fullmatch(line) for line in lines)


class AnnotatedReader(RowReader):
    """A stream for each series: measurement, tags and field. Each table has a header of its own."""

    kind = "InfluxDB's annotated CSV"

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        super().__init__(archive, options)
        self.names = ["time", "series", "value"]
        self.known = Known(layout="long", time=0, streams=(1,), values=(2,))

    def rows(self) -> Iterator[Row]:
        """Yield time, series and value of each number."""
        types: list[str] = []
        header: list[str] = []
        annotated = False
        for number, line in self.lines():
            cells = next(csv.reader([line]))
            if cells[0].startswith("#"):
                if cells[0] == "#datatype":
                    types = cells[1:]
                annotated, header = True, []
            elif not header or (annotated and "_time" in cells):
                header, annotated = cells[1:], False
                if "_time" not in header:
                    self.fail("expected a column named _time", number)
            elif len(cells) != len(header) + 1:
                self.note_left_out(f"line {number}: expected {len(header) + 1} columns, got {len(cells)}")
            else:
                yield from ((number, row) for row in _numbers_of(cells[1:], header, types))


def _numbers_of(cells: Sequence[str], header: Sequence[str], types: Sequence[str]) -> Iterator[list[Any]]:
    record = dict(zip(header, cells, strict=False))
    kinds = dict(zip(header, types, strict=False))
    tags = [
        value for name, value in record.items() if name not in OWN and kinds.get(name, "string") == "string"
    ]
    series = [record.get("_measurement", ""), *tags]
    if "_value" in header:
        name = "/".join(part for part in [*series, record.get("_field", "")] if part)
        if kinds.get("_value", "double") in NUMBERS:
            yield [record["_time"], name or "value", record["_value"]]
        return
    for name in header:
        if name not in OWN and kinds.get(name) in NUMBERS:
            yield [record["_time"], "/".join(part for part in [*series, name] if part), record[name]]


class LineProtocolReader(RowReader):
    """A stream for each series: measurement, values of tags and field. Texts are left out."""

    kind = "InfluxDB's line protocol"

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        super().__init__(archive, options)
        self.names = ["time", "series", "value"]
        largest = 0.0
        for number, line in self._lines_alone():
            found = self._found(number, line)
            if found["time"] is None:
                self.fail("expected a time at the end of the line, got none", number)
            largest = max(largest, abs(float(found["time"])))
        self.known = Known(layout="long", time=0, streams=(1,), values=(2,), times={0: unix_form(largest)})

    def rows(self) -> Iterator[Row]:
        """Yield time, series and value of each number."""
        for number, line in self._lines_alone():
            found = self._found(number, line)
            measurement, *tags = re.split(r"(?<!\\),", found["series"])
            parts = [measurement, *(tag.partition("=")[2] for tag in tags)]
            for name, text in FIELD.findall(found["fields"]):
                value = _value(text)
                if value is not None:
                    yield number, [float(found["time"]), _plain("/".join([*parts, name])), value]

    def _lines_alone(self) -> Iterator[tuple[int, str]]:
        return ((number, line) for number, line in self.lines() if not line.startswith("#"))

    def _found(self, number: int, line: str) -> re.Match[str]:
        found = LINE.fullmatch(line)
        if found is None:
            self.fail("expected a line of InfluxDB's line protocol", number)
        return found


def _value(text: str) -> float | None:
    if text.startswith('"'):
        return None
    if text.lower() in ("t", "true", "f", "false"):
        return float(text.lower() in ("t", "true"))
    try:
        return float(text.rstrip("iu"))
    except ValueError:
        return None


def _plain(text: str) -> str:
    return re.sub(r"\\([ ,=\\])", r"\1", text)
