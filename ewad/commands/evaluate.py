"""`ewad evaluate`: the published tables, and those of one's own series, by one command from files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ewad.commands.file_options import explain_files, file_options, taken, with_section
from ewad.commands.options import CONFIG, settings_of
from ewad.commands.train import chosen_model
from ewad.config import Settings
from ewad.engine import ModelSettings
from ewad.engine.settings import auto
from ewad.errors import ConfigError, SourceError
from ewad.evaluation import report
from ewad.evaluation.anomalies import LabelledFile, anomaly_table, labelled_file, labels_of, spans_of
from ewad.evaluation.evaluation import Measured, measure
from ewad.evaluation.protocols import HORIZONS, PROTOCOLS, Task
from ewad.ingest.files import FileOptions
from ewad.training.history import TrainingHistory


@click.command("evaluate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option("--model", "name", help="Take this [model.NAME] of the configuration; by default auto.")
@click.option(
    "--protocol",
    type=click.Choice(["series", "fsnet", "gift-eval"]),
    default="series",
    show_default=True,
    help="Score the rows that this protocol scores, as it does.",
)
@click.option(
    "--river", is_flag=True, help="Also measure models of river, where it is installed; this takes long."
)
@click.option(
    "--anomalies",
    type=click.Path(path_type=Path),
    metavar="LABELS.json",
    help="Score anomalies instead, against the labelled windows of this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@file_options
def command(files: tuple[Path, ...], config: Path | None, name: str | None, **options: Any) -> None:
    """Measure forecasts on files, or folders of files, by a published protocol.

    The table shows simple methods beside ewad.
    """
    chosen = taken(options)
    settings = None if config is None else settings_of(config)
    chosen = with_section(chosen, None if settings is None else settings.files)
    if options.pop("explain"):
        explain_files(files, chosen)
        return
    click.echo(evaluate(files, settings, name, file_options=chosen, **options))


def evaluate(
    files: Sequence[Path],
    settings: Settings | None,
    name: str | None,
    *,
    protocol: str = "series",
    river: bool = False,
    anomalies: Path | None = None,
    as_json: bool = False,
    file_options: FileOptions | None = None,
) -> str:
    """Measure the forecasts on the files, or on all files of folders; return the tables.

    anomalies: labelled windows that the anomaly score is held against instead.
    name: of the model of the settings; without settings the model is auto.  Its horizons are the protocol's.
    Raises SourceError where a file can't be read or does not fit the protocol, ConfigError where a peer or
    the model is not there.
    """
    model = auto("auto") if settings is None else chosen_model(settings, name)
    if anomalies is not None:
        if as_json or river or protocol != "series":
            raise ConfigError("--anomalies: not together with --json, --river and --protocol")
        return anomaly_table(list(_labelled(files, anomalies, model, file_options)))
    if model == auto(model.name):  # of one horizon: where several are asked for it has an expert more
        model = auto(model.name, horizons=HORIZONS)
    tasks = [task for path in _listed(files) for task in _tasks(path, protocol, file_options)]
    measured = [_measure(task, model, river) for task in tasks]
    return report.as_json(measured) if as_json else report.text(measured)


def _listed(files: Sequence[Path]) -> Iterator[Path]:
    """Yield the files, and those of folders by name; hidden files and pages of text are no data."""
    for path in files:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not _is_no_data(p))
        if not inside:
            raise ConfigError(f"{path}: expected a folder of files, got none in it")
        yield from inside


def _labelled(
    files: Sequence[Path], labels_file: Path, model: ModelSettings, options: FileOptions | None
) -> Iterator[LabelledFile]:
    """Yield the files that are labelled, scored; tell of those that are not."""
    labels = labels_of(labels_file)
    inside = [path for path in _listed(files) if path.resolve() != labels_file.resolve()]
    hidden = not sys.stderr.isatty()
    with click.progressbar(inside, label="anomalies", file=sys.stderr, hidden=hidden) as bar:
        for path in bar:
            spans = spans_of(path, labels)
            if spans is None:
                click.echo(f"{path}: not in {labels_file}, left out", err=True)
                continue
            with TrainingHistory([path], options) as history:
                if len(history) != 1:
                    raise SourceError(
                        f"{path}: expected one series to hold against windows, got {len(history)}"
                    )
                (stream,) = history
                yield labelled_file(path.stem, *history[stream], spans, model)


def _is_no_data(path: Path) -> bool:
    return (
        path.name.startswith(".") or path.suffix.lower() in (".md", ".rst") or "license" in path.name.lower()
    )


def _tasks(path: Path, protocol: str, options: FileOptions | None) -> list[Task]:
    with TrainingHistory([path], options) as history:
        click.echo("\n".join(history.summaries), err=True)
        tasks = list(PROTOCOLS[protocol](path.stem, history))
    return [_named(task) for task in tasks]


def _named(task: Task) -> Task:
    """Return the task; a series that is alone in its file is called as the file is."""
    if len(task.series) > 1:
        return task
    return replace(task, series=tuple(replace(each, name=task.name) for each in task.series))


def _measure(task: Task, model: ModelSettings, river: bool) -> Measured:
    """Measure a task, with a bar on a terminal."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        length=len(task.series), label=task.name, file=sys.stderr, hidden=hidden, item_show_func=_shown
    ) as bar:
        return measure(task, model, river, lambda place, what: bar.update(place - bar.pos, what))


def _shown(what: Any) -> str:
    return what or ""
