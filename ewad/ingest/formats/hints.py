"""What to write in a block so that it reads a payload: told by `ewad explain` where it reads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ewad.config.settings import StreamSettings
from ewad.config.syntax import field_name, quoted
from ewad.errors import DecodeError
from ewad.ingest.formats.fields import numbers
from ewad.ingest.formats.json import parse_json
from ewad.ingest.formats.zipped import unzipped

SHOWN = 20  # numbers of a document
_MOST = 1 << 20


def hints(block: StreamSettings, topic: str, payload: bytes) -> Iterator[str]:
    """Yield the numbers of a document by their paths, and the lines that would read them."""
    document = _document(payload)
    if type(document) not in (dict, list):
        return
    found = [(steps, number) for steps, number in numbers(document) if steps]
    if block.format == "number":
        yield "this looks like JSON"
    if not found:
        yield "no number is in it"
        return
    for steps, number in found[:SHOWN]:
        yield f"  {path_text(steps)} = {number}"
    if len(found) > SHOWN:
        yield f"  and {len(found) - SHOWN} more"
    paths = [path_text(steps) for steps, _ in found]
    yield from _turned_round(block, paths)
    yield "to read it:"
    yield 'format = "json"'
    yield f"field = {quoted(paths[0])}" + ('   # or "*": each number' if len(paths) > 1 else "")


def path_text(steps: tuple[str, ...]) -> str:
    """Return the path in the form that a configuration takes: dotted, or a pointer where a key has dots."""
    if any("." in step or "/" in step or "{" in step or not step for step in steps):
        return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return field_name(steps)


def _turned_round(block: StreamSettings, paths: list[str]) -> Iterator[str]:
    """Tell of a table of fields that is written the other way round."""
    for path, name in block.fields:
        if name and path not in paths and name in paths:
            yield f"field is a table of path = name: write {quoted(name)} = {quoted(path)}"


def _document(payload: bytes) -> Any:
    try:
        return parse_json(unzipped(payload, _MOST), _MOST)
    except DecodeError:
        return None
