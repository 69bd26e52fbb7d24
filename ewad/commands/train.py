"""`ewad train`: models trained on files, with a bar to watch, a table at the end, a picture and a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ewad.commands.file_options import explain_files, file_options, taken, with_section
from ewad.commands.options import CONFIG, default_config, settings_of
from ewad.config import Settings
from ewad.config.syntax import quoted
from ewad.engine import ModelSettings
from ewad.errors import ConfigError
from ewad.ingest.files import FileOptions
from ewad.numeric.minibatches import Progress
from ewad.numeric.names import lookup
from ewad.outputs.files.output import Output, refuse_overlaps, refuse_repeats
from ewad.outputs.files.pictures import check_picture
from ewad.outputs.files.report_page import check_page, write_page
from ewad.training.training import TrainingReport, TrainSettings, draw_costs, save, train_files

# Ten times a second looks smooth; each mini-batch drawn is a line of 100 bytes.
REDRAW_SECONDS = 0.1


@click.command("train")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@CONFIG
@click.option(
    "--model", "name", help="Train this [model.NAME] of the configuration; by default its only one."
)
@click.option("--optimizer", metavar="NAME,...", help="Compare these optimizers; by default the model's own.")
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Pass so many times over the data.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Take so many examples in a mini-batch; by default the course's rule.",
)
@click.option(
    "--validation",
    type=float,
    default=0.2,
    show_default=True,
    help="Judge by this last share of the time (0 to 1), and do not train on it.",
)
@click.option("--stop-on-plateau", is_flag=True, help="End the training where the cost no longer falls.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Shuffle by this seed.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Draw the cost by epoch to this file, .png, .svg or .pdf."
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    help="Write the cost by epoch and the table as one page, .html.",
)
@file_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Save the best model to this file, for start_from.",
)
def command(files: tuple[Path, ...], config: Path | None, name: str | None, **options: Any) -> None:
    """Train a model on files, with several optimizers side by side; - is standard input."""
    chosen = taken(options)
    config = config or default_config()
    settings = None if config is None else settings_of(config)
    chosen = with_section(chosen, None if settings is None else settings.files)
    if options.pop("explain"):
        explain_files(files, chosen)
        return
    said, summary = train(files, settings, name, file_options=chosen, config_file=config, **options)
    if config is not None:
        click.echo(f"configuration: {config}", err=True)
    click.echo(summary, err=True)
    click.echo(said)


def train(
    files: Sequence[Path],
    settings: Settings | None,
    name: str | None,
    *,
    optimizer: str | None = None,
    output: Path | None = None,
    plot: Path | None = None,
    html: Path | None = None,
    file_options: FileOptions | None = None,
    config_file: Path | None = None,
    **options: Any,
) -> tuple[str, str]:
    """Do what `ewad train` does, with a bar on a terminal's stderr; return what it prints, and of the files.

    name: of the model of the settings; None: its only one, or the default one.  options: of TrainSettings.
    """
    inputs = [*files, *([config_file] if config_file else [])]
    _check_outputs(inputs, {"-o": output, "--plot": plot, "--html": html})
    refuse_repeats(files)
    chosen = TrainSettings(model=chosen_model(settings, name), optimizers=_optimizers(optimizer), **options)
    with _Bars() as bars:
        report = train_files(files, chosen, file_options, on_progress=bars.show)
    lines = [str(report)]
    if output is not None:  # first of all: it is what the time went into
        save(report, output)
        path = output.resolve()  # start_from counts from the configuration's folder, not from this one
        but = ", though it forecasts worse than persistence" if report.best_is_worse_than_persistence else ""
        lines.append(
            f"{report.best.optimizer}'s model saved in {output}{but}: start_from = {quoted(str(path), 4096)}"
        )
    if plot is not None:
        draw_costs(report, plot)
        lines.append(f"costs drawn in {plot}")
    if html is not None:
        _write_page(report, html, f"Training on {', '.join(path.name for path in files)}")
        lines.append(f"costs shown in {html}")
    return "\n".join(lines), report.summary


def _write_page(report: TrainingReport, path: Path, title: str) -> None:
    """Write a page with the table and the costs of each epoch. Raises ConfigError, StateError."""
    curves = [
        {
            "optimizer": r.optimizer,
            "train": r.train_costs,
            "validation": r.validation_costs,
            "diverged": r.reason.startswith("diverged"),
        }
        for r in report.results
    ]
    results = [
        {name: getattr(r, name) for name in ("optimizer", "batch_size", "epochs", "seconds", "reason")}
        | {"train_cost": r.train_cost, "validation_cost": r.validation_cost}
        for r in report.results
    ]
    persistence = {"train": report.train_persistence, "validation": report.validation_persistence}
    output = Output(path)
    try:
        with output.writing() as unfinished:
            costs = {"results": results, "curves": curves, "persistence": persistence}
            write_page(unfinished, title, [report.counts, *report.summary.splitlines()], costs=costs)
        output.finish()
    finally:
        output.discard()


def _check_outputs(inputs: Sequence[Path], outputs: Mapping[str, Path | None]) -> None:
    """Raise ConfigError now for an output, by its option, that could not be written after the training."""
    refuse_overlaps(inputs, outputs)
    given = {option: path for option, path in outputs.items() if path is not None}
    if "--plot" in given:
        check_picture(given["--plot"])
    if "--html" in given:
        check_page(given["--html"])
    if "-o" in given and given["-o"].exists() and not given["-o"].is_file():
        raise ConfigError(f"{given['-o']}: can't write there: expected a file or nothing yet")
    for path in given.values():
        Output(path).discard()


def _optimizers(names: str | None) -> tuple[str, ...]:
    """Return the names between the commas; none where none were asked for. Raises ConfigError."""
    if names is None:
        return ()
    optimizers = tuple(name.strip() for name in names.split(","))
    if not all(optimizers):
        raise ConfigError(f'--optimizer: expected names between commas, such as adam,momentum, got "{names}"')
    return optimizers


def chosen_model(settings: Settings | None, name: str | None) -> ModelSettings:
    """Return the model of this name, or the only one, or the default one. Raises ConfigError."""
    models = {} if settings is None else settings.models
    if name is None:
        if len(models) > 1:
            raise ConfigError(f"--model: expected one of {', '.join(models)}")
        return next(iter(models.values()), ModelSettings())
    try:
        return lookup(models, name, "--model")
    except ValueError as error:
        raise ConfigError(str(error)) from error


class _Bars:
    """A progress bar for each optimizer in turn; none where stderr is no terminal.

    clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown = sys.stderr.isatty()
        self._stack = ExitStack()
        self._optimizer = ""
        self._bar: Any = None
        self._drawn = 0.0
        self._steps = 0  # since it was drawn
        self._progress: Progress | None = None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def show(self, optimizer: str, epochs: int, progress: Progress) -> None:
        """Advance the bar by a step, to be seen with the next drawing."""
        if not self._shown:
            return
        now = self._clock()
        if optimizer != self._optimizer:
            self._close()
            self._optimizer, self._drawn = optimizer, now
            bar = click.progressbar(
                length=epochs * progress.batches, label=optimizer, file=sys.stderr, item_show_func=_told
            )
            self._bar = self._stack.enter_context(bar)
        self._steps += 1
        self._progress = progress
        if now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            self._draw()

    def _draw(self) -> None:
        self._bar.update(self._steps, self._progress)
        self._steps = 0

    def _close(self) -> None:
        if self._steps:
            self._draw()
        self._stack.close()


def _told(progress: Progress | None) -> str:
    if progress is None:
        return ""
    return f"epoch {progress.epoch}  loss {progress.loss:.5g}  rate {progress.learning_rate:.3g}"
