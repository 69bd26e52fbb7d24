"""`ewad state`: what a state file holds, for people and programs, and a copy of it while the daemon runs."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

import click

from ewad.commands import shards
from ewad.commands.options import CONFIG, configured, settings_of
from ewad.config import Settings, StateSettings
from ewad.config.syntax import counted
from ewad.engine import Engine, GroupSettings
from ewad.errors import ConfigError, StateError
from ewad.store import reading
from ewad.store.described import described
from ewad.store.log import Log
from ewad.store.old_file import OldFile
from ewad.store.reading import is_old, open_log
from ewad.store.recovery import Recovered, read

FILE = click.argument("file", required=False, type=click.Path(path_type=Path))


@click.group("state")
def command() -> None:
    """Look into the state file, also while the daemon runs."""


@command.command("show")
@CONFIG
@FILE
def _show(config: Path | None, file: Path | None) -> None:
    """Say what the state file holds, or FILE, such as a backup, which needs no configuration."""
    click.echo(show(_settings(config, file), file))


@command.command("export")
@CONFIG
@FILE
@click.option(
    "-o",
    "--output",
    type=click.File("w", lazy=False),
    default="-",
    help="Write to this file; by default to standard output.",
)
def _export(config: Path | None, file: Path | None, output: IO[str]) -> None:
    """Write what the state file knows of each stream as CSV, or FILE, which needs no configuration."""
    export(_settings(config, file), output, file)


@command.command("backup")
@CONFIG
@click.argument("target", type=click.Path(path_type=Path))
def _backup(config: Path | None, target: Path) -> None:
    """Copy the state file to a new file TARGET."""
    click.echo(back_up(settings_of(config), target))


@command.command("split")
@CONFIG
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--into", required=True, type=click.Path(path_type=Path), help="Write the new files into this folder."
)
def _split(config: Path | None, sources: tuple[Path, ...], into: Path) -> None:
    """Deal the streams of state files SOURCES out to the shards of [shard], a new file each.

    No daemon may run on SOURCES meanwhile. They stay as they are.
    """
    click.echo(shards.split(settings_of(config), sources, into))


@command.command("merge")
@CONFIG
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Write this new file.")
def _merge(config: Path | None, sources: tuple[Path, ...], output: Path) -> None:
    """Put the streams of state files SOURCES into one new file.

    No daemon may run on SOURCES meanwhile. They stay as they are.
    """
    click.echo(shards.merge(settings_of(config), sources, output))


def _settings(config: Path | None, file: Path | None) -> Settings | None:
    """Return the settings; None for a file that is named where there is no configuration."""
    return None if file and not (config or configured({})) else settings_of(config)


def show(settings: Settings | None, file: Path | None = None) -> str:
    """Return what the state file holds, in a few lines. Raises StateError if it can't be read.

    file: another file than that of [state], such as a backup.  settings: None only with a file.
    """
    path, recovered = _read(settings, file)
    with closing(_opened(path)) as opened:
        lines = [f"file       {path}  ({path.stat().st_size:,} bytes)"]
        for snapshot in opened.snapshots:
            made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(snapshot.time))
            lines.append(f"snapshot   {made}  after record {snapshot.sequence}")
        journalled = f"{counted(opened.records, 'record')}, {counted(opened.samples, 'sample')}"
        lines.append(f"journal    {journalled}; {recovered.samples:,} to replay")
    for group in recovered.engine.groups:
        n = len(group.streams)
        samples = int(group.count[:n].sum())
        lines.append(f"group      {group.name}: {counted(n, 'stream')}, {counted(samples, 'sample')}")
    lines.append(f"damage     {recovered.damage or 'none'}")
    return "\n".join(lines)


def export(settings: Settings | None, output: IO[str], file: Path | None = None) -> None:
    """Write a line of CSV per stream: what is known of it. Raises StateError if the file can't be read."""
    _, recovered = _read(settings, file)
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
            facts = [repr(float(group.time[row])), repr(group.told(row))] if known else ["", ""]
            averages = (float(smoothed[beta][row]) if beta in smoothed else math.nan for beta in betas)
            cells = ("" if math.isnan(average) else repr(average) for average in averages)
            writer.writerow([group.name, name, int(group.count[row]), *facts, *cells])


def back_up(settings: Settings, target: Path) -> str:
    """Copy the state file into a new one, while a daemon may write it; return what was done."""
    if target.exists():
        raise ConfigError(f"{target}: expected a file that does not exist yet")
    path = _path(settings)
    if is_old(path):
        raise StateError(f"{path}: made by ewad 0.1: start ewad once, then back up")
    reading.back_up(path, target)
    return f"{path} copied to {target}"


def _path(settings: Settings) -> Path:
    if settings.state is None:
        raise ConfigError(
            f"state: expected a [state] section, got none: no state is kept; one could be "
            f'[state] path = "{StateSettings().path}"'
        )
    return _existing(Path(settings.state.path), "no such file: no daemon has kept state there yet")


def _existing(path: Path, otherwise: str) -> Path:
    if not path.exists():
        raise StateError(f"{path}: {otherwise}")
    return path


def _read(settings: Settings | None, file: Path | None) -> tuple[Path, Recovered]:
    """Return the file and what a daemon would start with; of a file that is named, all of its blocks."""
    groups = [] if settings is None else settings.group_settings()
    if file is None:
        assert settings is not None  # noqa: S101 (only a file that is named needs no configuration)
        path = _path(settings)
    else:
        path = _existing(file, "no such file")
        groups += _others(path, groups)
    return path, read(path, "", lambda: Engine(groups))


def _others(path: Path, known: Sequence[GroupSettings]) -> list[GroupSettings]:
    """Return the blocks of a file that are none of the known ones, without their models."""
    if known and is_old(path):
        return []
    names, topics = {group.name for group in known}, {group.topics for group in known}
    return [each for each in described(path) if each.name not in names and each.topics not in topics]


def _opened(path: Path) -> Log | OldFile:
    return OldFile(path) if is_old(path) else open_log(path)
