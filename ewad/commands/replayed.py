"""An engine that files go through, and what has gone through it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ewad.config import Settings
from ewad.config.syntax import counted
from ewad.daemon.parts import new_engine
from ewad.engine import Engine
from ewad.ingest.files import FileOptions, InputFile, SampleFile, read
from ewad.ingest.intake import Intake
from ewad.kernels.memory import Floats
from ewad.outputs.files.report import ScoreReport


class Replay:
    """An engine under these settings, and what has gone through it.

    warm: whether the engine goes on from a state file: then streams are what live ones would be, and samples
    that it has are not taken again.
    """

    def __init__(
        self, settings: Settings, file_options: FileOptions | None = None, engine: Engine | None = None
    ) -> None:
        self.settings = settings
        self._file_options = file_options
        self.warm = engine is not None
        self.engine = new_engine(settings) if engine is None else engine
        self.further: Sequence[str] = ()
        self.time_form = "iso"
        self.known = 0  # samples that the state had
        self._until = [group.time.copy() for group in self.engine.groups]  # of each row, its last sample's
        self._topics: dict[str, float] = {}
        self.intake = Intake(self.engine, settings.streams, settings.limits.max_payload_bytes)
        self.samples = 0
        self.refused = 0
        self.notes: list[str] = []
        self.report: ScoreReport | None = None

    @property
    def zone(self) -> str:
        """The zone that pictures show times in: that of the files, if it was named."""
        zone = self._file_options.timezone if self._file_options else None
        return zone if zone is not None and "/" in zone else "UTC"

    def read(self, path: InputFile) -> SampleFile:
        """Return the file, of which nothing is in doubt. Raises SourceError."""
        return read(path, self._file_options, certain=True)

    def known_already(self, group: int, row: NDArray[np.int32], time: Floats) -> NDArray[np.bool_]:
        """Return which samples are no newer than what the state file had of their streams, (n,)."""
        until = self._until[group]
        if not self.warm or not len(until):
            return np.zeros(len(row), dtype=np.bool_)
        known = np.where(row < len(until), until[np.clip(row, 0, len(until) - 1)], np.nan)
        found: NDArray[np.bool_] = (row >= 0) & (time <= known)
        self.known += int(found.sum())
        return found

    def has_message(self, topic: str, time: float) -> bool:
        """Return whether a recorded message is no newer than what the state file had of its topic."""
        if not self.warm:
            return False
        if topic not in self._topics:
            last = [
                float(until[row])
                for group, until in zip(self.engine.groups, self._until, strict=True)
                for row, name in enumerate(group.streams.names[: len(until)])
                if name == topic or name.startswith(f"{topic}/")
            ]
            self._topics[topic] = max(last, default=-np.inf)
        known = time <= self._topics[topic]
        self.known += known
        return known

    def summary(self, seconds: float) -> str:
        """Return what was done, and what was left out."""
        took = f" in {seconds:.1f} s ({self.samples / max(seconds, 1e-9):,.0f}/s)"
        first, *others = self.counts()
        return "\n".join([first + took, *others])

    def counts(self) -> list[str]:
        """Return what was done, and what was left out, in lines."""
        engine = self.engine
        lines = [f"{counted(self.samples, 'sample')} of {counted(engine.n_streams, 'stream')}", *self.notes]
        late = sum(group.out_of_order for group in engine.groups)
        left_out = {"out of order": late, "past limits.max_streams": self.refused}
        left_out |= {"that the state file has already": self.known}
        left_out |= {reason: n for reason, n in self.intake.rejected.items() if n}
        lines += missing_inputs(engine)
        if self.intake.faults.ahead:
            lines.append(
                f"at their arrival, with a time further ahead than max_ahead: {self.intake.faults.ahead:,}"
            )
        return lines + [f"left out: {n:,} {reason}" for reason, n in left_out.items() if n]


def missing_inputs(engine: Engine) -> list[str]:
    """Return a line for each input that no stream of its block is."""
    return [
        f"{group.name}: input {name}: no stream of this block has that name"
        for group in engine.groups
        for name in group.missing_inputs()
    ]
