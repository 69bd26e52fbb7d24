"""What `ewad replay` writes and keeps: results, reports, OpenMetrics, and the state of a daemon to come."""

import base64
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests import components
from tests.console import ewad
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import failed

MODEL = '[[stream]]\nname = "t"\ntopic = "site/{room}/t"\nmodel = "m"\n[model.m]\nlags = 4\n'
LINEAR = MODEL + 'experts = ["linear"]\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def wave(n, step=60.0, period=24, start=1.7e9):
    return [(start + step * i, 20 + 5 * math.sin(2 * math.pi * i / period)) for i in range(n)]


def written(path, samples, header="time,a"):
    path.write_text(f"{header}\n" + "".join(f"{moment!r},{value!r}\n" for moment, value in samples))
    return path


def rows(path):
    header, *lines = Path(path).read_text().splitlines()
    return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


def test_openmetrics_is_what_prometheus_own_parser_takes():
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    content = "time,stream,value\n" + "".join(f"{i},{'ab'[i % 2]},{i % 7}\n" for i in range(400))
    Path("in.csv").write_text(content)
    assert (
        ewad("replay", "in.csv", "--beta", "0.9", "--beta", "0.98", "--openmetrics", "out.om").returncode == 0
    )
    families = {family.name: family for family in text_string_to_metric_families(Path("out.om").read_text())}
    times = {}
    for sample in families["ewad_smoothed_value"].samples:
        times.setdefault((sample.labels["stream"], sample.labels["beta"]), []).append(float(sample.timestamp))
    assert times == {
        (stream, beta): [float(i) for i in range(400) if "ab"[i % 2] == stream]
        for stream in "ab"
        for beta in ("0.9", "0.98")
    }


def test_a_label_model_of_a_stream_is_told_once_as_metrics_has_it():
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    block = LINEAR.replace("{room}", "{model}")
    Path("ewad.toml").write_text(block + 'share = "stream"\n')
    samples = "".join(f"{1.7e9 + 60 * i},site/Prologue/t,{20 + i % 5}\n" for i in range(200))
    Path("in.csv").write_text(f"time,topic,payload\n{samples}")
    assert ewad("replay", "in.csv", "-c", "ewad.toml", "--openmetrics", "out.om").returncode == 0
    families = {family.name: family for family in text_string_to_metric_families(Path("out.om").read_text())}
    lines = [line for line in Path("out.om").read_text().splitlines() if line.startswith("ewad_loss{")]
    assert lines and all(line.count('model="') == 1 for line in lines)
    for name in ("ewad_value", "ewad_loss"):
        (labels,) = {tuple(sample.labels.items()) for sample in families[name].samples}
        assert dict(labels) == {"stream": "site/Prologue/t", "model": "Prologue", "group": "t"}


def test_results_tell_anomaly_skill_and_weights_of_each_row_on_request():
    written(Path("in.csv"), wave(200))
    Path("ewad.toml").write_text(
        MODEL.replace("site/{room}/t", "#") + 'experts = ["persistence", "linear"]\ninterval = 0.9\n'
    )
    asked = ("-c", "ewad.toml", "--with", "anomaly,skill,weights", "-o")
    assert ewad("replay", "in.csv", *asked, "out.csv").returncode == 0
    found = rows("out.csv")
    weights = [name for name in found[0] if name.startswith("weight_")]
    assert weights == ["weight_1_persistence", "weight_1_linear"]
    assert sum(float(found[-1][name]) for name in weights) == pytest.approx(1.0)
    assert math.isfinite(float(found[-1]["skill_1"]))
    assert found[-1]["anomaly"] != ""
    # what the first hundred rows say does not depend on those that follow
    written(Path("less.csv"), wave(100))
    assert ewad("replay", "less.csv", *asked, "less_out.csv").returncode == 0
    assert rows("less_out.csv") == found[:100]
    said = failed(ewad("replay", "in.csv", "--with", "anomly"), 2)
    assert said == 'ewad: --with: expected anomaly, skill, weights, got "anomly"\n'


