"""Topic templates: which topics a [[stream]] block takes, and the labels that it captures from them.

A `TopicTree` answers for thousands of templates what a `TopicTemplate` answers for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Generic, NamedTuple, TypeVar

from ewad.config.syntax import parse_topic

Labels = tuple[tuple[str, str], ...]


class Mismatch(NamedTuple):
    """Where a topic leaves a template: the level, counted from 1, what is expected there and what came."""

    level: int
    expected: str
    got: str | None


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A template such as site/{room}/temperature.

    filter is what to subscribe to at the broker (with "$share/group/" if the template has it), levels are
    the filter's without that, and names holds for each level the label that it captures, or "".
    """

    text: str
    filter: str
    levels: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> TopicTemplate:
        """Return the template. Raises ValueError saying what was expected."""
        return cls(text, *parse_topic(text))

    def match(self, topic: str) -> Labels | None:
        """Return the captured labels in the template's order, or None if topic does not match."""
        if self.mismatch(topic):
            return None
        return self.labels(topic)

    def labels(self, topic: str) -> Labels:
        """Return the captured labels of a topic that matches."""
        return tuple((name, level) for name, level in zip(self.names, topic.split("/"), strict=False) if name)

    def mismatch(self, topic: str) -> Mismatch | None:
        """Return where topic leaves the template, or None if it matches.

        A topic that begins with $ is the broker's own: a wildcard as the first level does not take it.
        """
        got = topic.split("/")
        if topic.startswith("$") and self.levels[0] in ("+", "#"):
            return Mismatch(1, "a level without $", got[0])
        for index, level in enumerate(self.levels):
            if level == "#":  # any rest, or nothing at all: "a/#" takes "a" as well
                return None
            if index == len(got):
                return Mismatch(index + 1, self._expected(index), None)
            if level not in ("+", got[index]):
                return Mismatch(index + 1, self._expected(index), got[index])
        if len(got) > len(self.levels):
            return Mismatch(len(self.levels) + 1, "no further level", got[len(self.levels)])
        return None

    def covers(self, other: TopicTemplate) -> bool:
        """Return whether this filter takes every topic that the other takes.

        False for filters of different $share groups: each group gets its own copy of a message.
        """
        if self.share != other.share:
            return False
        if other.levels[0].startswith("$") and self.levels[0] in ("+", "#"):
            return False
        for index, level in enumerate(self.levels):
            if level == "#":
                return True
            if index == len(other.levels) or other.levels[index] == "#":
                return False
            if level not in ("+", other.levels[index]):
                return False
        return len(self.levels) == len(other.levels)

    def overlaps(self, other: TopicTemplate) -> bool:
        """Return whether there are topics that both filters take."""
        for mine, theirs in zip_longest(self.levels, other.levels):
            if "#" in (mine, theirs):
                return True
            if None in (mine, theirs) or (mine != theirs and "+" not in (mine, theirs)):
                return False
        return True

    @property
    def share(self) -> str:
        """The "$share/group/" of the filter, or ""."""
        return self.filter[: len(self.filter) - sum(map(len, self.levels)) - len(self.levels) + 1]

    def _expected(self, index: int) -> str:
        level = self.levels[index]
        return "a level" if level == "+" else f'"{level}"'


T = TypeVar("T")


class _Node(Generic[T]):
    """What begins with the same levels: what ends here, and what goes on, by its next level."""

    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.values: list[T] = []


class TopicTree(Generic[T]):
    """Many filters, a value with each, found by their levels: a look-up follows a topic, not every filter.

    Each filter is given by its levels, without "$share/group/". It answers as TopicTemplate does.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self.steps = 0  # nodes that look-ups have visited so far

    def add(self, levels: Sequence[str], value: T) -> None:
        """Add a filter, or another value of one that is there."""
        node = self._root
        for level in levels:
            node = node.children.setdefault(level, _Node())
        node.values.append(value)

    def taking(self, topic: str) -> Iterator[T]:
        """Yield the values of the filters that take a topic, in no order; see `TopicTemplate.match`."""
        return self._wider(topic.split("/"), of_topics=True)

    def covering(self, levels: Sequence[str]) -> Iterator[T]:
        """Yield the values of the filters that cover another one, in no order; see `TopicTemplate.covers`."""
        return self._wider(levels, of_topics=False)

    def _wider(self, levels: Sequence[str], of_topics: bool) -> Iterator[T]:
        hidden = levels[0].startswith("$")  # from wildcards as the first level
        branches = [(self._root, 0)]
        while branches:
            node, depth = branches.pop()
            self.steps += 1
            wild = depth > 0 or not hidden
            if wild and "#" in node.children:
                yield from node.children["#"].values
            if depth == len(levels):
                yield from node.values
                continue
            level = levels[depth]
            names = [] if level in ("+", "#") else [level]
            if wild and (of_topics or level != "#"):
                names.append("+")
            branches += [(node.children[name], depth + 1) for name in names if name in node.children]

    def overlapping(self, levels: Sequence[str]) -> Iterator[T]:
        """Yield the values of the filters that overlap another; see `TopicTemplate.overlaps`."""
        branches = [(self._root, 0)]
        while branches:
            node, depth = branches.pop()
            self.steps += 1
            level = levels[depth] if depth < len(levels) else None
            if level in (None, "#"):
                yield from node.values
            if level == "#":
                branches += [(child, depth) for child in node.children.values()]
                continue
            if "#" in node.children:
                yield from node.children["#"].values
            if level == "+":
                branches += [(child, depth + 1) for name, child in node.children.items() if name != "#"]
            elif level is not None:
                branches += [
                    (node.children[name], depth + 1) for name in (level, "+") if name in node.children
                ]
