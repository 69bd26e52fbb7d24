"""Files of samples: a reader for each format, in READERS; each file is decided on once, from all of it.

The first pass (profile.py) gathers what each column holds (columns.py) and decides which is what (roles.py);
the second (samples.py) reads samples in blocks of bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ewad.ingest.files.archive import Archive
from ewad.ingest.files.csv import CsvReader
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.samples import RecordedMessage, SampleFile
from ewad.ingest.files.sorting import Chunk
from ewad.ingest.files.table import Reader

__all__ = ["READERS", "Chunk", "FileOptions", "RecordedMessage", "SampleFile", "read"]

HEAD_BYTES = 65_536


class Format(NamedTuple):
    """A format: whether a file is of it, by its name in small letters and its first bytes, and its reader."""

    is_it: Callable[[str, bytes], bool]
    reader: Callable[[Archive, FileOptions], Reader]


# The first format that takes a file reads it; delimited text takes all.
READERS: dict[str, Format] = {
    "csv": Format(lambda name, head: True, CsvReader),
}


def read(path: Path, options: FileOptions | None = None, *, certain: bool = False) -> SampleFile:
    """Return the file with everything decided about it.

    Raises SourceError with line, column and remedy; if certain, also where what was guessed could as well be
    otherwise and the options do not accept that.
    """
    options = options or FileOptions()
    archive = Archive(path)
    try:
        head = archive.head(HEAD_BYTES)
        chosen = next(each for each in READERS.values() if each.is_it(archive.name, head))
        file = SampleFile(archive, chosen.reader(archive, options), options)
        if certain:
            file.refuse_doubts()
    except BaseException:
        archive.close()
        raise
    return file
