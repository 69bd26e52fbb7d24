"""The sink of [otlp] against a receiver that fails, refuses and comes back; pushes are called by hand."""

import random
from dataclasses import replace

import numpy as np
import pytest

from ewad import config
from ewad.engine import Batch, Engine
from ewad.errors import ConfigError
from ewad.numeric.crossing import Threshold
from ewad.outputs.otlp.backlog import delay_seconds
from ewad.outputs.sinks import Observed
from tests.system.receiver import receiving, require_otlp

BLOCK = {"name": "plant", "topic": "plant/{room}", "beta": [0.5], "model": "m"}
MODEL = {"experts": ["persistence"], "lags": 1, "horizons": [1, 3], "interval": 0.9}
LABELS = (("stream", "plant/hall"), ("room", "hall"), ("group", "plant"))


@pytest.fixture
def receiver():
    with receiving() as started:
        yield started


class World:
    """An exporter beside an engine, a clock that a test moves, and what it is fed with."""

    def __init__(self, receiver, state=None, **otlp):
        from ewad.outputs.otlp.exporter import Exporter

        endpoint = {"endpoint": f"http://127.0.0.1:{receiver.port}/v1/metrics"}
        raw = {"stream": [BLOCK], "model": {"m": MODEL}, "otlp": endpoint | otlp}
        raw |= {} if state is None else {"state": {"path": str(state)}}
        self.settings = config.parse(raw, "test", {})
        self.engine = Engine(self.settings.engine_settings().groups)
        self.now = 0.0
        self.exporter = Exporter(self.settings, seed=1)
        self.exporter.clock = lambda: self.now

    def feed(self, *values, start=1000.0, stream="plant/hall"):
        row = self.engine.add_stream(0, stream, (("room", stream.partition("/")[2]),))
        times = start + np.arange(len(values), dtype=float)
        batch = Batch(0, np.full(len(values), row, np.int32), times, np.array(values, float), start)
        results = self.engine.observe(batch)
        self.exporter.observed(Observed.of(self.engine, batch, results))
        self.exporter.flush()


@pytest.fixture
def worlds(receiver):
    """Make worlds of options, and close their connections."""
    made = []

    def make(**otlp):
        made.append(World(receiver, **otlp))
        return made[-1]

    yield make
    for world in made:
        world.exporter.close()


def test_each_sample_is_pushed_with_its_own_time(receiver, worlds):
    world = worlds()
    world.feed(1.0, 2.0, 4.0)
    assert world.exporter.push() == 0.0
    assert receiver.values("ewad_value") == [(1000.0, 1.0), (1001.0, 2.0), (1002.0, 4.0)]
    smoothed = [0.5, 1.25, 2.625]
    corrected = [v / (1 - 0.5 ** (i + 1)) for i, v in enumerate(smoothed)]
    found = receiver.values("ewad_smoothed_value", beta="0.5")
    assert [time for time, _ in found] == [1000.0, 1001.0, 1002.0]
    assert [value for _, value in found] == pytest.approx(corrected)
    assert receiver.values("ewad_forecast_value", horizon="3")[-1] == (1002.0, 4.0)
    point = next(each for each in receiver.points if each.name == "ewad_value")
    assert point.labels == LABELS and point.start == 0.0
    assert world.exporter.tally.written == 3


def test_a_label_threshold_of_a_stream_stays_and_that_of_ewad_gives_way(receiver, worlds):
    world = worlds()
    (block,) = world.settings.engine_settings().groups
    world.engine = Engine([replace(block, thresholds=(Threshold("high", True, 1.5),))])
    world.engine.add_stream(0, "plant/hall", (("threshold", "t1"),))
    world.feed(1.0, 2.0)
    world.exporter.push()
    (point,) = (each for each in receiver.points if each.name == "ewad_threshold_seconds")
    names = ("stream", "plant/hall"), ("threshold", "t1"), ("group", "plant"), ("ewad_threshold", "high")
    assert (point.labels, point.value) == (names, 0.0)


def test_sums_are_cumulative_from_a_start(receiver, worlds):
    require_otlp()
    from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

    world = worlds()
    world.feed(1.0, 2.0)
    world.exporter.push()
    world.feed(3.0, start=1002.0)
    world.exporter.push()
    sums = [point for point in receiver.points if point.name == "ewad_samples_total"]
    assert [(point.time, point.value) for point in sums] == [(1001.0, 2), (1002.0, 3)]
    assert {point.start for point in sums} == {1000.0}
    metric = next(
        metric
        for metric in receiver.received[0].message.resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "ewad_samples_total"
    )
    assert metric.sum.is_monotonic
    assert metric.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def test_a_request_says_of_whom_it_is(receiver, worlds, tmp_path):
    (tmp_path / "h").write_text("Authorization: Bearer x\n")
    world = worlds(service_name="cellar", headers_file=str(tmp_path / "h"))
    world.feed(1.0)
    world.exporter.push()
    received = receiver.received[0]
    attributes = received.message.resource_metrics[0].resource.attributes
    told = {each.key: each.value.string_value for each in attributes}
    assert (told["service.name"], told["service.instance.id"]) == ("cellar", "ewad")
    assert received.message.resource_metrics[0].scope_metrics[0].scope.name == "ewad"
    assert received.path == "/v1/metrics" and received.headers["Content-Encoding"] == "gzip"
    assert received.headers["Authorization"] == "Bearer x"


