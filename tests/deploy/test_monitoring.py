"""Prometheus' configuration and alerts, Grafana's dashboard: valid, and about metrics that exist."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
GRAFANA = DEPLOY / "grafana"
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
DASHBOARD = json.loads((GRAFANA / "dashboards" / "ewad.json").read_text())

# The names that users rely on.
METRICS = {
    "ewad_value",
    "ewad_smoothed_value",
    "ewad_smoothed_stddev",
    "ewad_forecast_value",
    "ewad_forecast_lower_value",
    "ewad_forecast_upper_value",
    "ewad_forecast_coverage_ratio",
    "ewad_forecast_skill_ratio",
    "ewad_anomaly_score",
    "ewad_expert_weight",
    "ewad_samples_total",
    "ewad_last_sample_timestamp_seconds",
    "ewad_loss",
    "ewad_batch_loss",
    "ewad_learning_rate",
    "ewad_epoch",
    "ewad_batches_total",
    "ewad_gradient_norm",
    "ewad_messages_received_total",
    "ewad_messages_rejected_total",
    "ewad_streams",
    "ewad_streams_refused_total",
    "ewad_mqtt_connected",
    "ewad_mqtt_reconnects_total",
    "ewad_build_info",
    "ewad_observe_seconds_bucket",
    "ewad_state_writable",
    "ewad_state_damaged_total",
    "ewad_config_last_reload_successful",
}


def promtool(*arguments: str | Path) -> str:
    if shutil.which("promtool") is None:
        if "CI" in os.environ:
            pytest.fail("promtool is missing: Debian's package prometheus has it")
        pytest.skip("needs promtool")
    command = ["promtool", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def rules() -> list[dict]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def panel_expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"\bewad_\w+", text))


def test_prometheus_accepts_its_configuration():
    assert "SUCCESS" in promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_prometheus_accepts_the_alerts():
    assert "SUCCESS" in promtool("check", "rules", PROMETHEUS / "alerts.yml")


def test_prometheus_accepts_every_expression_of_the_dashboard(tmp_path):
    expressions = [
        re.sub(r"\$\w+", ".*", expression.replace("$__rate_interval", "1m"))
        for expression in panel_expressions()
    ]
    recorded = [{"record": f"panel:expression_{i}", "expr": text} for i, text in enumerate(expressions)]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    assert "SUCCESS" in promtool("check", "rules", path)


def test_the_alerts_fire_when_they_should_and_only_then(tmp_path):
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    promtool("test", "rules", tmp_path / "alerts_test.yml")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_is_about_known_metrics_and_says_what_to_do(rule):
    assert metrics_in(rule["expr"]) <= METRICS
    assert {"summary", "description"} <= rule["annotations"].keys()
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_every_alert_has_a_case_in_which_it_fires():
    cases = yaml.safe_load(Path(__file__).with_name("alerts_test.yml").read_text())["tests"]
    fired = {
        check["alertname"] for case in cases for check in case["alert_rule_test"] if check.get("exp_alerts")
    }
    assert fired == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_shows_known_metrics(panel):
    used = metrics_in(" ".join(target["expr"] for target in panel["targets"]))
    assert used
    assert used <= METRICS


def test_the_dashboard_shows_streams_learning_and_the_daemon_itself():
    assert metrics_in(" ".join(panel_expressions())) >= {
        "ewad_value",
        "ewad_smoothed_value",
        "ewad_forecast_value",
        "ewad_forecast_lower_value",
        "ewad_forecast_upper_value",
        "ewad_expert_weight",
        "ewad_anomaly_score",
        "ewad_loss",
        "ewad_learning_rate",
        "ewad_forecast_skill_ratio",
        "ewad_messages_received_total",
        "ewad_messages_rejected_total",
        "ewad_mqtt_connected",
    }


def test_panels_do_not_overlap_and_have_ids_of_their_own():
    panels = DASHBOARD["panels"]
    cells = [
        (x, y)
        for box in (panel["gridPos"] for panel in panels)
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_panel_asks_the_provisioned_data_source():
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}


def test_grafana_looks_for_the_dashboard_where_compose_mounts_it():
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/ewad.yaml").read_text())["providers"]
    mounts = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts
