"""The real daemon in a process of its own, and what its HTTP server says."""

import itertools
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.system.polling import until

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]  # metric -> labels, sorted -> value
END_SECONDS = 10.0  # SIGTERM ends the daemon within 2 s on an idle machine; this one may be busy
_numbers = itertools.count()
EWAD = (sys.executable, "-W", "error", "-m", "ewad")
# For the environment of processes that `make coverage` need not count: peers, copies of the package,
# and what is killed, whose count is lost with it.
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without settings of ewad, with changes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EWAD_")} | changes


class Daemon:
    """`ewad run`. `settings`: a configuration to which the broker's address and a free port are added.

    http: further lines of [http]. tls, headers: how to speak to it then.  verb: another command, and options.
    """

    def __init__(
        self,
        directory: Path,
        url: str,
        settings: str,
        *,
        mqtt: Sequence[str] = (),
        http: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        client_id: str | None = None,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = EWAD,
        verb: Sequence[str] = ("run",),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.config = directory / "ewad.toml"
        # two with one id would fight over one session
        self.client_id = client_id or f"ewad-{next(_numbers)}"
        mqtt = [f'url = "{url}"', f'client_id = "{self.client_id}"', *mqtt]
        lines = ["[mqtt]", *mqtt, "[http]", 'listen = "127.0.0.1:0"', *http, settings]
        self.config.write_text("\n".join(lines))
        self._stderr = directory / "stderr"
        self.environ = environment(**(environ or {}))
        self._tls, self._headers = tls, headers or {}
        self._command, self._verb = command, verb
        self.address = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; on return it serves HTTP."""
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*self._command, *self._verb, "-c", self.config],
                stdout=stderr,
                stderr=stderr,
                env=self.environ,
            )
        served = re.compile(r"serving metrics at https?://(\S+)/metrics ")
        until(lambda: served.search(self.stderr) or self.process.poll() is not None, lambda: self.stderr)
        found = served.search(self.stderr)
        assert found, self.stderr
        self.address = found[1]

    @property
    def stderr(self) -> str:
        """What it has written so far."""
        return self._stderr.read_text(errors="replace")

    @property
    def rss_mib(self) -> float:
        """Its resident memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def peak_rss_mib(self) -> float:
        """The most resident memory it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**10

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of a page."""
        url = f"{'https' if self._tls else 'http'}://{self.address}{path}"
        request = urllib.request.Request(url, headers=dict(self._headers))
        try:
            with urllib.request.urlopen(request, timeout=60, context=self._tls) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self) -> Samples:
        """Scrape once: metric name -> labels, sorted -> value."""
        found: Samples = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                assert labels not in found.setdefault(sample.name, {}), f"twice: {sample.name} {labels}"
                found[sample.name][labels] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """Return the one series of this name that has these labels among its own; None if there is none."""
        found = [
            value
            for key, value in self.samples().get(name, {}).items()
            if labels.items() <= dict(key).items()
        ]
        assert len(found) < 2, f"{len(found)} series {name} {labels}"
        return found[0] if found else None

    def total(self, name: str) -> float:
        """Return the sum of all series of this name."""
        return sum(self.samples().get(name, {}).values())

    def until_value(self, name: str, expected: float | None, **labels: str) -> None:
        """Wait until the series has this value; None: until it is gone."""
        until(
            lambda: self.value(name, **labels) == expected,
            lambda: f"{name} {labels} is {self.value(name, **labels)}, not {expected}\n{self.stderr}",
        )

    def until_at_least(self, name: str, expected: float, **labels: str) -> None:
        """Wait until the series has this value or a larger one."""
        until(
            lambda: (self.value(name, **labels) or 0.0) >= expected,
            lambda: f"{name} {labels} is {self.value(name, **labels)}, not {expected}\n{self.stderr}",
        )

    def until_total(self, name: str, expected: float) -> None:
        """Wait until all series of this name sum up to this."""

        until(
            lambda: self.total(name) >= expected,
            lambda: f"{name}: {self.total(name)}, not {expected}\n{self.stderr}",
        )
        assert self.total(name) == expected

    def until_ready(self) -> None:
        """Wait until it has subscribed."""
        until(lambda: self.get("/readyz")[0] == 200, lambda: f"{self.get('/readyz')}\n{self.stderr}")

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)


@contextmanager
def running(
    directory: Path, url: str, settings: str, *, ready: bool = True, clean: bool = True, **options: object
) -> Iterator[Daemon]:
    """Yield a started daemon, and end it. ready: wait until it has subscribed. clean: allow no traceback."""
    daemon = Daemon(directory, url, settings, **options)  # type: ignore[arg-type]
    daemon.start()
    try:
        if ready:
            daemon.until_ready()
        yield daemon
        if daemon.process.poll() is None:
            assert daemon.end() == 0, daemon.stderr
        if clean:
            assert "Traceback" not in daemon.stderr, daemon.stderr
    finally:
        daemon.kill()


def ewad(
    *arguments: str | Path, stdin: str = "", cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of ewad to its end."""
    return subprocess.run(
        [*EWAD, *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
        input=stdin,
        env=environment(**environ),
        cwd=cwd,
        timeout=60,
    )


def failed(result: subprocess.CompletedProcess[str], status: int, lines: int = 1) -> str:
    """Return what the command said on stderr, having failed as commands should: in so many lines."""
    assert result.returncode == status, result.stdout + result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert 1 <= len(result.stderr.splitlines()) <= lines, result.stderr
    return result.stderr
