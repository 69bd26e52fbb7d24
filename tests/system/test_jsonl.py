"""`ewad run --jsonl`: a line for each sample, for a reader that is slow, and none that is gone."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{number}"
"""


class Piped(daemons.Daemon):
    """A daemon whose standard output is a pipe."""

    def start(self) -> None:
        with self._stderr.open("wb") as stderr:
            command = [*self._command, "run", "-c", self.config, "--jsonl", "-"]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=self.environ)
        until(lambda: "serving metrics at" in self.stderr, lambda: self.stderr)
        self.address = self.stderr.partition("http://")[2].partition("/")[0]


@pytest.fixture
def broker(tmp_path: Path):
    with mosquitto.running(tmp_path / "broker", options=["max_queued_messages 0"]) as started:
        yield started


@pytest.fixture
def daemon(tmp_path: Path, broker: mosquitto.Mosquitto):
    daemon = Piped(tmp_path, f"mqtt://127.0.0.1:{broker.port}", SETTINGS)
    daemon.start()
    try:
        daemon.until_ready()
        yield daemon
    finally:
        daemon.kill()
        daemon.process.stdout.close()


def test_a_slow_reader_is_waited_for_and_gets_every_sample(
    daemon: Piped, broker: mosquitto.Mosquitto
) -> None:
    total = 150_000  # more than the queue and the pipe hold
    for start in range(0, total, 5000):
        publish(broker.port, [(f"plant/{n % 10}", b"%d" % n) for n in range(start, start + 5000)], qos=1)
    until(lambda: daemon.value("ewad_sink_waiting_samples", sink="jsonl") >= 65_536, lambda: daemon.stderr)
    seen = daemon.total("ewad_samples_total")
    assert seen < total  # the rest waits at the broker
    lines = [json.loads(daemon.process.stdout.readline()) for _ in range(total)]
    assert sorted(line["value"] for line in lines) == list(range(total))
    assert lines[7]["labels"] == {"number": lines[7]["stream"].removeprefix("plant/")}
    daemon.until_value("ewad_sink_samples_total", total, sink="jsonl")
    assert daemon.value("ewad_sink_lost_samples_total", sink="jsonl") == 0
    assert daemon.end() == 0
    assert daemon.process.stdout.read() == b""


def test_what_has_come_is_written_before_the_daemon_ends(daemon: Piped, broker: mosquitto.Mosquitto) -> None:
    publish(broker.port, [(f"plant/{n}", b"1") for n in range(200)], qos=1)  # a pipe holds as many lines
    daemon.until_value("ewad_messages_received_total", 200)
    assert daemon.end() == 0
    assert len(daemon.process.stdout.read().splitlines()) == 200


def test_a_reader_that_is_gone_ends_the_daemon_which_says_so(
    daemon: Piped, broker: mosquitto.Mosquitto
) -> None:
    daemon.process.stdout.close()
    publish(broker.port, [("plant/a", b"1")], qos=1)
    assert daemon.process.wait(30) == 0
    assert daemon.stderr.endswith("ewad: whoever read the output has closed it: nothing more to do\n")
    assert "Traceback" not in daemon.stderr
