"""A real Prometheus for tests: its own configuration, free loopback port, data folder and process."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import components
from tests.system.mosquitto import free_port
from tests.system.polling import until

Labels = tuple[tuple[str, str], ...]


class Prometheus:
    """Scrapes one target each 200 ms. options: further ones of the scrape configuration."""

    def __init__(self, directory: Path, target: str, options: Mapping[str, object]) -> None:
        program = components.program("prometheus", "Debian's package of that name")
        directory.mkdir(exist_ok=True)  # with data already, perhaps
        config = directory / "prometheus.yml"
        scrape = {"job_name": "ewad", "static_configs": [{"targets": [target]}], **options}
        times = {"scrape_interval": "200ms", "scrape_timeout": "200ms"}
        # JSON is YAML
        config.write_text(json.dumps({"global": times, "scrape_configs": [scrape]}))
        self._log = directory / "prometheus.log"
        self._url = f"127.0.0.1:{free_port()}"
        files = f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, *files, f"--web.listen-address={self._url}"], stdout=log, stderr=log
            )

    @property
    def url(self) -> str:
        """The address of its page and its API."""
        return f"http://{self._url}"

    def query(self, expression: str) -> dict[Labels, float]:
        """Return the value of each series, by its sorted labels without instance and job."""
        parameters = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{self._url}/api/v1/query?{parameters}", timeout=30) as answer:
            document = json.load(answer)
        found = {}
        for series in document["data"]["result"]:
            labels = {k: v for k, v in series["metric"].items() if k not in ("instance", "job")}
            found[tuple(sorted(labels.items()))] = float(series["value"][1])
        return found

    def until_ready(self) -> None:
        """Wait until its API answers."""
        until(self._answers, lambda: self._log.read_text())

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            self.query("vector(1)")
        except urllib.error.URLError:
            return False
        return True


@contextmanager
def scraping(directory: Path, target: str, **options: object) -> Iterator[Prometheus]:
    """Yield a Prometheus that scrapes the target (host:port), and end it."""
    prometheus = Prometheus(directory, target, options)
    try:
        prometheus.until_ready()
        yield prometheus
    finally:
        prometheus.process.kill()
        prometheus.process.wait()
