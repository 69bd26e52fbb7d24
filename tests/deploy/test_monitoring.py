"""Prometheus' configuration and alerts: valid, about metrics that exist, and led on to what to do."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import components

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())

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
    "ewad_anomaly",
    "ewad_anomaly_reason",
    "ewad_anomaly_score",
    "ewad_stream_stuck",
    "ewad_expert_weight",
    "ewad_samples_total",
    "ewad_samples_ahead_total",
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
    command = [components.program("promtool", "Debian's prometheus"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def rules() -> list[dict]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"\bewad_\w+", text))


def test_prometheus_accepts_its_configuration():
    assert "SUCCESS" in promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_prometheus_accepts_the_alerts():
    assert "SUCCESS" in promtool("check", "rules", PROMETHEUS / "alerts.yml")


def test_the_alerts_fire_when_they_should_and_only_then(tmp_path):
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    promtool("test", "rules", tmp_path / "alerts_test.yml")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_a_chapter_of_its_own_that_says_what_to_do(rule):
    page, _, chapter = rule["annotations"]["runbook_url"].partition("#")
    assert chapter == rule["alert"].lower()
    text = (DEPLOY.parent / page).read_text()
    body = text.partition(f"## {rule['alert']}\n")[2].partition("\n## ")[0]
    assert len(body) > 150, f"{page}: a chapter on {rule['alert']}"


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
