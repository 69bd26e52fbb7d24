"""format = "csv": a line of cells, or some, by the names of `columns` or by numbers from 1."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.fields import keys_of_labels
from ewad.ingest.formats.point import Format, Point, ReadPoints
from ewad.ingest.formats.reasons import too_large
from ewad.ingest.formats.values import TRIMMED, parse_number


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as tables of cells by their columns: numbers where they spell one."""
    columns, delimiter, spelled = block.columns, block.delimiter, keys_of_labels(block)

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        if len(payload) > max_bytes:
            raise too_large(len(payload), max_bytes)
        text = payload.decode("utf-8-sig", "replace").strip(TRIMMED)
        if not text:
            raise DecodeError("empty", "expected cells, got an empty payload")
        try:
            rows = list(
                csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True, strict=True)
            )
        except csv.Error as error:
            raise DecodeError("invalid_payload", f"expected cells between {delimiter!r}: {error}") from error
        return [Point(_cells(row, columns, spelled)) for row in rows if row and tuple(row) != columns]

    return points


def _cells(row: Sequence[str], columns: Sequence[str], spelled: Collection[str]) -> dict[str, float | str]:
    """Return the cells by their names; spelled: of those that are texts, whatever they spell."""
    names = [*columns, *(str(place) for place in range(len(columns) + 1, len(row) + 1))]
    cells = {name: cell for name, cell in zip(names, row, strict=False) if cell}
    return {name: cell.strip() if name in spelled else _value(cell) for name, cell in cells.items()}


def _value(cell: str) -> float | str:
    number = parse_number(cell)
    return cell if number is None else number


FORMAT = Format(open_points, fields=(("*", ""),))
