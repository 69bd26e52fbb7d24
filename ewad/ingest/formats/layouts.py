"""Documents that come again and again with other numbers: read by their layout, without building them.

A layout is what was in a document besides its numbers: its keys, and what kind each value is of. A payload of
another layout is none of it, and is read whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from ewad.ingest.formats.fields import NOT_FINITE
from ewad.ingest.formats.point import Asked, Key, OpenWay, Sample, WaitingSamples

MAX_KEYS = 256  # of a document
MAX_DEPTH = 8
MOST = 64  # layouts that a block remembers; a layout is a class of some kilobytes
# So often the layout of a topic's documents is learnt: who changes it each time is read whole.
MOST_TRIES = 16
KINDS = {float: float, int: float, bool: bool, str: str, type(None): None}

Steps = tuple[str, ...]
ReadLayout = Callable[[bytes], "Sequence[float] | None"]


class Layouts:
    """The layouts of a block's documents, each made once.

    low, high: what numbers have to lie between.  words: texts that are numbers to the block.
    """

    def __init__(self, low: float, high: float, words: Collection[str], max_bytes: int) -> None:
        self._low, self._high, self._max_bytes = low, high, max_bytes
        self._words = frozenset(words)
        self._known: dict[Any, ReadLayout | None] = {}

    def reader(self, payload: bytes, wanted: Sequence[Steps], whole: bool) -> ReadLayout | None:
        """Return what reads the wanted numbers of payloads laid out as this one, in order; None: nothing.

        whole: whether a further key, or another kind of value anywhere, is another layout.
        """
        try:
            signature = _signature(msgspec.json.decode(payload), () if whole else None, wanted, 0)
        except (ValueError, RecursionError):
            return None
        key = signature, tuple(wanted)
        if key not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = None if signature is None else self._made(signature, wanted, whole)
        return self._known[key]

    def _made(self, signature: Any, wanted: Sequence[Steps], whole: bool) -> ReadLayout | None:
        numbers: dict[Steps, str] = {}
        texts: list[str] = []
        kinds = KINDS | {float: Annotated[float, msgspec.Meta(gt=self._low, lt=self._high)]}
        try:
            decode = msgspec.json.Decoder(_struct(signature, whole, kinds, (), (), numbers, texts)).decode
        except ValueError:  # msgspec can't name such a key
            return None
        if not wanted or any(steps not in numbers for steps in wanted):
            return None
        take, told = _getter([numbers[steps] for steps in wanted], len(signature)), _getter(texts, 0)
        words, most = self._words if texts else frozenset(), self._max_bytes

        def read(payload: bytes) -> Sequence[float] | None:
            if len(payload) > most:
                return None
            try:
                document = decode(payload)
            except (ValueError, RecursionError):  # also numbers that are no values
                return None
            if words and not words.isdisjoint(told(document)):
                return None
            return take(document)  # true and false are 1 and 0 in an array

        return read


def document_ways(points: Any, asked: Asked) -> OpenWay | None:
    """Return what gives a topic its quick way, where the block asks for the numbers of a document."""
    ways = [way for way, _ in asked.fields]
    star = len(ways) == 1 and ways[0].star and not ways[0].steps
    if not star and not all(way.plain and way.steps for way in ways):
        return None
    if any(way.from_root for way in ways):
        return None
    layouts = Layouts(asked.low, asked.high, NOT_FINITE.union(asked.words), asked.max_bytes)
    return lambda topic, waiting: DocumentWay(layouts, asked, waiting)


class DocumentWay:
    """The quick way for the documents of one topic, as long as they are laid out as the one learnt last."""

    def __init__(self, layouts: Layouts, asked: Asked, waiting: WaitingSamples) -> None:
        self._layouts, self._asked, self._waiting = layouts, asked, waiting
        self._rows = array("q")
        self._read: ReadLayout = lambda payload: None
        self._tries = 0

    def take(self, payload: bytes, arrival: float, latest: float) -> int:
        """Let the samples of a payload wait."""
        values = self._read(payload)
        if values is None:
            return 0
        self._waiting.rows.extend(self._rows)
        self._waiting.values.extend(values)
        return len(values)

    def learn(self, payload: bytes, samples: Sequence[Sample], rows: Mapping[Key, int]) -> None:
        """Take in the layout of a payload."""
        if self._tries >= MOST_TRIES:
            return
        self._tries += 1
        way = self._asked.fields[0][0]
        wanted = [way.steps for way, _ in self._asked.fields]
        if way.star:
            try:
                wanted = way.below(msgspec.json.decode(payload))
            except (ValueError, RecursionError):
                return
        read = self._layouts.reader(payload, wanted, way.star)
        if read is not None and list(read(payload) or ()) == [value for _, value in samples]:
            self._read, self._rows = read, array("q", [rows[key] for key, _ in samples])


def _signature(document: Any, whole: Steps | None, wanted: Sequence[Steps], depth: int) -> Any:
    """Return the keys and kinds of a document that count, hashable; None where it has no layout.

    whole: None where the wanted paths alone count.
    """
    if type(document) is not dict or len(document) > MAX_KEYS or depth > MAX_DEPTH:
        return None
    found = []
    for name, value in document.items():
        below = [steps[1:] for steps in wanted if steps[0] == name]
        if whole is None and not below:
            continue
        if type(value) is dict:
            kind = _signature(value, whole, [steps for steps in below if steps], depth + 1)
        else:
            kind = type(value) if type(value) in KINDS else None
            kind = float if kind is int else kind
        if kind is None:
            return None
        found.append((name, kind))
    return tuple(found)


def _struct(
    signature: Any,
    whole: bool,
    kinds: Mapping[Any, Any],
    steps: Steps,
    place: Steps,
    numbers: dict[Steps, str],
    texts: list[str],
) -> Any:
    """Return the type of documents of a signature; note where its numbers and texts will stand.

    kinds: of the signature -> types.
    """
    fields, names = [], {}
    for index, (name, kind) in enumerate(signature):
        attribute = f"f{index}"
        below, here = (*steps, name), (*place, attribute)
        if isinstance(kind, tuple):
            typed = _struct(kind, whole, kinds, below, here, numbers, texts)
        else:
            typed = kinds[kind]
            if kind is float or kind is bool:
                numbers[below] = ".".join(here)
            elif kind is str:
                texts.append(".".join(here))
        fields.append((attribute, typed))
        names[attribute] = name
    return msgspec.defstruct("Layout", fields, rename=names, gc=False, forbid_unknown_fields=whole)


def _getter(places: Sequence[str], n_fields: int) -> Callable[[Any], Sequence[Any]]:
    """Return what gives the attributes at these places of a document of so many fields."""
    if places == [f"f{index}" for index in range(n_fields)]:  # all in turn: half the time
        return msgspec.structs.astuple
    if not places:
        return lambda document: ()
    get = attrgetter(*places)
    return get if len(places) > 1 else lambda document: (get(document),)
