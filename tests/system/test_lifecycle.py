"""From start to end: signals, systemd's words, addresses in use; and the demo from outside."""

import os
import re
import signal
import socket
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import console
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.browser import require_chromium
from tests.system.mosquitto import Mosquitto, free_port
from tests.system.polling import until

pytestmark = pytest.mark.system

STREAM = '[[stream]]\nname = "t"\ntopic = "site/{room}/t"\n'


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with mosquitto.running(tmp_path_factory.mktemp("mosquitto")) as started:
        yield started


@pytest.fixture
def url(broker: Mosquitto) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


# -- run --


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_with_a_disconnect_and_without_a_loss(
    tmp_path: Path, broker: Mosquitto, url: str, number: int
) -> None:
    with daemons.running(tmp_path, url, STREAM) as daemon:
        broker.publish("site/a/t", *(str(i) for i in range(1000)))
        daemon.until_value("ewad_messages_received_total", 1000.0)
        assert daemon.end(number) == 0
        assert "stopped messages=1000 streams=1" in daemon.stderr
    until(lambda: f"Client {daemon.client_id} disconnected" in broker.log, lambda: broker.log)
    # acknowledged all: the next daemon with this client id gets none of them again
    with daemons.running(tmp_path, url, STREAM, client_id=daemon.client_id) as second:
        broker.publish("site/a/t", "7")
        second.until_value("ewad_value", 7.0)
        assert second.value("ewad_messages_received_total") == 1


def test_a_scraper_that_never_reads_does_not_hold_up_the_end(tmp_path: Path, url: str) -> None:
    with daemons.running(tmp_path, url, STREAM) as daemon:
        host, port = daemon.address.split(":")
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert daemon.end() == 0


