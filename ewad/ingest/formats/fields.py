"""Where values, labels and records stand in a document: paths, captures, "*"."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from ewad.config.settings import StreamSettings
from ewad.config.syntax import field_name, parse_field, quoted
from ewad.errors import DecodeError
from ewad.ingest.formats.values import JSON_NAMES, Missing, Unreadable
from ewad.ingest.topics import Labels

MAX_LABEL = 256  # characters of a label value out of a payload
NAMES = 4096  # of fields below a "*" that are remembered
MAX_DEPTH = 32  # levels of a document that "*" looks into
TOO_DEEP = Unreadable(f"a table or list below {MAX_DEPTH} levels of others")
_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_CAPTURE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}", re.ASCII)


class Place(NamedTuple):
    """One thing in a document: what the path to it captured, the whole path, its own name below a "*"."""

    labels: Labels
    path: str
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

    names: of the labels that it captures.  star: whether it ends with "*", each number below.  plain: whether
    it leads to one thing at most.
    """

    def __init__(
        self,
        path: str,
        exclude: Sequence[str] = (),
        words: Collection[str] = (),
        own: Sequence[tuple[str, ...]] = (),
    ) -> None:
        """exclude: patterns of names that "*" leaves out.  words: texts that are numbers to it.

        own: steps to what else it leaves out, from where the path begins.
        """
        self.path = path
        self.from_root = path.startswith("^")
        steps = () if path == "." else parse_field(path.removeprefix("^"))
        self.star = steps[-1:] == ("*",)
        self.steps = steps[:-1] if self.star else steps
        self._captures = [parts[1] if (parts := _CAPTURE.fullmatch(step)) else "" for step in self.steps]
        self.names = tuple(name for name in self._captures if name)
        self.plain = not self.names and not self.star
        self._key = self.steps[0] if len(self.steps) == 1 and not self.from_root else None
        self._exclude = exclude
        n = len(self.steps)
        self._own = frozenset(steps[n:] for steps in own if len(steps) > n and steps[:n] == self.steps)
        self._words = NOT_FINITE.union(words)
        self._named: dict[tuple[str, ...], tuple[bool, str, str]] = {}

    def one(self, element: Any, root: Any) -> Any:
        """Return what a plain path leads to, or Missing."""
        if self._key is not None and type(element) is dict:
            return element.get(self._key, Missing)
        return follow(root if self.from_root else element, self.steps)

    def all(self, element: Any, root: Any) -> list[Place]:
        """Return all that the path leads to."""
        places: list[Place] = []
        for labels, found in self._branches(root if self.from_root else element, 0, ()):
            if not self.star:
                places.append(Place(labels, self.path, "", found))
                continue
            for steps, number in numbers(found, self._words):
                named = self._named.get(steps)
                if named is None:
                    named = self._name(steps)
                if named[0]:
                    places.append(Place(labels, named[1], named[2], number))
        return places

    def wants(self, steps: tuple[str, ...]) -> bool:
        """Return whether a number is wanted that stands below the "*" by these steps."""
        return (self._named.get(steps) or self._name(steps))[0]

    def below(self, document: Any) -> list[tuple[str, ...]]:
        """Return the steps to each number of a document that a "*" wants, in their order."""
        found = (steps for steps, _ in numbers(document, self._words))
        return [steps for steps in found if self.wants(steps)]

    def _name(self, steps: tuple[str, ...]) -> tuple[bool, str, str]:
        """Return whether a number below the "*" is wanted, its path and its name; they come again."""
        if len(self._named) >= NAMES:
            self._named.clear()
        name = field_name(steps) if steps else BARE
        wanted = steps not in self._own and not self._excluded(name, steps)
        named = self._named[steps] = (wanted, f"{self.path[:-1]}{name}", name)
        return named

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


BARE = "value"  # the name of a number that stands where a "*" expects a document
# as `formats.json` writes the bare words that C and Python print
NOT_FINITE = frozenset(("nan", "inf", "-inf"))


def numbers(
    document: Any, words: Collection[str] = NOT_FINITE, steps: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Any]]:
    """Return each number, true, false, word out of words and Unreadable of a document, with its path."""
    found: list[tuple[tuple[str, ...], Any]] = []
    _collect(document, words, steps, found)
    return found


def _collect(
    document: Any, words: Collection[str], steps: tuple[str, ...], found: list[tuple[tuple[str, ...], Any]]
) -> None:
    kind = type(document)
    if kind is dict:
        items = document.items()
    elif kind is list:
        items = ((str(index), each) for index, each in enumerate(document))
    else:
        if kind in _NUMBERS or (kind is str and document in words):
            found.append((steps, document))
        return
    if len(steps) >= MAX_DEPTH:
        if document:
            found.append((steps, TOO_DEEP))
        return
    for key, each in items:
        kind = type(each)
        if kind in _NUMBERS or (kind is str and each in words):
            found.append(((*steps, key), each))
        elif kind is dict or kind is list:
            _collect(each, words, (*steps, key), found)


_NUMBERS = frozenset((float, int, bool, Unreadable))


def keys_of_labels(block: StreamSettings) -> frozenset[str]:
    """Return the keys of a table whose texts are labels: an id such as 007 is no number."""
    paths = [parse_field(path.removeprefix("^")) for _, path in block.labels]
    return frozenset(steps[0] for steps in paths if len(steps) == 1)


def label_text(name: str, found: Any) -> str:
    """Return the text of a label; "" for none. Raises DecodeError."""
    kind = type(found)
    if kind is str and len(found) <= MAX_LABEL:
        text: str = found
        return text
    if (kind is int and -(10**30) < found < 10**30) or kind is float:
        return repr(found)
    if kind is bool:
        return "true" if found else "false"
    if found is None or found is Missing:
        return ""
    got = f"a text of {len(found)} characters" if kind is str else JSON_NAMES.get(kind, "a large number")
    raise DecodeError("invalid_label", f"label {quoted(name)}: expected a short text or a number, got {got}")
