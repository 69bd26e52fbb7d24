"""Documents that come again and again with other numbers: read by their layout, without building them.

A layout is what was in a document besides its numbers: its keys, and what kind each value is of. A payload of
another layout is none of it, and is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec

MAX_KEYS = 256  # of a document
MAX_DEPTH = 8
MOST = 64  # layouts that a block remembers; a layout is a class of some kilobytes
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
