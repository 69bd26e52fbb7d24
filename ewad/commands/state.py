"""`ewad state`: what a state file holds, for people and programs, and a copy of it while the daemon runs."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import IO

from ewad.config import Settings, StateSettings
from ewad.engine import Engine
from ewad.errors import ConfigError, StateError
from ewad.outputs.text import counted
from ewad.store.file import StateFile
from ewad.store.recovery import Recovered, read


def show(settings: Settings) -> str:
    """Return what the state file holds, in a few lines. Raises StateError if it can't be read."""
    file, recovered = _read(settings)
    try:
        records, samples = file.journalled()
        lines = [f"file       {file.path}  ({file.size():,} bytes)"]
        for snapshot in file.snapshots():
            made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(snapshot.time))
            lines.append(f"snapshot   {made}  after record {snapshot.sequence}")
        journalled = f"{counted(records, 'record')}, {counted(samples, 'sample')}"
        lines.append(f"journal    {journalled}; {recovered.samples:,} to replay")
    finally:
        file.close()
    for group in recovered.engine.groups:
        n = len(group.streams)
        samples = int(group.count[:n].sum())
        lines.append(f"group      {group.name}: {counted(n, 'stream')}, {counted(samples, 'sample')}")
    lines.append(f"damage     {recovered.damage or 'none'}")
    return "\n".join(lines)


def export(settings: Settings, output: IO[str]) -> None:
    """Write a line of CSV per stream: what is known of it. Raises StateError if the file can't be read."""
    file, recovered = _read(settings)
    file.close()
    betas = sorted({label for group in recovered.engine.groups for label in group.settings.beta_labels})
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(["group", "stream", "samples", "time", "value", *(f"smoothed_{beta}" for beta in betas)])
    for group in recovered.engine.groups:
        smoothed = {
            beta: average.smoothed()
            for beta, average in zip(group.settings.beta_labels, group.averages, strict=True)
        }
        for row, name in enumerate(group.streams.names):
            known = bool(group.count[row])
            facts = [repr(float(group.time[row])), repr(float(group.value[row]))] if known else ["", ""]
            averages = (float(smoothed[beta][row]) if beta in smoothed else math.nan for beta in betas)
            cells = ("" if math.isnan(average) else repr(average) for average in averages)
            writer.writerow([group.name, name, int(group.count[row]), *facts, *cells])


def back_up(settings: Settings, target: Path) -> str:
    """Copy the state file into a new one, while a daemon may write it; return what was done."""
    if target.exists():
        raise ConfigError(f"{target}: expected a file that does not exist yet")
    file = StateFile(_path(settings), write=False)
    try:
        file.back_up(target)
    finally:
        file.close()
    return f"{file.path} copied to {target}"


def _path(settings: Settings) -> Path:
    if settings.state is None:
        raise ConfigError(
            f"state: expected a [state] section, got none: no state is kept; one could be "
            f'[state] path = "{StateSettings().path}"'
        )
    path = Path(settings.state.path)
    if not path.exists():
        raise StateError(f"{path}: no such file: no daemon has kept state there yet")
    return path


def _read(settings: Settings) -> tuple[StateFile, Recovered]:
    """Return the file, open to be read, and the engine that a daemon would start with."""
    file = StateFile(_path(settings), write=False)
    try:
        return file, read(file, "", lambda: Engine(settings.group_settings(), settings.limits.max_streams))
    except BaseException:
        file.close()
        raise
