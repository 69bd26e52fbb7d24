"""The names of streams: their topic, then what the payload tells of whose they are, then the field.

A name leads back to its parts, so that a restart or a reload finds topic and labels again: the parts out of a
payload hold no "/", and a block has always as many of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ewad.ingest.topics import Labels

FIELD = "field"  # the label that tells the fields of a payload apart
ID = "id"  # the label of an element of a table by ids, unless the block captures it by another name
_ESCAPES = {"%": "%25", "/": "%2F", "+": "%2B", "#": "%23"}
_SERIES_ESCAPES = {"%": "%25", "/": "%2F", "+": "%2B", "#": "%23", ",": "%2C", "=": "%3D"}
_FIRST = "measurement"  # the label of a series that its part begins with, without its name


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def _unescaped(part: str) -> str:
    if "%" not in part:
        return part
    for character, code in reversed(_SERIES_ESCAPES.items()):  # "%" itself last
        part = part.replace(code, character)
    return part


@dataclass(frozen=True, slots=True)
class Naming:
    """How a block names its streams.

    labels: names of those that each record tells, in order.  may_have_id: whether the key of a table may be
    one before them.  dynamic: whether the format tells further ones before all, others with each point.
    has_field: whether the name of the field is a part.
    """

    labels: tuple[str, ...] = ()
    may_have_id: bool = False
    dynamic: bool = False
    has_field: bool = False

    @property
    def plain(self) -> bool:
        """Whether a stream's name is its topic."""
        return not (self.labels or self.may_have_id or self.dynamic or self.has_field)

    def name(self, topic: str, identity: Labels, field: str) -> str:
        """Return the name of a stream."""
        if self.plain:
            return topic
        own = len(identity) - len(self.labels)
        parts = [topic]
        if self.dynamic:
            parts.append(",".join(_word(*label) for label in identity[:own]))
        else:
            own = 0
        parts += [_escaped(value, _ESCAPES) for _, value in identity[own:]]
        if self.has_field:
            parts.append(_escaped(field, _ESCAPES))
        return "/".join(parts)

    def parsed(self, name: str) -> Iterator[tuple[str, Labels]]:
        """Yield each topic that a stream of this name may have, and its labels but the topic's."""
        if self.plain:
            yield name, ()
            return
        yield from self._with(self.labels, name)
        if self.may_have_id:
            yield from self._with((ID, *self.labels), name)

    def _with(self, labels: tuple[str, ...], name: str) -> Iterator[tuple[str, Labels]]:
        n_parts = len(labels) + self.dynamic + self.has_field
        topic, *parts = name.rsplit("/", n_parts) if n_parts else [name]
        if len(parts) != n_parts:
            return
        identity = [_label(word) for word in parts[0].split(",")] if self.dynamic else []
        own = parts[self.dynamic : self.dynamic + len(labels)]
        identity += zip(labels, map(_unescaped, own), strict=True)
        yield topic, self.told(tuple(identity), _unescaped(parts[-1]) if self.has_field else "")

    def told(self, identity: Labels, field: str) -> Labels:
        """Return what identity and field are as labels: an empty one is none."""
        labels = tuple((name, value) for name, value in identity if value)
        return (*labels, (FIELD, field)) if self.has_field else labels


def _word(name: str, value: str) -> str:
    escaped = _escaped(value, _SERIES_ESCAPES)
    return escaped if name == _FIRST else f"{name}={escaped}"


def _label(word: str) -> tuple[str, str]:
    name, equals, value = word.rpartition("=")
    return (name if equals else _FIRST), _unescaped(value)