def test_systemd_hears_ready_watchdog_and_stopping(tmp_path: Path, url: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(90)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        with daemons.running(tmp_path / "ewad", url, STREAM, environ=environ) as daemon:
            heard = [manager.recv(4096).decode()]
            assert heard[0].startswith("READY=1\n")
            while "STATUS=connected; 0 streams" not in heard or heard.count("WATCHDOG=1") < 3:
                heard.append(manager.recv(4096).decode())
            assert daemon.end() == 0
            manager.setblocking(False)
            while not heard[-1].startswith("STOPPING=1"):  # sent before it ended
                heard.append(manager.recv(4096).decode())


@pytest.mark.parametrize("verb", [("run",), ("gateway", "--log", "log")], ids=["run", "gateway"])
def test_the_first_status_that_systemd_hears_says_whether_it_is_connected(
    tmp_path: Path, url: str, verb: tuple[str, ...]
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(90)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        if verb[0] == "gateway":
            verb = (*verb[:-1], str(tmp_path / verb[-1]))
        with daemons.running(tmp_path / "ewad", url, STREAM, environ=environ, verb=verb):
            heard = [manager.recv(4096).decode() for _ in range(3)]
            assert heard[0].startswith("READY=1\n")
            assert heard[1] == "WATCHDOG=1"
            assert heard[2].startswith("STATUS=connected")


@contextmanager
def occupied() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("command", ["run", "demo"])
def test_an_address_in_use_is_one_line_and_status_2(command: str, url: str) -> None:
    options = ["--url", url, "--topic", "a"] if command == "run" else ["--duration", "1s"]
    with occupied() as port:
        said = daemons.failed(daemons.ewad(command, *options, "--listen", f"127.0.0.1:{port}"), 2)
    assert said == f"ewad: http.listen: can't listen on 127.0.0.1:{port}: address already in use\n"


def test_a_daemon_whose_address_is_in_use_makes_no_state_file(tmp_path: Path, url: str) -> None:
    environ = {"EWAD_STATE__PATH": str(tmp_path / "ewad.db")}
    with occupied() as port:
        options = ["--url", url, "--topic", "a", "--listen", f"127.0.0.1:{port}"]
        daemons.failed(daemons.ewad("run", *options, **environ), 2)
    assert list(tmp_path.glob("ewad.db*")) == []


def test_run_needs_no_file(tmp_path: Path, broker: Mosquitto, url: str) -> None:
    port = free_port()
    command = [*daemons.EWAD, "run", "--url", url, "--topic", "file/{room}", "--beta", "0.5"]
    command += ["--format", "json", "--field", "t.c", "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=daemons.environment())
    try:
        daemon = daemons.Daemon(tmp_path, url, STREAM)  # for its HTTP side; it is not started
        daemon.address = f"127.0.0.1:{port}"
        until(lambda: mosquitto.accepts(port))
        until(lambda: daemon.get("/readyz")[0] == 200)
        broker.publish("file/a", '{"t": {"c": 4}}', '{"t": {"c": 7}}')
        until(lambda: daemon.value("ewad_smoothed_value", beta="0.5", room="a") == 6.0)
    finally:
        process.terminate()
        _, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stderr


# -- demo --

LINE = re.compile(
    r"^ +(?P<second>\d+) s +(?P<value>[-\d.]+) +(?P<fast>[-\d.]+) +(?P<slow>[-\d.]+)"
    r" +(?P<forecast>[-\d.]+) +(?P<lower>[-\d.]+) \.\. *(?P<upper>[-\d.]+)"
    r" +(?P<loss>[\d.]+) +(?P<rate>[\d.]+)( +[-\d.]+)?$",
    re.MULTILINE,
)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@contextmanager
def demo(*options: str, **streams: object) -> Iterator[subprocess.Popen[str]]:
    """Yield a demo in a process group of its own; whatever happens, it is over afterwards."""
    command = [*daemons.EWAD, "demo", "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(
        command, text=True, env=daemons.environment(), process_group=0,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def broker_of(process: subprocess.Popen[str]) -> int:
    """Return the process id of the demo's broker."""
    return until(lambda: next(iter(children(process.pid)), None))


def test_the_demo_shows_loss_and_learning_rate_at_work_and_serves_them() -> None:
    with demo() as process:
        broker = broker_of(process)
        banner, shown = [], []
        while not shown or float(shown[-1]["rate"]) == float(shown[0]["rate"]):  # until it decays
            line = process.stdout.readline()
            found = LINE.match(line)
            if found:
                shown.append(found.groupdict())
            else:
                banner.append(line)
            assert len(shown) + len(banner) < 60, "".join(banner)
        metrics = re.search(r"http://\S+/metrics", "".join(banner))[0]
        with urllib.request.urlopen(metrics, timeout=90) as answer:
            assert b'ewad_smoothed_value{stream="site/office/temperature"' in answer.read()
        for row in shown:
            assert 10.0 < float(row["value"]) < 40.0  # an office, in Celsius
            assert 10.0 < float(row["slow"]) < 40.0
            assert abs(float(row["forecast"]) - float(row["value"])) < 10.0
            assert float(row["lower"]) <= float(row["forecast"]) <= float(row["upper"])
        assert float(shown[-1]["rate"]) < float(shown[0]["rate"])
        os.killpg(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=90)
        assert (process.returncode, errors) == (0, "")
        assert re.search(r"done: [\d,]+ messages", out)
        assert gone(broker)


@pytest.mark.slow
def test_the_demo_draws_pictures_of_the_page_and_ends(tmp_path) -> None:
    require_chromium()
    with demo("--record", str(tmp_path / "pictures")) as process:
        out, errors = process.communicate(timeout=180)
    assert (process.returncode, errors) == (0, "")
    for name in ("live_page", "overview"):
        picture = tmp_path / "pictures" / f"{name}.png"
        assert str(picture) in out
        head = picture.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert struct.unpack(">2I", head[16:]) == (1100, 760)


def test_the_demo_opens_a_browser_at_its_page(tmp_path) -> None:
    program = tmp_path / "show"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    program.chmod(0o755)
    done = daemons.ewad(
        "demo", "--open", "--duration", "2s", "--listen", "127.0.0.1:0", BROWSER=f"{program} %s"
    )
    assert done.returncode == 0, done.stderr
    page = re.search(r"page +(\S+)", done.stdout)[1]
    assert (tmp_path / "opened").read_text() == page


def test_a_demo_with_a_duration_ends_by_itself_and_leaves_nothing_behind() -> None:
    with demo("--duration", "1s") as process:
        broker = broker_of(process)
        out, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
        assert re.search(r"done: [\d,]+ messages", out)
        assert gone(broker)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_demo_and_its_broker_with_status_0(number: int) -> None:
    with demo() as process:
        broker = broker_of(process)
        while "smoothed" not in process.stdout.readline():
            pass
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=90)
        assert (process.returncode, errors) == (0, "")
        assert gone(broker)


def test_a_demo_that_is_killed_takes_its_broker_along() -> None:
    with demo() as process:
        broker = broker_of(process)
        process.kill()
        process.wait()
        until(lambda: gone(broker))


def test_a_demo_whose_broker_dies_says_so_in_a_line() -> None:
    with demo() as process:
        broker = broker_of(process)
        while "smoothed" not in process.stdout.readline():
            pass
        os.kill(broker, signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "Traceback" not in errors
        assert errors.splitlines()[-1].startswith("ewad: sample publisher: ")


def test_a_demo_whose_reader_has_gone_ends_without_a_traceback() -> None:
    with demo() as process:
        broker = broker_of(process)
        process.stdout.readline()
        process.stdout.close()  # as `| head -1` does
        errors = process.stderr.read()
        assert process.wait(30) == 0
        assert errors == "ewad: whoever read the output has closed it: nothing more to do\n"
        until(lambda: gone(broker))


def test_the_demo_needs_no_stdout() -> None:
    started = time.monotonic()
    command = 'exec "$0" "$@" >&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command, *daemons.EWAD, "demo", "--listen", "127.0.0.1:0", "--duration", "1s"],
        stderr=subprocess.PIPE, text=True, timeout=60, env=daemons.environment(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started >= 1


def test_the_demo_ignores_settings_of_a_daemon_in_the_environment() -> None:
    done = daemons.ewad(
        "demo", "--duration", "1ms", "--listen", "127.0.0.1:0", EWAD_MQTT__URL="mqtt://nowhere.invalid"
    )
    assert done.returncode == 0, done.stderr
    assert "nowhere" not in done.stdout


@pytest.mark.parametrize("duration", ["5", "soon", "-3s", ""])
def test_a_duration_that_is_none_is_one_line(duration: str) -> None:
    assert "--duration" in daemons.failed(console.ewad("demo", "--duration", duration), 2)
