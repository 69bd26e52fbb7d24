"""Topic templates: which topics a [[stream]] block takes, and the labels that it captures from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

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
        if self._share != other._share:
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
    def _share(self) -> str:
        return self.filter.removesuffix("/".join(self.levels))

    def _expected(self, index: int) -> str:
        level = self.levels[index]
        return "a level" if level == "+" else f'"{level}"'