def test_times_of_results_are_dates_unless_unix_seconds_are_asked_for():
    written(Path("in.csv"), wave(3, step=0.25))
    assert ewad("replay", "in.csv", "-o", "out.csv").returncode == 0
    assert [row["time"] for row in rows("out.csv")][1] == "2023-11-14T22:13:20.250000Z"
    assert ewad("replay", "in.csv", "--results-time-format", "unix", "-o", "unix.csv").returncode == 0
    assert [float(row["time"]) for row in rows("unix.csv")] == [1.7e9, 1.7e9 + 0.25, 1.7e9 + 0.5]
    components.module("pyarrow")
    import pandas as pd

    assert ewad("replay", "in.csv", "-o", "out.parquet").returncode == 0
    table = pd.read_parquet("out.parquet")
    assert table["time"].tolist() == list(
        pd.to_datetime([1.7e9, 1.7e9 + 0.25, 1.7e9 + 0.5], unit="s", utc=True)
    )


def test_the_report_is_json_on_request():
    written(Path("in.csv"), wave(300, step=3600.0))
    done = ewad("replay", "in.csv", "--report-json")
    (group,) = json.loads(done.stdout)
    (score,) = group["scores"]
    assert group["season"].startswith("24 samples, a day")
    assert score["stream"] == "a"
    assert score["scored"] == 224
    assert score["skill_vs_season"] is not None
    assert score["coverage"] is None


