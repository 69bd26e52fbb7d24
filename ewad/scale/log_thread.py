"""The thread that writes the log: commits that wait share a sync; none is acknowledged before its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.scale.record import Record

MOST_WAITING = 64  # commits, of 4,096 messages each at most


class Job(NamedTuple):
    """One commit. done: called in the event loop once it is on the disk."""

    records: list[Record]
    pending: Acknowledgements
    arrival: float
    done: Callable[[], object]


class Destination(Protocol):
    """Where commits go: a log of files, or a topic of Kafka."""

    def append(self, job: Job) -> None:
        """Write a commit. Raises EwadError."""

    def sync(self) -> None:
        """Return once all that was appended is kept. Raises EwadError."""

    def close(self) -> None:
        """Keep all, and let go."""


class LogThread:
    """Writes commits in their order. What fails ends it: `busy` raises it where the source can hear."""

    def __init__(
        self, destination: Destination, observe_seconds: Callable[[float], None] = lambda seconds: None
    ) -> None:
        """observe_seconds: told how long each sync and what it holds took."""
        self._destination = destination
        self._observe_seconds = observe_seconds
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._ending = False
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to write. To be called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def put(self, job: Job) -> None:
        """Let a commit be written, in its turn."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    @property
    def busy(self) -> bool:
        """Whether so many commits wait that no more should come. Raises what has ended the thread."""
        if self._fault is not None:
            raise self._fault
        return len(self._jobs) > MOST_WAITING

    def close(self) -> None:
        """Write what waits and end. Raises what has ended the thread before."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._loop is not None:
            self._thread.join()
        if self._fault is not None:
            raise self._fault
        self._destination.close()

    def _run(self) -> None:
        try:
            while jobs := self._next():
                started = time.perf_counter()
                for job in jobs:
                    self._destination.append(job)
                self._destination.sync()
                self._observe_seconds(time.perf_counter() - started)
                assert self._loop is not None  # noqa: S101 (start sets it)
                self._loop.call_soon_threadsafe(_release, jobs)
        except Exception as fault:
            self._fault = fault

    def _next(self) -> list[Job]:
        """Return what waits, as soon as something does; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._ending)
            jobs, self._jobs = self._jobs, []
            return jobs


def _release(jobs: list[Job]) -> None:
    for job in jobs:
        job.done()
