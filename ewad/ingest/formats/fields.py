"""Where values, labels and records stand in a document: paths, captures, "*"."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from ewad.config.syntax import field_name, parse_field, quoted
from ewad.errors import DecodeError
from ewad.ingest.formats.values import JSON_NAMES
from ewad.ingest.topics import Labels

MAX_LABEL = 256  # characters of a label value out of a payload
MAX_DEPTH = 32  # levels of a document that "*" looks into
_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_CAPTURE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}", re.ASCII)


class Missing:
    """What a path leads to that the document does not have."""


class Place(NamedTuple):
    """One thing in a document: what the path to it captured, its own name below a "*", and the thing."""

    labels: Labels
    name: str
    found: Any


def follow(document: Any, steps: Sequence[str]) -> Any:
    """Return what the steps lead to, or Missing."""
    for step in steps:
        if type(document) is dict:
            document = document.get(step, Missing)
        elif type(document) is list and _INDEX.fullmatch(step) and int(step) < len(document):
            document = document[int(step)]
        else:
            return Missing
    return document


class Way:
    """A path, ready to be followed: from an element, or with ^ in front from the whole document.

    names: of the labels that it captures.  star: whether it ends with "*", each number below.
    """

    def __init__(self, path: str, exclude: Sequence[str] = (), words: Collection[str] = ()) -> None:
        """exclude: patterns of names that "*" leaves out.  words: texts that are numbers to it."""
        self.path = path
        self.from_root = path.startswith("^")
        steps = () if path == "." else parse_field(path.removeprefix("^"))
        self.star = steps[-1:] == ("*",)
        self.steps = steps[:-1] if self.star else steps
        self._captures = [parts[1] if (parts := _CAPTURE.fullmatch(step)) else "" for step in self.steps]
        self.names = tuple(name for name in self._captures if name)
        self._exclude = exclude
        self._words = NOT_FINITE.union(words)

    @property
    def plain(self) -> bool:
        """Whether it leads to one thing at most."""
        return not self.names and not self.star

    def one(self, element: Any, root: Any) -> Any:
        """Return what a plain path leads to, or Missing."""
        return follow(root if self.from_root else element, self.steps)

    def all(self, element: Any, root: Any) -> Iterator[Place]:
        """Yield all that the path leads to."""
        for labels, found in self._branches(root if self.from_root else element, 0, ()):
            if not self.star:
                yield Place(labels, "", found)
                continue
            for steps, number in numbers(found, self._words):
                name = field_name(steps)
                if not self._excluded(name, steps):
                    yield Place(labels, name, number)

    def _branches(self, document: Any, at: int, labels: Labels) -> Iterator[tuple[Labels, Any]]:
        """Yield (captured labels, what is found) from a step on."""
        if at == len(self.steps):
            yield labels, document
            return
        name = self._captures[at]
        if not name:
            found = follow(document, self.steps[at : at + 1])
            if found is not Missing:
                yield from self._branches(found, at + 1, labels)
            return
        if type(document) is dict:
            for key, found in document.items():
                yield from self._branches(found, at + 1, (*labels, (name, key)))
        elif type(document) is list:
            for index, found in enumerate(document):
                yield from self._branches(found, at + 1, (*labels, (name, str(index))))

    def _excluded(self, name: str, steps: Sequence[str]) -> bool:
        return any(
            fnmatch.fnmatchcase(each, pattern)
            for pattern in self._exclude
            for each in (name, steps[-1] if steps else name)
        )


# as `formats.json` writes the bare words that C and Python print
NOT_FINITE = frozenset(("nan", "inf", "-inf"))


def numbers(
    document: Any, words: Collection[str] = NOT_FINITE, steps: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each number, true, false and word out of words of a document, with its path."""
    kind = type(document)
    if kind is float or kind is int or kind is bool or (kind is str and document in words):
        yield steps, document
    elif len(steps) >= MAX_DEPTH:
        return
    elif kind is dict:
        for key, found in document.items():
            yield from numbers(found, words, (*steps, key))
    elif kind is list:
        for index, found in enumerate(document):
            yield from numbers(found, words, (*steps, str(index)))


def label_text(name: str, found: Any) -> str:
    """Return the text of a label; "" for none. Raises DecodeError."""
    kind = type(found)
    if kind is str and len(found) <= MAX_LABEL:
        return str(found)
    if (kind is int and -(10**30) < found < 10**30) or kind is float:
        return repr(found)
    if kind is bool:
        return "true" if found else "false"
    if found is None or found is Missing:
        return ""
    got = f"a text of {len(found)} characters" if kind is str else JSON_NAMES.get(kind, "a large number")
    raise DecodeError("invalid_label", f"label {quoted(name)}: expected a short text or a number, got {got}")
