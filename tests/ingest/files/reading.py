"""What a file's samples are, for tests."""

from datetime import UTC, datetime

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
