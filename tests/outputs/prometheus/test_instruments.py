from types import SimpleNamespace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ewad import kernels
from tests.outputs.engines import instruments, smoothing_engine


def values(instruments, openmetrics=False):
    text = instruments.render(openmetrics).decode()
    families = parse_openmetrics(text + "# EOF\n") if openmetrics else parse_text(text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("openmetrics", [False, True])
def test_counts_are_read_where_they_live(openmetrics):
    found = values(instruments(smoothing_engine()), openmetrics)
    assert found[("ewad_messages_received_total",)] == 7
    assert found[("ewad_streams",)] == 0
    assert found[("ewad_streams_refused_total",)] == 0
    assert found[("ewad_streams_forgotten_total",)] == 0
    assert found[("ewad_mqtt_connected",)] == 1
    assert found[("ewad_mqtt_reconnects_total",)] == 3
    assert found[("ewad_mqtt_held_up_seconds_total",)] == 1.25
    assert found[("ewad_build_info", kernels.HOW, "1.2.3")] == 1


def test_counts_are_read_at_each_scrape():
    received = iter([1, 2])
    own = instruments(smoothing_engine(), received=lambda: next(received))
    assert values(own)[("ewad_messages_received_total",)] == 1
    assert values(own)[("ewad_messages_received_total",)] == 2


def test_known_reasons_of_rejections_start_at_zero():
    found = values(instruments(smoothing_engine(), rejected=dict))
    assert found[("ewad_messages_rejected_total", "not_a_number")] == 0
    assert found[("ewad_messages_rejected_total", "too_large")] == 0


def test_reasons_that_are_not_known_beforehand_are_counted_too():
    found = values(instruments(smoothing_engine(), rejected=lambda: {"too_large": 2, "surprise": 1}))
    assert found[("ewad_messages_rejected_total", "too_large")] == 2
    assert found[("ewad_messages_rejected_total", "surprise")] == 1


def test_a_broker_that_is_away_is_zero_not_absent():
    found = values(instruments(smoothing_engine(), connected=lambda: False))
    assert found[("ewad_mqtt_connected",)] == 0


@pytest.mark.parametrize("openmetrics", [False, True])
def test_observations_fall_into_buckets(openmetrics):
    own = instruments(smoothing_engine())
    own.observe_seconds.observe(0.0004)
    own.observe_seconds.observe(0.3)
    found = values(own, openmetrics)
    assert found[("ewad_observe_seconds_bucket", "0.00025")] == 0
    assert found[("ewad_observe_seconds_bucket", "0.0005")] == 1
    assert found[("ewad_observe_seconds_bucket", "1.0")] == 2
    assert found[("ewad_observe_seconds_count",)] == 2
    assert found[("ewad_observe_seconds_sum",)] == pytest.approx(0.3004)


def test_the_process_and_python_are_described():
    found = values(instruments(smoothing_engine()))
    assert found[("process_resident_memory_bytes",)] > 1e6
    assert any(name == "python_info" for name, *_ in found)


def test_two_daemons_in_one_process_count_apart():
    one, other = instruments(smoothing_engine()), instruments(smoothing_engine())
    one.observe_seconds.observe(0.1)
    assert values(other)[("ewad_observe_seconds_count",)] == 0


def test_openmetrics_leaves_the_end_to_the_document():
    assert b"# EOF" not in instruments(smoothing_engine()).render(True)


def test_promtool_accepts_the_instruments(promtool_check):
    assert promtool_check(instruments(smoothing_engine()).render(False).decode()) == ""


def test_the_state_file_is_told_of_where_there_is_one():
    facts = SimpleNamespace(writable=False, snapshot_time=1.7e9, file_bytes=4096, damaged=2)
    found = values(instruments(smoothing_engine(), state=lambda: facts, repeated=lambda: 5))
    assert found[("ewad_state_writable",)] == 0
    assert found[("ewad_state_snapshot_timestamp_seconds",)] == 1.7e9
    assert found[("ewad_state_file_bytes",)] == 4096
    assert found[("ewad_state_damaged_total",)] == 2
    assert found[("ewad_messages_redelivered_total",)] == 5
    assert ("ewad_state_writable",) not in values(instruments(smoothing_engine()))


def test_the_text_format_has_no_created_gauges():
    own = instruments(smoothing_engine())
    own.observe_seconds.observe(0.001)
    assert b"_created" not in own.render(openmetrics=False)
    assert b"ewad_observe_seconds_created" in own.render(openmetrics=True)
    assert own.render(openmetrics=False).count(b"ewad_observe_seconds_bucket") > 1