def test_of_the_last_samples_only_the_last_is_pushed(receiver, worlds):
    world = worlds(samples="last")
    world.feed(1.0, 2.0)
    world.feed(3.0, start=1002.0)
    world.feed(7.0, stream="plant/cellar")
    assert world.exporter.tally.waiting == 2
    world.exporter.push()
    assert receiver.values("ewad_value") == [(1002.0, 3.0), (1000.0, 7.0)]
    assert receiver.values("ewad_samples_total", room="hall") == [(1002.0, 3)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_can_not_be_taken_now_is_sent_again(receiver, worlds, status, caplog):
    world = worlds()
    receiver.answers.extend([(status, {"Retry-After": "7"}, b"")] * 2)
    world.feed(1.0)
    assert world.exporter.push() == 7.0
    world.feed(2.0, start=1001.0)
    assert world.exporter.push() == 7.0
    assert world.exporter.tally.waiting == 2
    assert world.exporter.push() == 0.0
    assert receiver.values("ewad_value") == [(1000.0, 1.0), (1001.0, 2.0)]
    tally = world.exporter.tally
    assert (tally.written, tally.lost, tally.waiting, tally.failures) == (2, 0, 0, 2)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1 and f"{status} " in told[0]


def test_an_outage_is_made_up_for_with_the_samples_own_times(receiver, worlds):
    world = worlds()
    receiver.stop()
    for second in range(5):
        world.feed(float(second), start=1000.0 + second)
        assert world.exporter.push() > 0.0
    receiver.start()
    assert world.exporter.push() == 0.0
    assert receiver.values("ewad_value") == [(1000.0 + second, float(second)) for second in range(5)]
    assert [value for _, value in receiver.values("ewad_samples_total")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_what_will_never_be_taken_is_lost_and_told(receiver, worlds, status, caplog):
    world = worlds()
    receiver.answers.append((status, {}, b""))
    world.feed(1.0, 2.0)
    assert world.exporter.push() == 0.0
    tally = world.exporter.tally
    assert (tally.written, tally.lost, tally.waiting, tally.failures) == (0, 2, 0, 1)
    assert f"{status} " in caplog.text


def test_points_that_a_receiver_refuses_are_told(receiver, worlds, caplog):
    message = require_otlp().ExportMetricsServiceResponse()
    message.partial_success.rejected_data_points = 3
    message.partial_success.error_message = "too old"
    receiver.answers.append((200, {}, message.SerializeToString()))
    world = worlds()
    world.feed(1.0)
    world.exporter.push()
    assert 'data points refused points=3 reason="too old"' in caplog.text


def test_the_oldest_gives_way_where_too_much_waits(receiver, worlds, caplog):
    world = worlds(backlog_bytes=1500)
    receiver.stop()
    for second in range(20):
        world.feed(float(second), start=1000.0 + second)
        world.exporter.push()
    tally = world.exporter.tally
    assert 0 < tally.waiting < 20 and tally.lost == 20 - tally.waiting
    assert "samples lost" in caplog.text
    receiver.start()
    world.exporter.push()
    assert [value for _, value in receiver.values("ewad_value")] == [float(n) for n in range(tally.lost, 20)]


def test_what_is_too_old_is_not_sent(receiver, worlds):
    world = worlds(backlog_age="1h")
    receiver.stop()
    world.feed(1.0)
    world.exporter.push()
    world.now = 3601.0
    world.feed(2.0, start=1001.0)
    receiver.start()
    world.exporter.push()
    assert receiver.values("ewad_value") == [(1001.0, 2.0)]
    assert world.exporter.tally.lost == 1


def test_a_connection_that_was_closed_meanwhile_is_no_failure(receiver, worlds):
    world = worlds()
    world.feed(1.0)
    world.exporter.push()
    receiver.stop()
    receiver.start()
    world.feed(2.0, start=1001.0)
    world.exporter.push()
    assert [value for _, value in receiver.values("ewad_value")] == [1.0, 2.0]
    assert world.exporter.tally.failures == 0


def test_many_points_go_in_several_requests(receiver, worlds):
    from ewad.outputs.otlp.points import REQUEST_POINTS

    world = worlds()
    for stream in range(40):
        world.feed(*np.arange(100.0), stream=f"plant/{stream}")
    world.exporter.push()
    n = [sum(1 for _ in _points(each)) for each in receiver.received]
    assert len(n) > 1 and max(n) < 2 * REQUEST_POINTS
    assert len(receiver.values("ewad_value")) == 4000
    assert world.exporter.tally.written == 4000


def _points(received):
    from tests.system.receiver import points_of

    return points_of(received.message)


def test_a_stream_that_is_forgotten_and_comes_back_begins_to_count_anew(receiver, worlds):
    world = worlds()
    world.feed(1.0)
    world.exporter.forgotten(world.settings.group_settings()[0], ["plant/hall"])
    world.feed(2.0, 3.0, start=2000.0)
    world.exporter.push()
    sums = [point for point in receiver.points if point.name == "ewad_samples_total"]
    assert [(point.start, point.time, point.value) for point in sums] == [
        (1000.0, 1000.0, 1),
        (2000.0, 2001.0, 2),
    ]
    assert [value for _, value in receiver.values("ewad_value")] == [1.0, 2.0, 3.0]


@pytest.fixture
def left(receiver, worlds, tmp_path):
    """Return a state file beside which an earlier process has left samples 0 to 5: 4 and 5 as a draft."""
    world = worlds(state=tmp_path / "ewad.db")
    world.exporter.recover()
    receiver.stop()
    for second in range(4):
        world.feed(float(second), start=1000.0 + second)
        if second % 2:
            world.exporter.push()
    world.feed(4.0, start=1004.0)
    world.feed(5.0, start=1005.0)
    receiver.start()
    return tmp_path / "ewad.db"


def opened(worlds, state, **otlp):
    world = worlds(state=state, **otlp)
    world.exporter.recover()
    return world


def test_what_waits_outlives_the_process(receiver, worlds, left):
    world = opened(worlds, left)
    assert world.exporter.tally.waiting == 6
    assert world.exporter.push() == 0.0
    assert receiver.values("ewad_value") == [(1000.0 + n, float(n)) for n in range(6)]
    assert world.exporter.tally == (0, 6, 0, 0, 0)
    assert [path.name for path in left.parent.rglob("*") if path.is_file()] == []
    assert opened(worlds, left).exporter.tally.waiting == 0


def test_the_bounds_hold_over_a_restart(receiver, worlds, left):
    world = worlds(state=left, backlog_age="1h")
    world.now = 3601.0
    world.exporter.recover()
    assert (world.exporter.tally.waiting, world.exporter.tally.lost) == (
        2,
        4,
    )  # the draft is no request before
    world.exporter.push()
    assert [value for _, value in receiver.values("ewad_value")] == [4.0, 5.0]


def test_a_piece_that_a_kill_cut_off_is_left_out(receiver, worlds, left):
    draft = left.parent / "ewad.db.otlp" / "draft"
    draft.write_bytes(draft.read_bytes()[:-9])
    world = opened(worlds, left)
    world.exporter.push()
    world.feed(6.0, start=1006.0)
    world.exporter.push()
    assert [value for _, value in receiver.values("ewad_value")] == [0.0, 1.0, 2.0, 3.0, 4.0, 6.0]


def test_a_draft_becomes_requests_that_are_small_enough(receiver, worlds, left, monkeypatch):
    from ewad.outputs.otlp.backlog import Draft

    monkeypatch.setattr(Draft, "REQUEST_BYTES", 100)
    world = opened(worlds, left)
    world.exporter.push()
    assert [len(list(_points(each))) > 0 for each in receiver.received] == [True] * 4
    assert [value for _, value in receiver.values("ewad_value")] == [float(n) for n in range(6)]


def test_without_room_on_the_disk_samples_wait_in_memory(receiver, worlds, tmp_path, caplog):
    world = opened(worlds, tmp_path / "ewad.db")
    (tmp_path / "ewad.db.otlp").rmdir()
    receiver.stop()
    world.feed(1.0)
    world.exporter.push()
    assert "wait in memory" in caplog.text
    receiver.start()
    world.exporter.push()
    assert receiver.values("ewad_value") == [(1000.0, 1.0)]


def test_what_the_end_leaves_on_the_disk_is_not_lost(receiver, worlds, left, caplog):
    world = opened(worlds, left)
    caplog.set_level("INFO")
    world.exporter.close()
    assert world.exporter.tally.lost == 0
    assert "samples are kept for the next start samples=6" in caplog.text
    assert opened(worlds, left).exporter.tally.waiting == 6


def test_a_folder_that_can_not_be_is_one_line_naming_it(worlds, receiver, tmp_path):
    (tmp_path / "ewad.db.otlp").write_text("")
    with pytest.raises(ConfigError, match=r"otlp: .*ewad.db.otlp: expected a folder"):
        opened(worlds, tmp_path / "ewad.db")


def test_pauses_double_and_are_never_shorter_than_asked_for():
    generator = random.Random(0)
    pauses = [delay_seconds(failures, 0.0, generator) for failures in range(1, 12)]
    for failures, pause in enumerate(pauses, start=1):
        longest = min(60.0, 2.0 ** (failures - 1))
        assert longest / 2 <= pause <= longest
    assert delay_seconds(1, 30.0, generator) == 30.0
