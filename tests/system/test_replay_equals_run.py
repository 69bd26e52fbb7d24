"""The same samples through a real broker into `ewad run`, and from a file through `ewad replay`."""

import csv
import json
import math
from pathlib import Path
from random import Random

import pytest

from tests import console
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import Samples
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

MODEL = """
model = "linear"
[model.linear]
experts = ["linear"]
share = "{share}"
lags = 6
horizons = [1, 4]
batch_size = 16
batches_per_epoch = 5
learning_rate = 0.01
schedule = {{ kind = "inverse_time", decay_rate = 0.3 }}
"""
NUMBERS = """
[[stream]]
name = "plant"
topic = "plant/{sensor}/value"
beta = [0.9, 0.98]
"""
# decay by elapsed time needs the times of the payload: arrival differs between the two ways
JSON = """
[[stream]]
name = "plant"
topic = "plant/{sensor}/value"
format = "json"
field = "reading.value"
time_field = "ts"
half_life = ["30s", "10m"]
"""
N = 1500


def recording(form: str) -> list[tuple[float, str, str]]:
    """Return times, topics and payloads of three uneven sensors, a few of them bad or late."""
    random = Random(3)
    rows = []
    level = {"a": 20.0, "b": -3.0, "c": 1000.0}
    for i in range(N):
        sensor = random.choice("aaabbc")
        level[sensor] += random.gauss(0.0, 1.0)
        time = 1.7e9 + 10.0 * i + random.random()
        value = level[sensor] + 5.0 * math.sin(i / 40)
        payload = repr(value)
        if form == "json":
            late = random.random() < 0.05  # dropped, by the time that the payload tells
            payload = json.dumps({"ts": time - 500.0 * late, "reading": {"value": value}})
        rows.append((time, f"plant/{sensor}/value", "oops" if i % 97 == 0 else payload))
    return rows


@pytest.mark.parametrize("share", ["group", "stream"])
@pytest.mark.parametrize("form", ["number", "json"])
def test_a_replay_ends_with_the_numbers_of_the_live_daemon(tmp_path: Path, form: str, share: str) -> None:
    settings = (NUMBERS if form == "number" else JSON) + MODEL.format(share=share)
    rows = recording(form)
    with (
        mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker,
        daemons.running(tmp_path / "live", f"mqtt://127.0.0.1:{broker.port}", settings) as live,
    ):
        publish(broker.port, [(topic, payload.encode()) for _, topic, payload in rows])
        until(lambda: seen(live.samples()) == N, lambda: live.stderr)
        scraped = live.samples()

    recorded, results = tmp_path / "recorded.csv", tmp_path / "results.csv"
    with recorded.open("w", newline="") as file:
        csv.writer(file).writerows([("time", "topic", "payload"), *rows])
    replayed = console.ewad("replay", recorded, "-c", live.config, "-o", results)
    assert replayed.returncode == 0, replayed.stderr

    rejected = {dict(labels)["reason"]: n for labels, n in scraped["ewad_messages_rejected_total"].items()}
    bad = rejected["not_a_number"] + rejected["invalid_json"]
    assert bad == math.ceil(N / 97)
    with results.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == N - bad - rejected["out_of_order"] == sum(scraped["ewad_samples_total"].values())
    assert (rejected["out_of_order"] > 20) == (form == "json")

    last = {row["stream"]: row for row in table}
    expected = {
        (metric, *labels): value
        for metric in (*SERIES, *MODEL_SERIES)
        for labels, value in scraped[metric].items()
    }
    found = {
        (metric, *labels): float(row[column])
        for stream, row in last.items()
        for metric, column, labels in series_of(stream, row, share, table[-1])
    }
    assert found.keys() == expected.keys()
    assert len(found) == 3 * (1 + 2 + 2 + 2) + 2 * (1 if share == "group" else 3)
    assert found == pytest.approx(expected, rel=1e-9)


def seen(scraped: Samples) -> float:
    """Return how many messages have become a sample or a rejection."""
    names = ("ewad_samples_total", "ewad_messages_rejected_total")
    return sum(sum(scraped.get(name, {}).values()) for name in names)


SERIES = {
    "ewad_value": ("value", None),
    "ewad_smoothed_value": ("smoothed_", "beta"),
    "ewad_smoothed_stddev": ("stddev_", "beta"),
    "ewad_forecast_value": ("forecast_", "horizon"),
}
MODEL_SERIES = {"ewad_loss": "loss", "ewad_learning_rate": "learning_rate"}


