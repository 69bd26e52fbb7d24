"""Which streams a group has: their names, labels and rows."""

from __future__ import annotations

from collections.abc import Sequence

from ewad.kernels.memory import Integers
from ewad.numeric.rows import Removal

Labels = tuple[tuple[str, str], ...]


class Streams:
    """The streams of a group: name -> row, and each row's name and captured labels."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.labels: list[Labels] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int | None:
        """Return the row of the stream of that name, None if there is none."""
        return self._rows.get(name)

    def find_all(self, names: Sequence[str]) -> list[int | None]:
        """Return the row of each of these streams, None of one that there is none of."""
        return list(map(self._rows.get, names))

    def add(self, name: str, labels: Labels) -> int:
        """Return the row of a new stream."""
        row = self._rows[name] = len(self.names)
        self.names.append(name)
        self.labels.append(labels)
        return row

    def without(self, rows: Integers, removal: Removal) -> Streams:
        """Return the streams that are left when these rows are removed.

        Names and labels stay here as they are, for those who know streams by these rows; `find` does not: a
        copy of what it looks at would take most of the time where there are many streams.
        """
        left = Streams()
        left.names, left.labels = self.names.copy(), self.labels.copy()
        left._rows, self._rows = self._rows, {}
        for row in rows.tolist():
            del left._rows[self.names[row]]
        for hole, mover in zip(removal.holes.tolist(), removal.movers.tolist(), strict=True):
            left.names[hole], left.labels[hole] = self.names[mover], self.labels[mover]
            left._rows[self.names[mover]] = hole
        del left.names[removal.left :], left.labels[removal.left :]
        return left

    def with_rows(self, rows: Sequence[int], streams: Sequence[tuple[str, Labels]], n: int) -> Streams:
        """Return n streams: these ones in these rows, ascending, the others as they are here."""
        if n == len(self) and [self.names[row] for row in rows] == [name for name, _ in streams]:
            return self
        found = Streams()
        found.names, found.labels = self.names[:n], self.labels[:n]
        found.names += [""] * (n - len(found.names))
        found.labels += [()] * (n - len(found.labels))
        for row, (name, labels) in zip(rows, streams, strict=True):
            found.names[row], found.labels[row] = name, labels
        found._rows = {name: row for row, name in enumerate(found.names)}
        return found
