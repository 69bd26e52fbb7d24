"""format = "number": a payload that is a number."""

from __future__ import annotations

from collections.abc import Sequence

from ewad.config.settings import StreamSettings
from ewad.ingest.formats.point import Format, Point, Quick, ReadPoints
from ewad.ingest.formats.reasons import too_large


def open_points(block: StreamSettings, max_bytes: int) -> ReadPoints:
    """Return what reads payloads as texts."""

    def points(topic: str, payload: bytes) -> Sequence[Point]:
        if len(payload) > max_bytes:
            raise too_large(len(payload), max_bytes)
        return (Point(payload.decode("utf-8-sig", "replace")),)

    return points


def quick_value(steps: tuple[str, ...], limit: float, max_bytes: int, careful: Quick) -> Quick:
    """Return the reader of the common case, a plain number; the rest is careful's."""
    low, high = -limit, limit

    def value(payload: bytes) -> float:
        # float takes 1_000 as well; 95 is "_"
        try:
            number = float(payload)
        except ValueError:
            return careful(payload)
        if low < number < high and 95 not in payload and len(payload) <= max_bytes:
            return number
        return careful(payload)

    return value


FORMAT = Format(open_points, quick=quick_value, spells_numbers=True)
