"""What births and deaths have told of Sparkplug's nodes and devices, and the numbers of their messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ewad.errors import DecodeError
from ewad.ingest.formats.sparkplug_payload import NUMBERS, Metric, Payload, birth_of, read_payload

LAST, LIFE = 0, 1  # as in the kernel
MOST_BYTES = 128 << 20  # of births that are remembered, about; then all of them are forgotten
METRIC_BYTES = 200  # of a metric beside what its birth says of it, and of a node or device
MOST_UNTOLD = 100_000  # births and deaths, where nobody takes what is told; then likewise
NUMBER = "#"  # in the key of a node's last number: no device can have that name
ASK = 'ask for its births by "Node Control/Rebirth"'

Names = tuple[str, ...]  # group and node, and maybe device


class Born:
    """The metrics that a node or device was born with.

    aliases: their names.  kinds: data types by name.  size: about how many bytes it takes.
    """

    __slots__ = ("aliases", "kinds", "size")

    def __init__(self, metrics: Sequence[Metric] = (), size: int = 0) -> None:
        self.size = size
        self.aliases = {each.alias: each.name for each in metrics if each.alias is not None}
        self.kinds = {each.name: each.kind for each in metrics if each.kind}

    def name_of(self, metric: Metric) -> str:
        """Return the name of a metric, "" if only a birth that nobody has seen names it."""
        return metric.name or self.aliases.get(-1 if metric.alias is None else metric.alias, "")


NOBODY = Born()


def is_measurement(name: str) -> bool:
    """Return whether a metric of that name is not there to control its node."""
    return not name.startswith(("Node Control/", "Device Control/")) and name != "bdSeq"


class Node:
    """An edge node.

    names: group and node.  place: how many nodes were met before it.
    kept: what quick ways look at and go on with: at LAST the number of the last message, -1 before a birth;
    at LIFE how often births and deaths have changed what metrics mean.  life: the bdSeq of its last birth.
    told: the number that `take_told` has told last.
    """

    __slots__ = ("born", "kept", "life", "names", "place", "told")

    def __init__(self, names: Names = (), place: int = 0) -> None:
        self.names, self.place = names, place
        self.kept = np.array([-1, 0])
        self.life: int | None = None
        self.told = -1
        self.born: dict[Names, Born] = {}

    def change(self) -> None:
        """Let nobody go on as before."""
        self.kept[LIFE] += 1


class Nodes:
    """The edge nodes that a block has met.

    complete: whether every message of a node comes here; where it may not, none is missed.
    heard: those that have sent a message since `take_told`; whatever sets a last number adds its node here.
    """

    def __init__(self, complete: bool) -> None:
        self.heard: set[Node] = set()
        self._complete = complete
        self._known: dict[Names, Node] = {}
        self._met = 0  # nodes so far
        self._bytes = 0  # of all nodes and births
        self._new: dict[str, bytes] = {}  # births that have changed since they were told; b"": gone

    def find(self, node: Names) -> Node | None:
        """Return a node, None if nothing is known of it."""
        return self._known.get(node)

    def met(self, node: Names) -> Node:
        """Return a node, as a new one if nothing is known of it."""
        found = self._known.get(node)
        if found is None:
            self._make_room(METRIC_BYTES)
            found = self._known[node] = Node(node, self._met)
            self._met += 1
            self._bytes += METRIC_BYTES
        return found

    def born(self, whose: Names) -> Born:
        """Return with what a node or a device was born."""
        node = self._known.get(whose[:2])
        return NOBODY if node is None else node.born.get(whose, NOBODY)

    def begin(self, whose: Names, birth: Payload) -> None:
        """Note the birth of a node or a device."""
        content = birth_of(birth)
        born = Born(birth.metrics, METRIC_BYTES * (1 + len(birth.metrics)) + len(content))
        self._make_room(born.size - self.born(whose).size)
        node = self.met(whose[:2])
        self._bytes += born.size - self.born(whose).size
        node.born[whose] = born
        node.change()
        if whose == whose[:2]:
            node.life = birth.life
        self._new[_key(whose)] = content

    def end(self, node: Names, life: int | None) -> bool:
        """Forget a node: a birth of its own comes next. Return False if it is in another life already."""
        known = self._known.get(node)
        if known is None:
            return True
        if life is not None and known.life not in (None, life):
            return False
        known.change()
        del self._known[node]
        self.heard.discard(known)
        self._bytes -= METRIC_BYTES + sum(born.size for born in known.born.values())
        self._new |= {_key(each): b"" for each in (*known.born, (*node, NUMBER))}
        return True

    def take_told(self) -> Sequence[tuple[str, bytes]]:
        """Return the births that have changed, and the numbers of the last messages: see Remembering."""
        for node in sorted(self.heard, key=lambda node: node.place):  # as they were met, not as they sent
            last = int(node.kept[LAST])
            if last != node.told:
                node.told = last
                self._new[_key((*node.names, NUMBER))] = bytes([last])
        self.heard.clear()
        new, self._new = self._new, {}
        return [*new.items()]

    def recall(self, key: str, content: bytes) -> None:
        """Know a birth or a number again. Raises DecodeError."""
        names = tuple(key.split("/"))
        if names[-1] == NUMBER:
            node = self.met(names[:-1])
            node.told = node.kept[LAST] = int.from_bytes(content) % NUMBERS
        else:
            self.begin(names, read_payload(content))
            del self._new[key]

    def gap(self, node: Names, number: int | None, is_birth: bool) -> DecodeError | None:
        """Note a message; return what is wrong if it is neither the one after the last nor that one again.

        is_birth: of the node, which begins with any number.
        """
        known = self.met(node) if is_birth else self._known.get(node)
        last = -1 if known is None else int(known.kept[LAST])
        if known is None or number is None or not self._complete or (last < 0 and not is_birth):
            return None
        known.kept[LAST] = number
        self.heard.add(known)
        if last < 0 or is_birth or (number - last) % NUMBERS in (0, 1):
            return None
        lost = (number - last - 1) % NUMBERS
        return DecodeError(
            "sequence_gap",
            f"expected the sequence number {(last + 1) % NUMBERS}, got {number}: {lost} messages of the edge"
            f" node were lost, {ASK}",
        )

    def _make_room(self, size: int) -> None:
        """Forget all nodes if there is none for so many bytes more."""
        if self._bytes + size > MOST_BYTES or len(self._new) > MOST_UNTOLD:
            for node in self._known.values():
                node.change()
            self._known.clear()
            self.heard.clear()
            self._new = {"": b""}
            self._bytes = 0


def _key(whose: Names) -> str:
    return "/".join(whose)
