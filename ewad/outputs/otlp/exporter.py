"""The sink of [otlp]: results pushed to a collector, each interval; what can't be sent waits for its turn."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ewad import __version__
from ewad.config import Settings
from ewad.engine import GroupSettings
from ewad.outputs.otlp.backlog import Backlog, delay_seconds
from ewad.outputs.otlp.client import OtlpClient, Refused, Unsent
from ewad.outputs.otlp.points import Attributes, DataPoints
from ewad.outputs.registry import Labels
from ewad.outputs.sinks import Observed, Sink, Tally

log = logging.getLogger("ewad.outputs.otlp")

PENDING_SAMPLES: Final = 16_384  # packed early: what waits as Python numbers takes ten times the memory
CLOSE_SECONDS: Final = 0.8  # for a last push when the daemon ends


class Exporter(Sink):
    """Pushes what comes. It waits for nobody: past its bounds the oldest that waits gives way, counted.

    Samples come in by the sink's thread; another one pushes, so that a receiver that hangs holds up nothing.
    """

    waits = False

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = time.monotonic, seed: int | None = None
    ) -> None:
        """Take settings that have [otlp]. Raises ConfigError where they can't work.

        clock: seconds, monotonic.  seed: of the back-off's chance; None: the system's.
        """
        assert settings.otlp is not None  # noqa: S101 (who has none makes no sink)
        self._all = settings
        self._settings = settings.otlp
        headers = {name: secret.reveal() for name, secret in settings.secrets.otlp_headers}
        self._client = OtlpClient(self._settings, headers)
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 (no secret hangs on it)
        self._points = DataPoints(
            _resource(settings), self._settings.samples == "last", settings.metrics.labels
        )
        self._backlog = Backlog(self._settings.backlog_bytes, self._settings.backlog_age_seconds)
        self._lock = threading.Lock()  # of both
        self._written = self._lost = self._failures = 0
        self._failed = 0  # attempts in a row
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp push", daemon=True)

    @property
    def tally(self) -> Tally:
        """What it has sent and lost, and what waits."""
        waiting = self._points.waiting + self._backlog.samples
        return Tally(written=self._written, lost=self._lost, waiting=waiting, failures=self._failures)

    def fits(self, settings: Settings) -> bool:
        """Whether nothing that it depends on differs."""
        return _depends_on(settings) == _depends_on(self._all)

    def open(self, groups: Sequence[GroupSettings]) -> None:
        """Begin to push at the first time."""
        if not self._thread.is_alive() and not self._ending.is_set():
            self._thread.start()

    def observed(self, observed: Observed) -> None:
        """Take the results of a batch."""
        with self._lock:
            self._points.take(observed)

    def forgotten(self, settings: GroupSettings, streams: Mapping[str, Labels]) -> None:
        """Send what waits of these streams, and let go of them."""
        with self._lock:
            self._pack()
            self._points.forget(settings.name, streams)

    def flush(self) -> None:
        """Have much that waits take less memory."""
        with self._lock:
            if self._points.waiting >= PENDING_SAMPLES:
                self._pack()

    def close(self) -> None:
        """Push once more, within a bound. What is left then is lost, and told."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        with self._lock:
            left = self._points.waiting + self._backlog.samples
            self._lost += left
        self._client.close()
        if left:
            log.warning("otlp: samples not sent at the end samples=%d", left)

    # ---- the thread that pushes

    def _run(self) -> None:
        wait = self._settings.interval_seconds
        while not self._ending.wait(wait):
            pause = self.push()
            wait = pause if self._failed else self._settings.interval_seconds
        self.push()

    def push(self) -> float:
        """Send all that waits, in its order, until that fails; return the seconds to wait then, else 0."""
        with self._lock:
            self._pack()
        while True:
            with self._lock:
                request = self._backlog.take()
            if request is None:
                return 0.0
            try:
                answer = self._client.post(request.body)
            except Unsent as error:
                with self._lock:
                    self._backlog.put_back(request)
                return self._note_failure(error)
            except Refused as error:
                log.warning('otlp: samples refused reason="%s" samples=%d', error, request.samples)
                self._failures += 1
                self._lost += request.samples
                continue
            if answer.rejected:
                told = answer.rejected, answer.message[:200]
                log.warning('otlp: data points refused points=%d reason="%s"', *told)
            self._written += request.samples
            self._note_success()

    def _note_failure(self, error: Unsent) -> float:
        self._failures += 1
        self._failed += 1
        if self._failed == 1:
            where = self._settings.endpoint
            log.warning('otlp: push failed endpoint=%s reason="%s": samples wait', where, error)
        return delay_seconds(self._failed, error.after_seconds, self._random)

    def _note_success(self) -> None:
        if self._failed:
            log.info("otlp: push works again failures=%d samples=%d", self._failed, self._backlog.samples)
        self._failed = 0

    def _pack(self) -> None:
        """Make requests of what waits, and let go of what is too much. Holds the lock."""
        now = self._clock()
        for packed in self._points.pack():
            self._backlog.add(packed, now)
        lost = self._backlog.shrink(now)
        if lost:
            log.warning("otlp: samples lost, too many wait or for too long samples=%d", lost)
        self._lost += lost


def _depends_on(settings: Settings) -> object:
    secrets = settings.secrets.otlp_headers
    return settings.otlp, secrets, settings.streams, settings.models, settings.mqtt, settings.metrics


def _resource(settings: Settings) -> Attributes:
    """Return what tells this daemon from others: Prometheus makes job and instance of the first two."""
    assert settings.otlp is not None  # noqa: S101 (as above)
    return (
        ("service.name", settings.otlp.service_name),
        ("service.instance.id", settings.mqtt.client_id),
        ("service.version", __version__),
    )
