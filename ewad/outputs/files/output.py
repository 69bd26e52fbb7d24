"""Files that a command writes: whole or not at all, and never over what it reads, which it reads once."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ewad.errors import ConfigError, StateError


class Output:
    """A file in the making: written beside its place, and moved there by finish().

    unfinished: where to write meanwhile; of the same suffix. A device or a pipe is written to at once.
    Raises ConfigError where no file can be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = Path(os.path.realpath(path))  # a link stays one, and leads to the new file
        self._at_once = path.exists() and not path.is_file()  # a pipe's real path is no path
        self.unfinished = path
        if not self._at_once:
            self.unfinished = self._place.with_name(f"{self._place.stem}.{os.getpid()}.part{path.suffix}")
        why = self._refusal()
        if why:
            raise ConfigError(f"{path}: can't write there: {why}")

    def _refusal(self) -> str | None:
        if self._place.is_dir():
            return "it is a folder"
        if self._place.exists() and not os.access(self._place, os.W_OK):
            return "Permission denied"
        try:
            if not self._at_once:
                self.unfinished.open("wb").close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield the unfinished file's path; an OSError inside becomes a StateError that names the file."""
        try:
            yield self.unfinished
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise StateError(f"{self.path}: can't write the file: {why}") from error

    def finish(self) -> None:
        """Put the file in its place. Raises StateError where that fails."""
        if not self._at_once:
            with self.writing():
                if self._place.exists():
                    shutil.copymode(self._place, self.unfinished)
                self.unfinished.replace(self._place)

    def discard(self) -> None:
        """Remove what is unfinished; nothing if it is finished already."""
        if not self._at_once:
            with contextlib.suppress(OSError):
                self.unfinished.unlink()


def refuse_overlaps(inputs: Sequence[os.PathLike[str]], outputs: Mapping[str, Path | None]) -> None:
    """Raise ConfigError where an output, given by the option that names it, is an input or another output."""
    taken = [(str(path), path) for path in inputs]
    for option, path in outputs.items():
        if path is None:
            continue
        for name, other in taken:
            if _same(path, other):
                raise ConfigError(f"{option} {path}: expected a file of its own, got the same one as {name}")
        taken.append((f"{option} {path}", path))


def refuse_repeats(inputs: Sequence[Path]) -> None:
    """Raise ConfigError where a file is named twice, by whatever names."""
    seen: dict[object, Path] = {}
    for path in inputs:
        try:
            status = path.stat()
            identity: object = status.st_dev, status.st_ino
        except OSError:  # whoever reads it says so
            identity = os.path.realpath(path)
        if identity in seen:
            raise ConfigError(f"{path}: expected each file once, got the same one as {seen[identity]}")
        seen[identity] = path


def _same(a: os.PathLike[str], b: os.PathLike[str]) -> bool:
    if os.path.realpath(a) == os.path.realpath(b):
        return True
    try:
        return Path(a).samefile(b)
    except OSError:  # one of them does not exist
        return False
