"""The slots of a hash table that a kernel looks entries up in, filled for many entries at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
FREE = -1


def fill(slots: Integers, places: Integers, probes: int, first: int = 0) -> NDArray[np.bool_]:
    """Give each entry a slot, its place or one of the next; return who has one, (n,).

    slots: a power of two of them; those that are free become the entries' numbers.  places: (n,) of the
    entries first, first + 1, ..., any integers.  probes: how many slots from its place on an entry may have.

    No slot between an entry's place and its own is free: whoever looks it up may stop at a free one.
    """
    has = np.zeros(len(places), dtype=bool)
    waiting = np.arange(len(places))
    for probe in range(probes):
        slot = places[waiting] + probe & len(slots) - 1
        free = slots[slot] == FREE
        slots[slot[free]] = first + waiting[free]  # of several that want a slot one has it
        found = slots[slot] == first + waiting
        has[waiting[found]] = True
        waiting = waiting[~found]
        if not len(waiting):
            break
    return has
