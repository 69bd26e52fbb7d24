"""What a file's samples are, for tests."""

from datetime import UTC, datetime

import pytest

from ewad.errors import SourceError
from ewad.ingest.files import FileOptions, read


def samples(path, **options):
    """Every sample as (time, stream name, value), and the file."""
    file = read(path, FileOptions(**options))
    rows = [
        (time, file.names[stream], value)
        for chunk in file
        for time, stream, value in zip(*(column.tolist() for column in chunk), strict=True)
    ]
    return rows, file


def at(text):
    """Unix seconds of an ISO time; UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def values(rows):
    """The values of such samples."""
    return [value for _, _, value in rows]


def told(path, **options):
    """What a file is refused with."""
    with pytest.raises(SourceError) as caught, read(path, FileOptions(**options), certain=True) as file:
        list(file)
    return str(caught.value).removeprefix(f"{path}: ")
