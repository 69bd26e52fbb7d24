"""What waits to be sent: bounded by size and age, the oldest gives way; how long to wait for a next try.

With a folder it waits on the disk and outlives the process, however that ends. Nothing is synced there: a
power failure may cost what the kernel had not written yet.
"""

from __future__ import annotations

import gzip
import logging
import random
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ewad.outputs.otlp.points import Packed

FIRST_DELAY_SECONDS: Final = 1.0
LONGEST_DELAY_SECONDS: Final = 60.0
SUFFIX: Final = ".otlp.gz"

log = logging.getLogger("ewad.outputs.otlp")


class Waiting(NamedTuple):
    """A compressed request: itself, or the file that has it. since: Unix seconds, when it was put there."""

    body: bytes | Path
    n_bytes: int
    samples: int
    since: float

    def read(self) -> bytes:
        """Return what is to be sent. Raises OSError where its file can't be read."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()

    def drop(self) -> None:
        """Keep it no longer."""
        if isinstance(self.body, Path):
            self.body.unlink(missing_ok=True)


class Backlog:
    """Requests in their order. samples, n_bytes: of all that waits."""

    def __init__(self, most_bytes: int, most_seconds: float, folder: Path | None = None) -> None:
        """folder: where requests wait; None: in memory."""
        self.samples = 0
        self.n_bytes = 0
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._folder = folder
        self._number = 0  # of the newest file
        self._waiting: deque[Waiting] = deque()

    @property
    def volatile(self) -> int:
        """How many samples wait in memory alone."""
        return sum(each.samples for each in self._waiting if isinstance(each.body, bytes))

    def recover(self) -> None:
        """Go on with what an earlier process has left in the folder."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder is not None else ():
            number, samples, milliseconds = map(int, path.name.removesuffix(SUFFIX).split("-"))
            self._number = max(self._number, number)
            self._append(Waiting(path, path.stat().st_size, samples, milliseconds / 1000.0))

    def add(self, packed: Packed, now: float) -> None:
        """Let a request wait. now: Unix seconds."""
        body = gzip.compress(packed.body, compresslevel=3, mtime=0)
        self._append(Waiting(self._kept(body, packed.samples, now), len(body), packed.samples, now))

    def _kept(self, body: bytes, samples: int, now: float) -> bytes | Path:
        """Return the file that has the request now; itself where there is no folder, or no room in it."""
        if self._folder is None:
            return body
        self._number += 1
        path = self._folder / f"{self._number:012d}-{samples}-{round(now * 1000.0)}{SUFFIX}"
        unfinished = path.with_suffix(".tmp")
        try:
            unfinished.write_bytes(body)
            unfinished.rename(path)
        except OSError as error:
            log.warning('otlp: samples wait in memory file=%s reason="%s"', path, error.strerror)
            return body
        return path

    def _append(self, request: Waiting) -> None:
        self._waiting.append(request)
        self.samples += request.samples
        self.n_bytes += request.n_bytes

    def take(self) -> Waiting | None:
        """Take the oldest one out, if there is any. Its file stays until it is dropped."""
        if not self._waiting:
            return None
        found = self._waiting.popleft()
        self.samples -= found.samples
        self.n_bytes -= found.n_bytes
        return found

    def put_back(self, request: Waiting) -> None:
        """Let the one that was taken out wait again, before all others."""
        self._waiting.appendleft(request)
        self.samples += request.samples
        self.n_bytes += request.n_bytes

    def shrink(self, now: float) -> int:
        """Let go of what is too old or too much, and return how many samples that were."""
        before = self.samples
        while self.n_bytes > self._most_bytes or self._is_old(now):
            oldest = self.take()
            assert oldest is not None  # noqa: S101 (there is something that is too much)
            oldest.drop()
        return before - self.samples

    def _is_old(self, now: float) -> bool:
        return bool(self._waiting) and now - self._waiting[0].since > self._most_seconds


class Draft:
    """What becomes the next requests, in a file to which each piece is added as it comes.

    Pieces are serialized requests: one behind the other they are a request, too.
    """

    REQUEST_BYTES: Final = 1_500_000  # before compression
    HEAD_BYTES: Final = 8  # of each piece: how long it is, how many samples it has

    def __init__(self, path: Path) -> None:
        self.samples = 0
        self._path = path

    def recover(self) -> None:
        """Go on with what an earlier process has left."""
        self.samples = sum(piece.samples for piece in self._pieces())

    def add(self, packed: Packed) -> None:
        """Add a piece. Raises OSError where it can't be written: then it is not there."""
        body = gzip.compress(packed.body, compresslevel=1, mtime=0)
        with self._path.open("ab", buffering=0) as file:
            before = file.tell()
            piece = len(body).to_bytes(4) + packed.samples.to_bytes(4) + body
            try:
                written = file.write(piece)
            except OSError:
                file.truncate(before)
                raise
            if written != len(piece):
                file.truncate(before)
                raise OSError(f"{self._path}: only {written} of {len(piece)} bytes could be written")
        self.samples += packed.samples

    def requests(self) -> Iterator[Packed]:
        """Yield all of it, as requests that are small enough for a receiver."""
        body, samples = bytearray(), 0
        for piece in self._pieces():
            if body and len(body) + len(piece.body) > self.REQUEST_BYTES:
                yield Packed(bytes(body), samples)
                body, samples = bytearray(), 0
            body += piece.body
            samples += piece.samples
        if body:
            yield Packed(bytes(body), samples)

    def _pieces(self) -> Iterator[Packed]:
        """Yield each piece; not one that a kill has cut off, nor what comes behind a damaged one."""
        try:
            held = memoryview(self._path.read_bytes())
        except FileNotFoundError:
            return
        while len(held) >= self.HEAD_BYTES:
            length, samples = int.from_bytes(held[:4]), int.from_bytes(held[4:8])
            try:
                body = gzip.decompress(held[self.HEAD_BYTES : self.HEAD_BYTES + length])
            except (OSError, EOFError, zlib.error) as error:
                log.warning('otlp: end of a file is damaged: left out file=%s reason="%s"', self._path, error)
                return
            yield Packed(body, samples)
            held = held[self.HEAD_BYTES + length :]

    def clear(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)
        self.samples = 0


def delay_seconds(failures: int, after_seconds: float, generator: random.Random) -> float:
    """Return how long to wait after so many failures in a row: twice as long each time, by chance up to half
    shorter, so that daemons that failed together do not come back together; never less than was asked for.
    """
    longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 16))
    return max(after_seconds, longest * generator.uniform(0.5, 1.0))
