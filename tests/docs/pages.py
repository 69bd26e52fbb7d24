"""The blocks of the pages: configurations and commands, as they stand there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Command(NamedTuple):
    """A command of a `console` block, what it prints, and the configuration above it on its page."""

    line: str
    output: str
    config: str


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield language and text of each block of a page."""
    yield from BLOCK.findall(page.read_text(encoding="utf-8"))


def configurations(page: Path) -> list[str]:
    """Return the whole configurations of a page: its `toml` blocks."""
    return [text for language, text in blocks(page) if language == "toml"]


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands of the `console` blocks of a page."""
    config = ""
    for language, text in blocks(page):
        if language == "toml":
            config = text
        if language == "console":
            for command in text.removeprefix("$ ").split("\n$ "):
                line, _, output = command.partition("\n")
                yield Command(line, output.strip(), config)


def fits(shown: str, output: str) -> bool:
    """Return whether the output is what is shown; three dots at the end of a line stand for anything."""
    parts = [re.escape(part) for part in re.split(r"\.\.\.$", shown, flags=re.MULTILINE)]
    return re.fullmatch(".*".join(parts), output, re.DOTALL) is not None
