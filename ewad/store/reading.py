"""State files that are only read, whoever writes them meanwhile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ewad.store import frames
from ewad.store.file import sync_directory, told, write_all
from ewad.store.log import DamagedError, Log

SQLITE = b"SQLite format 3\0"  # how the files of ewad 0.1 begin


def open_log(path: Path) -> Log:
    """Open a state file to read it, whoever writes it meanwhile."""
    with told(path):
        file = path.resolve().open("rb")
    try:
        with told(path):
            return Log(path, file)
    except BaseException:
        file.close()
        raise


def back_up(path: Path, target: Path) -> None:
    """Copy all that is good of a state file into a new one, as private as that, while a daemon may write it.

    The copy is there whole or not at all. Raises DamagedError, and copies nothing, if the file is damaged.
    """
    with contextlib.closing(open_log(path)) as source, told(target):
        if source.damage or source.header is None:
            raise DamagedError(f"{source.damage}: no copy was made")
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            at = 0
            for data in source.copied(source.header._replace(flags=frames.BACKUP)):
                write_all(file, data, at)
                at += len(data)
            os.fsync(file)
            unfinished.rename(target)
            sync_directory(target)
        finally:
            os.close(file)
            unfinished.unlink(missing_ok=True)


def is_old(path: Path) -> bool:
    """Whether this is a file of ewad 0.1, or another SQLite database."""
    with told(path), path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE
