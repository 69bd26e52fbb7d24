"""The options that say how files are to be read, where what was decided about them is wrong."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ewad.commands.prometheus_query import Range, fetch
from ewad.config.history import FilesSettings
from ewad.errors import ConfigError, SourceError
from ewad.ingest.files import FileOptions, InputFile, read

# as people can type them
DELIMITERS = {",": ",", ";": ";", ":": ":", "|": "|", "space": " ", "tab": "\t", r"\t": "\t"}

OPTIONS = (
    click.option(
        "--layout",
        type=click.Choice(["wide", "long", "messages"]),
        help="Read each column as a stream (wide), streams named in a column (long), or messages.",
    ),
    click.option(
        "--delimiter", metavar="CHARACTER", help="Separate cells by this character, such as ';' or tab."
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Read text by this encoding, such as latin-1; by default UTF-8, or what fits.",
    ),
    click.option("--skip-rows", type=click.IntRange(0), metavar="N", help="Leave out N lines at the top."),
    click.option("--comment", metavar="SIGN", help="Leave out lines that begin with this, such as '#'."),
    click.option("--header/--no-header", default=None, help="Say whether the first row holds names."),
    click.option("--names", metavar="NAME,...", help="Give the columns these names instead of the header's."),
    click.option(
        "--time-column",
        metavar="NAME,...",
        help="Read times from this column, or from several such as Date,Time.",
    ),
    click.option(
        "--time-format",
        metavar="FORMAT",
        help="Read times by this format of strptime, such as '%d.%m.%Y %H:%M'; or s, ms, us, ns.",
    ),
    click.option(
        "--timezone",
        metavar="ZONE",
        help="Read times without a zone as times of this zone, such as Europe/Berlin.",
    ),
    click.option(
        "--day-first/--month-first",
        default=None,
        help="Say which of the first two numbers of 01/02/2026 is the day.",
    ),
    click.option("--stream-column", metavar="NAME,...", help="Make a stream of each value of this column."),
    click.option(
        "--value-column",
        metavar="NAME,...",
        help="Take the values from these columns, beside --stream-column.",
    ),
    click.option(
        "--stream-name",
        metavar="TEMPLATE",
        help="Name streams by this template, such as 'site/{stream}/temperature'.",
    ),
    click.option(
        "--columns", metavar="NAME,...", help="Take these columns alone; by default all that hold numbers."
    ),
    click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        help="Read this sign as the decimal one, as in 21.5 or 21,5.",
    ),
    click.option(
        "--missing",
        multiple=True,
        metavar="CELL",
        help="Read cells of this text as missing, such as -200; may be repeated.",
    ),
    click.option("--sort/--no-sort", default=None, help="Say whether rows are put in order of time."),
    click.option("--explain", is_flag=True, help="Print how the files are read, and do no more."),
    click.option(
        "--accept", is_flag=True, help="Read files even where they could be read in another way too."
    ),
)
LISTS = ("names", "columns")
PLAIN = (
    *("layout", "encoding", "skip_rows", "comment", "header", "time_column", "time_format", "timezone"),
    *("day_first", "stream_column", "value_column", "stream_name", "decimal", "sort", "accept"),
)


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def taken(options: dict[str, Any]) -> FileOptions:
    """Take from the options those of file_options, and return what they mean. Raises ConfigError."""
    delimiter = options.pop("delimiter")
    if delimiter is not None and DELIMITERS.get(delimiter, delimiter) not in DELIMITERS.values():
        raise ConfigError(f'--delimiter: expected one of {" ".join(DELIMITERS)}, got "{delimiter}"')
    rest: dict[str, Any] = {name: _listed(name, options.pop(name)) for name in LISTS}
    rest |= {name: options.pop(name) for name in PLAIN}
    return FileOptions(
        delimiter=None if delimiter is None else DELIMITERS.get(delimiter, delimiter),
        missing=tuple(options.pop("missing")),
        **rest,
    )


def with_section(given: FileOptions, section: FilesSettings | None) -> FileOptions:
    """Return the options of the command, and of the section [files] where the command has none."""
    if section is None:
        return _consistent(given)
    delimiter = section.delimiter
    values = {
        **{name: getattr(section, name) for name in section.__struct_fields__},
        "delimiter": None if delimiter is None else DELIMITERS[delimiter],
    }
    chosen = {name for name in values if getattr(given, name) not in (None, ()) and name != "accept"}
    chosen |= {"accept"} if given.accept else set()
    merged = {name: value for name, value in values.items() if name not in chosen and value is not None}
    return _consistent(dataclasses.replace(given, **merged))


def _listed(name: str, given: str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = tuple(part.strip() for part in given.split(","))
    if not all(names) and name == "columns":
        raise ConfigError(f'--{name}: expected names between commas, got "{given}"')
    return names


def _consistent(options: FileOptions) -> FileOptions:
    """Return the options. Raises ConfigError for two that contradict each other."""
    if options.layout in ("wide", "messages") and options.stream_column is not None:
        raise ConfigError(f"--stream-column: not with --layout {options.layout}: it makes a long layout")
    if options.stream_name == "":
        raise ConfigError("--stream-name: expected a name such as 'site/{stream}/temperature', got none")
    _check_encoding(options.encoding)
    return options


def _check_encoding(name: str | None) -> None:
    if name is not None:
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=name)
        except LookupError:  # no codec, or one of other things than text
            raise ConfigError(
                f'--encoding: expected a name such as latin-1 or utf-16, got "{name}"'
            ) from None


def further(given: str | None) -> tuple[str, ...]:
    """Return the words between the commas of --with. Raises ConfigError for an unknown one."""
    known = ("anomaly", "skill", "weights")
    words = tuple(word.strip() for word in given.split(",")) if given else ()
    unknown = [word for word in words if word not in known]
    if unknown:
        raise ConfigError(f'--with: expected {", ".join(known)}, got "{unknown[0]}"')
    return words


@contextmanager
def history(
    files: Sequence[Path], from_prometheus: str | None, query: str | None, last: str, step: str
) -> Iterator[Sequence[InputFile]]:
    """Yield the files, or one with what a Prometheus answered. Raises ConfigError without either."""
    if from_prometheus is None:
        if not files:
            raise click.UsageError("Missing argument 'FILES...'.", click.get_current_context())
        yield files
        return
    if query is None:
        raise ConfigError("--from-prometheus: needs --query")
    with tempfile.TemporaryDirectory(prefix="ewad-") as folder:
        asked = Range(url=from_prometheus, query=query, last=last, step=step)
        yield [*files, fetch(asked, Path(folder) / "prometheus.json")]


def explain_files(files: Sequence[InputFile], options: FileOptions) -> None:
    """Print what is decided about the files. Raises SourceError where it could as well be otherwise."""
    for path in files:
        try:
            file = read(path, options)
        except SourceError as error:
            click.echo("\n".join(getattr(error, "__notes__", [])))
            raise
        with file:
            click.echo("\n".join(file.summary()))
            file.refuse_doubts()