def series_of(stream: str, row: dict[str, str], share: str, last: dict[str, str]):
    """Yield metric, column and labels of each cell that is a series in the daemon's exposition."""
    own = (("group", "plant"), ("sensor", stream.split("/")[1]), ("stream", stream))
    for metric, (prefix, label) in SERIES.items():
        for column in row:
            rest = column.removeprefix(prefix)
            if column == prefix or (label and column.startswith(prefix)):
                extra = ((label, rest),) if label else ()
                yield metric, column, tuple(sorted((*own, *extra)))
    for metric, column in MODEL_SERIES.items():
        labels = (("group", "plant"), ("model", "linear"))
        if share == "stream":
            yield metric, column, tuple(sorted((*own, ("model", "linear"))))
        elif row is last:
            yield metric, column, labels


def test_blocks_that_share_a_topic_have_the_same_samples_from_columns_as_live(tmp_path: Path) -> None:
    """Two blocks and a third that takes one of the topics: live and replayed, each sees what it takes."""
    settings = "".join(
        f'[[stream]]\nname = "{name}"\ntopic = "{topic}"\nbeta = {beta}\n'
        for name, topic, beta in (("fast", "p/{s}", 0.5), ("slow", "p/+", 0.9), ("one", "p/a", 0.7))
    )
    with (
        mosquitto.running(tmp_path / "mosquitto") as broker,
        daemons.running(tmp_path / "live", f"mqtt://127.0.0.1:{broker.port}", settings) as live,
    ):
        publish(broker.port, [(f"p/{s}", str(i).encode()) for i in range(20) for s in "ab"])
        until(lambda: seen(live.samples()) == 100, lambda: live.stderr)
        smoothed = live.samples()["ewad_smoothed_value"]
    wide, results = tmp_path / "wide.csv", tmp_path / "results.csv"
    wide.write_text("time,p/a,p/b\n" + "".join(f"{i},{i},{i}\n" for i in range(20)))
    replayed = console.ewad("replay", wide, "-c", live.config, "-o", results)
    assert replayed.returncode == 0, replayed.stderr
    assert "100 samples of 5 streams" in replayed.stderr
    with results.open(newline="") as file:
        table = list(csv.DictReader(file))
    last = {
        (row["stream"], beta): float(row[f"smoothed_{beta}"])
        for row in table
        for beta in ("0.5", "0.9", "0.7")
        if row[f"smoothed_{beta}"]
    }
    expected = {(dict(labels)["stream"], dict(labels)["beta"]): n for labels, n in smoothed.items()}
    assert last == pytest.approx(expected, rel=1e-12)


def test_a_trained_model_forecasts_live_as_in_a_replay(tmp_path: Path) -> None:
    """Right after warm-up, before any mini-batch: the forecast is the file's model's, not persistence."""
    wave = [20.0 + 5.0 * math.sin(i / 5) for i in range(400)]
    history, start = tmp_path / "history.csv", tmp_path / "start.csv"
    history.write_text("time,w\n" + "".join(f"{i},{value!r}\n" for i, value in enumerate(wave)))
    start.write_text("time,w\n" + "".join(f"{i},{value!r}\n" for i, value in enumerate(wave[:10])))
    settings = '[[stream]]\nname = "w"\ntopic = "w"\nmodel = "m"\n[model.m]\nexperts = ["linear"]\nlags = 4\n'
    config, model = tmp_path / "train.toml", tmp_path / "model.npz"
    config.write_text(settings)
    trained = console.ewad("train", history, "-c", config, "--batch-size", "16", "-o", model)
    assert trained.returncode == 0, trained.stderr
    settings += f'start_from = "{model}"\n'
    with (
        mosquitto.running(tmp_path / "mosquitto") as broker,
        daemons.running(tmp_path / "live", f"mqtt://127.0.0.1:{broker.port}", settings) as live,
    ):
        publish(broker.port, [("w", repr(value).encode()) for value in wave[:10]])
        live.until_value("ewad_samples_total", 10.0, stream="w")
        forecast = live.value("ewad_forecast_value", stream="w")
    results = tmp_path / "results.csv"
    replayed = console.ewad("replay", start, "-c", live.config, "-o", results)
    assert replayed.returncode == 0, replayed.stderr
    with results.open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert forecast == pytest.approx(float(last["forecast_1"]), rel=1e-12)
    assert last["loss"] == ""
    assert abs(forecast - wave[9]) > 0.01
