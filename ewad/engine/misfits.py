"""What of a dump does not fit an engine of other settings or of a later version, and why, for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SEPARATORS = re.compile(r", (?![^()]*\))| of (?!version )")  # between the words that a part's meaning is of

Parts = Sequence[tuple[str, str]]  # kind and meaning of each


class Misfit(NamedTuple):
    """What of a group does not fit, in a line. undone: whether it would fit the settings of before."""

    line: str
    undone: bool


def misfit_of(name: str, gone: Parts, theirs: Parts, mine: Parts) -> Misfit:
    """Return what of a group begins anew, and why: what words its meanings had before, and have now.

    gone: those of theirs, the dumped parts, that are not among mine.
    """
    lost, had = (Counter(kind for kind, _ in parts) for parts in (gone, theirs))
    what = {kind: kind if n == had[kind] else f"{kind} ({n} of {had[kind]})" for kind, n in lost.items()}
    successors = [part for part in mine if part[0] in lost]
    anew = {kind for kind, _ in successors}
    before, now = _others(gone, mine), _others(successors, theirs)
    facts = {
        "begins anew": [said for kind, said in what.items() if kind in anew],
        "gone": [said for kind, said in what.items() if kind not in anew],
        "before": before,
        "now": now,
    }
    line = "; ".join(f"{fact}: {', '.join(words)}" for fact, words in facts.items() if words)
    by_settings = [word for word in [*before, *now] if not word.startswith("of version ")]
    return Misfit(f"group {name}: {line}", undone=bool(by_settings))


def _others(parts: Parts, others: Parts) -> list[str]:
    """Return the words that the meanings of parts have, and those of others have not."""
    known = set(_words(others))
    return [word for word in dict.fromkeys(_words(parts)) if word not in known]


def _words(parts: Parts) -> Iterator[str]:
    for _, meaning in parts:
        yield from filter(None, SEPARATORS.split(meaning))
