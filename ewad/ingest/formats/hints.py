"""What to write in a block so that it reads a payload: told by `ewad explain` where it reads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ewad.config.settings import StreamSettings
from ewad.config.syntax import field_name, parse_field, quoted
from ewad.errors import DecodeError
from ewad.ingest.formats.fields import MAX_DEPTH, TOO_DEEP, Way, numbers
from ewad.ingest.formats.json import parse_json
from ewad.ingest.formats.reasons import ABSENT
from ewad.ingest.formats.records import PayloadReader
from ewad.ingest.formats.values import TRIMMED
from ewad.ingest.formats.zipped import unzipped

SHOWN = 20  # numbers of a document
# Keys that may read a text, the likeliest first; a pack of SenML is JSON, too.
_KEYS: tuple[dict[str, Any], ...] = (
    {"format": "sparkplug"},
    {"format": "senml"},
    {"decimal": ","},
    {"strip_unit": True},
    {"decimal": ",", "strip_unit": True},
    {"format": "influx"},
    {"format": "keyvalue"},
    {"format": "csv"},
)
_WORD = re.compile(r"[^\W\d_]{1,20}")
_MOST = 1 << 20


def hints(block: StreamSettings, topic: str, payload: bytes) -> Iterator[str]:
    """Yield the numbers of a document by their paths, and the lines that would read them, or a text."""
    keys = next((keys for keys in _KEYS if _reads(keys, topic, payload)), None)
    if keys is not None:
        yield "to read it:"
        yield from (f"{key} = {'true' if value is True else quoted(value)}" for key, value in keys.items())
        return
    document = _document(payload)
    if type(document) not in (dict, list):
        yield from _of_word(block, payload)
        return
    all_found = numbers(document)
    found = [(steps, number) for steps, number in all_found if steps and number is not TOO_DEEP]
    if block.format == "number":
        yield "this looks like JSON"
    if not found:
        yield f"it has more than {MAX_DEPTH} levels" if all_found else "no number is in it"
        return
    every = Way("*", block.exclude)
    found = [(steps, number) for steps, number in found if every.wants(steps)]
    if not found:
        yield "no number is in it that `exclude` does not leave out"
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


def fits(form: str, payload: bytes) -> bool:
    """Return whether a payload may be of a format, of those that read much: a measurement has no "="."""
    pairs = b"=" in payload.split(b",")[0].split(b" ")[0]
    return {"influx": not pairs, "keyvalue": pairs}.get(form, True)


def _reads(keys: dict[str, Any], topic: str, payload: bytes) -> bool:
    """Return whether a block with these keys takes numbers of a payload, and refuses nothing of it."""
    if not fits(keys.get("format", ""), payload):
        return False
    reader = PayloadReader(StreamSettings(name="hint", topics=("#",), **keys), _MOST)
    try:
        values = [record.value for record in reader.read(topic, payload, 0.0)]
    except DecodeError:
        return False
    faults = [value for value in values if isinstance(value, DecodeError)]
    return len(values) > len(faults) and all(fault.reason in ABSENT for fault in faults)


def _of_word(block: StreamSettings, payload: bytes) -> Iterator[str]:
    word = payload[:100].decode("utf-8", "replace").strip(TRIMMED + '"')
    if _WORD.fullmatch(word) and not block.states:
        yield "to read it, with each word and its number:"
        yield f"states = {{ {word} = 1 }}" if word.isascii() else f"states = {{ {quoted(word)} = 1 }}"


def path_text(steps: tuple[str, ...]) -> str:
    """Return the path as a configuration takes it: dotted where that is read so, else a pointer."""
    dotted = field_name(steps)
    try:
        if "{" not in dotted and parse_field(dotted) == steps:
            return dotted
    except ValueError:
        pass
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


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
