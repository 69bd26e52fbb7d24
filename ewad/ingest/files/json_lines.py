"""JSON: an object a line, a list of objects, or lists side by side; recorded messages and histories, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ewad.ingest.files.archive import Archive
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.rows import DEEP, Row, RowReader, decode_json

MOST_COLUMNS = 1000
TIMES_OF_MESSAGES = ("time", "tst", "timestamp", "ts", "_time")


def is_json(head: bytes) -> bool:
    """Return whether a file holds objects, or lists of them."""
    return re.match(rb"\s*(?:\{\s*\"|\[\s*(?:\[\s*)?\{)", head) is not None


class JsonReader(RowReader):
    """Objects as rows. Nested ones are taken apart: {"a": {"b": 1}} is a column a/b."""

    kind = "JSON"

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        super().__init__(archive, options)
        self._by_line = self._is_by_line()
        if self._by_line:
            self.kind = "JSON lines"
        names: dict[str, None] = {}
        for _, flat in self._objects():
            names.update(dict.fromkeys(flat))
            if len(names) > MOST_COLUMNS:
                self.fail(f"expected at most {MOST_COLUMNS} different keys, got more")
        self.names = list(names)
        if {"topic", "payload"} <= names.keys():
            self.known.layout = "messages"
            time = next((name for name in TIMES_OF_MESSAGES if name in names), None)
            self.known.time = None if time is None else self.names.index(time)

    def rows(self) -> Iterator[Row]:
        """Yield the objects' values."""
        for line, flat in self._objects():
            yield line, [flat.get(name) for name in self.names]

    def _is_by_line(self) -> bool:
        first = next((line for _, line in self.lines()), "")
        try:
            return isinstance(decode_json(first), dict)
        except (msgspec.DecodeError, RecursionError):
            return False

    def _objects(self) -> Iterator[tuple[int | None, dict[str, Any]]]:
        if not self._by_line:
            for number, found in enumerate(_objects_in(self._whole()), 1):
                yield None, self._flat(found, number)
            return
        several = 0
        for number, line in self.lines():
            try:
                found = decode_json(line)
            except msgspec.DecodeError as error:
                self.fail(f"expected a JSON object, got {error}", number)
            except RecursionError:
                self.fail(f"expected a JSON object, got {DEEP}", number)
            if not isinstance(found, dict):
                self.fail("expected a JSON object", number)
            several += 1
            if several == 1 and (nested := list(_objects_in(found))) != [found]:
                yield from ((None, self._flat(each, i)) for i, each in enumerate(nested, 1))
                continue
            yield number, self._flat(found, number)

    def _whole(self) -> Any:
        return self.document("JSON")

    def _flat(self, found: Any, number: int) -> dict[str, Any]:
        if not isinstance(found, dict):
            self.fail(f"expected objects in the list, got something else at number {number}")
        if "topic" in found and "payload" in found:
            payload = found["payload"]
            if not isinstance(payload, str | None):
                return {**found, "payload": msgspec.json.encode(payload).decode()}
            return found
        try:
            return dict(_leaves(found, ""))
        except RecursionError:
            self.fail(
                f"expected objects of a few nested levels, got {DEEP}", number if self._by_line else None
            )


def _leaves(found: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}/")
        elif not isinstance(value, list):
            yield f"{prefix}{key}", value


def _objects_in(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list, of lists in a list, or those that lists side by side in an object make."""
    if isinstance(document, list):
        for element in document:
            if isinstance(element, list):  # an entity's history: only its first state names the entity
                before: dict[str, Any] = {}
                for each in element:
                    before = {**{key: before[key] for key in ("entity_id",) if key in before}, **each}
                    yield before
            else:
                yield element
        return
    if isinstance(document, dict):
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        lengths = {len(value) for value in lists.values()}
        if (
            len(lists) > 1
            and len(lengths) == 1
            and not any(isinstance(v, dict | list) for v in _first(lists))
        ):
            yield from (dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True))
            return
        tables = [value for value in document.values() if isinstance(value, dict) and _is_table(value)]
        nested = [value for value in lists.values() if value and isinstance(value[0], dict)]
        if tables or nested:
            for each in [*tables[:1], *nested[:1]][:1]:
                yield from _objects_in(each)
            return
        yield document


def _first(lists: dict[str, list[Any]]) -> list[Any]:
    return [value[0] for value in lists.values() if value]


def _is_table(document: dict[str, Any]) -> bool:
    lengths = [len(value) for value in document.values() if isinstance(value, list)]
    return len(lengths) > 1 and len(set(lengths)) == 1 and lengths[0] > 0
