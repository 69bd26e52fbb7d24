"""The table of options as a JSON schema, for editors, and as the reference page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ewad.config.document import SECTIONS
from ewad.config.effective import toml
from ewad.config.options import Option, Table, options_of
from ewad.numeric.schedules import SCHEDULES

DIALECT = "http://json-schema.org/draft-07/schema#"  # what editors' TOML language servers read


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of ewad.toml. What it refuses `ewad check` refuses too; that knows more."""
    return {
        "$schema": DIALECT,
        "title": "ewad.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _shaped(section.table) for name, section in SECTIONS.items()},
    }


def _shaped(table: Table) -> dict[str, Any]:
    """Return the schema of what stands at a table's name: one such table, a list, or any number by name."""
    one = {
        "type": "object",
        "description": table.text,
        "additionalProperties": False,
        "properties": {option.key: _property(option) for option in table.options},
        "required": [option.key for option in table.options if option.required],
    }
    if table.title.startswith("[["):
        return {"type": "array", "items": one, "description": table.text}
    if table.depth > 1:
        return {"type": "object", "additionalProperties": one, "description": table.text}
    return one


def _property(option: Option) -> dict[str, Any]:
    found = {**option.kind.schema, "description": _meaning(option)}
    if option.raw_default is not None:
        found["default"] = option.raw_default
    if option.example is not None:
        found["examples"] = [option.example]
    if option.instead:
        found["deprecated"] = True
    return found


def _meaning(option: Option) -> str:
    """Return what an option does, with its example, the version that brought it and what replaces it."""
    sentences = [option.text]
    if option.example is not None:
        sentences.append(f"Example: `{option.key} = {toml(option.example)}`.")
    if option.since != "0.1.0":
        sentences.append(f"Since {option.since}.")
    if option.instead:
        sentences.append(f"Deprecated: {option.instead}.")
    return " ".join(sentences)


def markdown() -> str:
    """Return the reference of all tables and keys as Markdown."""
    return "\n".join([*_pages(), *_schedules()])


def _pages() -> Iterator[str]:
    for section in SECTIONS.values():
        table = section.table
        yield from (
            f"## {table.title}",
            table.text,
            "",
            "| key | takes | default | meaning |",
            "|---|---|---|---|",
        )
        for option in table.options:
            cells = (option.key, option.kind.words, _default(option), _meaning(option))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield ""


def _default(option: Option) -> str:
    if option.default_text:
        return option.default_text
    if option.required:
        return "must be given"
    return "none" if option.raw_default is None else f"`{toml(option.raw_default)}`"


def _schedules() -> Iterator[str]:
    yield from ("## Schedules", "The kinds of `schedule`, and the constants of each.", "")
    yield from ("| kind | constant | takes | default | meaning |", "|---|---|---|---|---|")
    for name, schedule in SCHEDULES.items():
        rows = [(each.key, each.kind.words, _default(each), each.text) for each in options_of(schedule)]
        for row in rows or [("", "", "", "The rate stays.")]:
            yield f"| {' | '.join((name, *row))} |"