def test_forecasts_are_compared_with_the_best_of_day_week_and_year():
    # by half hours, with a pattern of a week: days differ
    samples = [
        (moment, value + 30 * (i // 48 % 7 > 4)) for i, (moment, value) in enumerate(wave(1100, 1800.0, 48))
    ]
    written(Path("in.csv"), samples)
    done = ewad("replay", "in.csv", "--report")
    assert "(336 samples, a week at the median interval of 1800 s)" in done.stdout
    Path("monthly.csv").write_text(
        "month,a\n" + "".join(f"{2000 + i // 12}-{i % 12 + 1:02},{i % 12}\n" for i in range(120))
    )
    assert (
        "(12 samples, a year at the median interval of " in ewad("replay", "monthly.csv", "--report").stdout
    )


# -- warm start --


@pytest.mark.system
def test_history_is_there_at_the_first_live_sample_and_none_of_it_twice(tmp_path):
    start = math.floor(time.time()) - 300.0
    history = wave(300, step=1.0, start=start)
    written(Path("history.csv"), history, "time,hall")
    state = tmp_path / "ewad" / "ewad.db"
    settings = LINEAR + '[state]\npath = "ewad.db"\n'
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        daemon = daemons.Daemon(tmp_path / "ewad", url, settings)
        warm = ("-c", daemon.config, "--state", state, "--stream-name", "site/{stream}/t")
        done = ewad("replay", "history.csv", *warm)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("300 samples of 1 stream ")
        again = ewad("replay", "history.csv", *warm)
        assert "left out: 300 that the state file has already" in again.stderr
        daemon.start()
        try:
            assert daemon.value("ewad_samples_total", stream="site/hall/t", room="hall") == 300
            daemon.until_ready()
            broker.publish("site/hall/t", "20.5")
            daemon.until_value("ewad_samples_total", 301.0, stream="site/hall/t")
            assert daemon.value("ewad_value", stream="site/hall/t") == 20.5
            assert math.isfinite(daemon.value("ewad_forecast_value", stream="site/hall/t"))
            busy = failed(ewad("replay", "history.csv", *warm), 1)
            assert str(state) in busy
        finally:
            daemon.end()


def test_history_whose_names_are_no_topics_is_refused_with_the_remedy():
    written(Path("history.csv"), wave(10))
    Path("ewad.toml").write_text(LINEAR)
    said = failed(ewad("replay", "history.csv", "-c", "ewad.toml", "--state", "ewad.db"), 1)
    assert "expected a name that a topic takes: site/{room}/t: give such names with --stream-name" in said
    said = failed(ewad("replay", "history.csv", "-c", "ewad.toml", "--stream-name", "site/{rom}/t"), 1)
    assert said.endswith("--stream-name: expected {stream}, {value}, got {rom}\n")
    Path("ewad.toml").unlink()
    said = failed(ewad("replay", "history.csv", "--state", "ewad.db"), 2)
    assert said == "ewad: --state: needs the daemon's configuration: -c FILE\n"


def test_recorded_messages_warm_a_state_up_with_their_labels_and_fields():
    Path("ewad.toml").write_text(
        '[[stream]]\nname = "t"\ntopic = "site/{room}/t"\n[state]\npath = "ewad.db"\n'
    )
    Path("messages.txt").write_text("".join(f"{1700000000 + i} site/hall/t {i}\n" for i in range(20)))
    for expected in ("20 samples", "0 samples"):
        done = ewad("replay", "messages.txt", "-c", "ewad.toml", "--state", "ewad.db")
        assert done.stderr.startswith(expected), done.stderr
    shown = ewad("state", "export", "-c", "ewad.toml").stdout
    assert "site/hall/t" in shown


def test_a_prometheus_that_is_not_there_is_told_in_a_line():
    said = failed(ewad("replay", "--from-prometheus", "http://127.0.0.1:1", "--query", "x"), 1)
    assert said.startswith("ewad: --from-prometheus http://127.0.0.1:1: ")


@contextmanager
def prometheus(values: list[tuple[float, str]], authorization: str = "") -> Iterator[str]:
    """Yield the address of what answers each query with one series of these values.

    authorization: the header that a query has to have, if any.
    """
    data = {"resultType": "matrix", "result": [{"metric": {"room": "hall"}, "values": values}]}
    content = json.dumps({"status": "success", "data": data}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            admitted = self.headers.get("Authorization", "") == authorization
            self.send_response(200 if admitted else 401)
            self.end_headers()
            self.wfile.write(content if admitted else b"")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


NO_ADDRESSES = (
    *("http://me:secret@127.0.0.1:abc", "http://127.0.0.1:0x1", "http://127.0.0.1:99999", "http://[::1"),
    *("http://", "127.0.0.1:9090", "ftp://127.0.0.1", "http://me:se cret@127.0.0.1"),
    *("http://me:12/secret@127.0.0.1", "http://me:12?secret@127.0.0.1", "http://me:1#secret@127.0.0.1"),
)


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_of_prometheus_that_is_none_is_told_without_its_password(url):
    said = failed(ewad("replay", "--from-prometheus", url, "--query", "x"), 2)
    assert said.startswith("ewad: --from-prometheus: expected an address such as http://localhost:9090, got ")
    assert "cret" not in said


def test_a_prometheus_that_asks_for_a_password_is_given_that_of_the_address():
    expected = "Basic " + base64.b64encode(b"me:p@ss word").decode()
    asked = ("--query", "t", "--last", "1h", "-o", "out.csv")
    with prometheus([(1.7e9 + 60 * i, "20.5") for i in range(50)], expected) as url:
        named = url.replace("http://", "http://me:p%40ss%20word@")
        done = ewad("replay", "--from-prometheus", named, *asked)
        assert done.returncode == 0, done.stderr
        assert f"\n{url}: an answer of Prometheus; 50 rows\n" in done.stderr
        said = failed(ewad("replay", "--from-prometheus", named.replace("ss", "secret"), *asked), 1)
        assert said == f"ewad: --from-prometheus {url}: 401: Unauthorized\n"


def test_history_from_prometheus_is_told_by_its_address():
    with prometheus([(1.7e9 + 60 * i, "20.5") for i in range(50)]) as url:
        asked = ("replay", "--from-prometheus", url, "--query", "t", "--last", "1h")
        done = ewad(*asked, "--html", "out.html")
        assert done.returncode == 0, done.stderr
        assert f"\n{url}: an answer of Prometheus; 50 rows\n" in done.stderr
        assert f"<title>Replay of {url}</title>" in Path("out.html").read_text()
        assert ewad(*asked, "--explain").stdout.startswith(f"{url}: an answer of Prometheus; 50 rows\n")
        said = failed(ewad(*asked, "--stream-name", "{rom}"), 1)
        assert said.startswith(f"ewad: {url}: --stream-name: expected {{stream}}, ")
        Path("ewad.toml").write_text(LINEAR)
        said = failed(ewad(*asked, "-c", "ewad.toml", "--state", "ewad.db"), 1)
        assert said.startswith(f"ewad: {url}: column ")
    with prometheus([(1.7e9, "20.5"), (1.7e9 + 60, "x")]) as url:
        said = failed(ewad("replay", "--from-prometheus", url, "--query", "t"), 1)
        assert said.startswith(f"ewad: {url}: ")
