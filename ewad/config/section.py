"""A section of the document: its table of options, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ewad.config.checks import Check
from ewad.config.options import DocumentPlace, Table


class Section(NamedTuple):
    """A table of the document.

    build: makes a single table's record of its values by attribute.  take: None, or what takes the raw value,
    where there may be several such tables.  needed: whether it is built even if the document lacks it.
    attribute: that of `Settings` which it becomes; "": the section's name.
    """

    table: Table
    build: Callable[[dict[str, Any], DocumentPlace], Any]
    take: Callable[[Any, DocumentPlace], Any] | None = None
    needed: bool = False
    attribute: str = ""

    def check(self, place: DocumentPlace) -> Check:
        """Return what takes the raw value of this section in a document at place."""
        take = self.take
        if take is not None:
            return lambda raw: take(raw, place)
        return lambda raw: self.table.take(raw, lambda values: self.build(values, place))


def plainly(record: Callable[..., Any]) -> Callable[[dict[str, Any], DocumentPlace], Any]:
    """Return what builds a record of values as they are."""
    return lambda values, place: record(**values)
