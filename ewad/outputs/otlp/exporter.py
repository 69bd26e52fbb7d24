"""The sink of [otlp]: results pushed to a collector, each interval; what can't be sent waits for its turn."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ewad import __version__
from ewad.config import Settings
from ewad.config.otlp import OtlpSettings
from ewad.engine import GroupSettings
from ewad.errors import ConfigError
from ewad.outputs.otlp.backlog import Backlog, Draft, Waiting, delay_seconds
from ewad.outputs.otlp.client import OtlpClient, Refused, Unsent
from ewad.outputs.otlp.points import Attributes, DataPoints
from ewad.outputs.registry import Labels
from ewad.outputs.sinks import Observed, Sink, Tally

log = logging.getLogger("ewad.outputs.otlp")

PENDING_SAMPLES: Final = 16_384  # packed early: what waits as Python numbers takes ten times the memory
FOLDER: Final = ".otlp"  # behind the name of the state file: where samples wait
CLOSE_SECONDS: Final = 0.8  # for a last push when the daemon ends


class Exporter(Sink):
    """Pushes what comes. It waits for nobody: past its bounds the oldest that waits gives way, counted.

    Samples come in by the sink's thread; another one pushes, so that a receiver that hangs holds up nothing.
    Beside a state file they wait on the disk from when the sink has them until a receiver has: in a draft, to
    which each flush adds, then in requests. Without one they wait in memory.
    """

    waits = False

    def __init__(self, settings: Settings, seed: int | None = None) -> None:
        """Take settings that have [otlp]. Raises ConfigError where they can't work.

        seed: of the back-off's chance; None: the system's.
        """
        self._all = settings
        self._settings: OtlpSettings = settings.sinks["otlp"]
        headers = {name: secret.reveal() for name, secret in settings.secrets.otlp_headers}
        self._client = OtlpClient(self._settings, headers)
        self._random = random.Random(seed)  # noqa: S311 (no secret hangs on it)
        self._points = DataPoints(
            _resource(settings), self._settings.samples == "last", settings.metrics.labels
        )
        self._folder = None if settings.state is None else Path(settings.state.path + FOLDER)
        self._backlog = Backlog(
            self._settings.backlog_bytes, self._settings.backlog_age_seconds, self._folder
        )
        self._draft = None if self._folder is None else Draft(self._folder / "draft")
        self.durable = self._draft is not None and self._settings.samples == "all"
        self._recovered = False
        self._lock = threading.Lock()  # of points, draft and backlog
        self._written = self._lost = self._failures = 0
        self._failed = 0  # attempts in a row
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp push", daemon=True)

    @property
    def tally(self) -> Tally:
        """What it has sent and lost, and what waits."""
        draft = 0 if self._draft is None else self._draft.samples
        waiting = self._points.waiting + draft + self._backlog.samples
        return Tally(written=self._written, lost=self._lost, waiting=waiting, failures=self._failures)

    def fits(self, settings: Settings) -> bool:
        """Whether nothing that it depends on differs."""
        return _depends_on(settings) == _depends_on(self._all)

    def open(self, groups: Sequence[GroupSettings]) -> None:
        """Begin to push at the first time, with what an earlier process has left. Raises ConfigError."""
        if not self._recovered:
            self.recover()
            self._thread.start()

    def recover(self) -> None:
        """Go on with what an earlier process has left. Raises ConfigError where that can't be kept."""
        self._recovered = True
        if self._folder is None or self._draft is None:
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._backlog.recover()
            self._draft.recover()
        except (OSError, ValueError) as error:
            expected = "expected a folder in which samples can wait"
            raise ConfigError(f"otlp: {self._folder}: {expected}: {error}") from error
        with self._lock:
            self._pack()
        if self._backlog.samples:
            log.info("otlp: samples of an earlier process wait samples=%d", self._backlog.samples)

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
        """Write down what has come; in memory, have much that waits take less of it."""
        with self._lock:
            if self._draft is not None and self.durable:
                self._write_down(self._draft)
            waiting = self._points.waiting if self._draft is None else self._draft.samples
            if waiting >= PENDING_SAMPLES:
                self._pack()

    def _write_down(self, draft: Draft) -> None:
        for packed in self._points.pack():
            try:
                draft.add(packed)
            except OSError as error:
                log.warning('otlp: samples wait in memory reason="%s"', error)
                self._backlog.add(packed, self.clock())

    def close(self) -> None:
        """Push once more, within a bound. What is left then is lost, and told."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        with self._lock:
            self._pack()
            left = self._backlog.volatile
            kept = self._backlog.samples - left
            self._lost += left
        self._client.close()
        if left:
            log.warning("otlp: samples not sent at the end samples=%d", left)
        if kept:
            log.info("otlp: samples are kept for the next start samples=%d", kept)

    # ---- the thread that pushes

    def _run(self) -> None:
        wait = 0.0 if self._backlog.samples else self._settings.interval_seconds
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
            body = self._body(request)
            if body is None:
                continue
            try:
                answer = self._client.post(body)
            except Unsent as error:
                with self._lock:
                    self._backlog.put_back(request)
                return self._note_failure(error)
            except Refused as error:
                log.warning('otlp: samples refused reason="%s" samples=%d', error, request.samples)
                self._failures += 1
                self._lost += request.samples
                request.drop()
                continue
            request.drop()
            if answer.rejected:
                told = answer.rejected, answer.message[:200]
                log.warning('otlp: data points refused points=%d reason="%s"', *told)
            self._written += request.samples
            self._note_success()

    def _body(self, request: Waiting) -> bytes | None:
        """Return what to send; None, told, where its file has gone."""
        try:
            return request.read()
        except OSError as error:
            log.warning('otlp: samples lost samples=%d reason="%s"', request.samples, error)
            self._lost += request.samples
            return None

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
        now = self.clock()
        lost = 0
        if self._draft is not None and self._draft.samples:
            lost = self._draft.samples
            for packed in self._draft.requests():
                self._backlog.add(packed, now)
                lost -= packed.samples
            self._draft.clear()
        for packed in self._points.pack():
            self._backlog.add(packed, now)
        lost += self._backlog.shrink(now)
        if lost:
            log.warning(
                "otlp: samples lost, too many wait, for too long, or in a damaged file samples=%d", lost
            )
        self._lost += lost


def _depends_on(settings: Settings) -> object:
    own = settings.sinks.get("otlp"), settings.secrets.otlp_headers
    return own, settings.streams, settings.models, settings.mqtt, settings.metrics


def _resource(settings: Settings) -> Attributes:
    """Return what tells this daemon from others: Prometheus makes job and instance of the first two."""
    return (
        ("service.name", settings.sinks["otlp"].service_name),
        ("service.instance.id", settings.mqtt.client_id),
        ("service.version", __version__),
    )
