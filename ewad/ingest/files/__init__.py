"""Files of samples: a reader for each format, in READERS; each file is decided on once, from all of it.

The first pass (profile.py) gathers what each column holds (columns.py) and decides which is what (roles.py);
the second (samples.py) reads samples in blocks of bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ewad.config.syntax import quoted
from ewad.errors import SourceError, needs
from ewad.ingest.files import encoding
from ewad.ingest.files.archive import Archive, Fetched, InputFile
from ewad.ingest.files.csv import CsvReader
from ewad.ingest.files.home_assistant import RecorderReader, is_database
from ewad.ingest.files.influx import AnnotatedReader, LineProtocolReader, is_annotated, is_line_protocol
from ewad.ingest.files.json_lines import JsonReader, is_json
from ewad.ingest.files.messages import RecordedMessage
from ewad.ingest.files.mosquitto_log import MosquittoLog, is_log
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.parquet import ParquetReader, is_parquet
from ewad.ingest.files.prometheus_json import PrometheusReader, is_prometheus
from ewad.ingest.files.samples import SampleFile
from ewad.ingest.files.sorting import Chunk
from ewad.ingest.files.table import FileReader

__all__ = [
    "READERS",
    "Chunk",
    "Fetched",
    "FileOptions",
    "InputFile",
    "RecordedMessage",
    "SampleFile",
    "read",
]

HEAD_BYTES = 65_536
FIRST_LINES = 3  # of a file that can't be read


class FileFormat(NamedTuple):
    """A format: whether a file is of it, by its first bytes, and its reader."""

    is_it: Callable[[bytes], bool]
    reader: Callable[[Archive, FileOptions], FileReader]


# The first format that takes a file reads it; delimited text takes all.
READERS: dict[str, FileFormat] = {
    "parquet": FileFormat(is_parquet, ParquetReader),
    "home assistant": FileFormat(is_database, RecorderReader),
    "prometheus": FileFormat(is_prometheus, PrometheusReader),
    "json": FileFormat(is_json, JsonReader),
    "mosquitto": FileFormat(is_log, MosquittoLog),
    "influx csv": FileFormat(is_annotated, AnnotatedReader),
    "influx lines": FileFormat(is_line_protocol, LineProtocolReader),
    "csv": FileFormat(lambda _head: True, CsvReader),
}


def read(path: InputFile, options: FileOptions | None = None, *, certain: bool = False) -> SampleFile:
    """Return the file with everything decided about it.

    Raises SourceError with line, column and remedy, and the first lines as notes; if certain, also where what
    was guessed could as well be otherwise and the options do not accept that; ConfigError where pandas is not
    installed.
    """
    needs("pandas", "files", f"{path}: reading files")
    options = options or FileOptions()
    archive = Archive(path)
    head = b""
    try:
        head = archive.head(HEAD_BYTES)
        file = SampleFile(archive, _chosen(head, options).reader(archive, options), options)
        if certain:
            file.refuse_doubts()
    except SourceError as error:
        archive.close()
        for line in _beginning(path, head):
            error.add_note(line)
        raise
    except BaseException:
        archive.close()
        raise
    return file


def _chosen(head: bytes, options: FileOptions) -> FileFormat:
    """Return the format of a file that begins with these bytes; a delimiter that is named makes it CSV."""
    if options.delimiter is not None:
        return READERS["csv"]
    text = encoding.beginning(head, options.encoding or encoding.guess_of(head))
    others = (each for name, each in READERS.items() if name != "csv")
    return next((each for each in others if each.is_it(head) or each.is_it(text)), READERS["csv"])


def _beginning(path: InputFile, head: bytes) -> Iterator[str]:
    """Yield how a file that can't be read begins, for people: what --explain shows then."""
    lines = head.decode("utf-8", "backslashreplace").splitlines()[:FIRST_LINES]
    if lines:
        yield f"{path}: begins so:"
        yield from (f"  line {number}: {quoted(line, 100)}" for number, line in enumerate(lines, 1))
