"""Numbers and tables for people, as text."""

from __future__ import annotations

from collections.abc import Sequence


def utf8(text: str) -> str:
    """Return text that UTF-8 can carry: a lone surrogate, which a file can hold, becomes a question mark."""
    return text.encode(errors="replace").decode()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines: the first column to the left, the others, numbers, to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    ]
