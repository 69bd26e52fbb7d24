"""Grafana's dashboards: what the script makes, by the rules of good dashboards, and every query has data."""

import json
import re
from pathlib import Path

import pytest
import yaml

from ewad.outputs.registry import QUANTITIES
from tests import components
from tests.deploy.test_monitoring import promtool
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.polling import until
from tests.system.prometheus import scraping
from tests.system.publisher import publish

DEPLOY = Path(__file__).parents[2] / "deploy"
GRAFANA = DEPLOY / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
DASHBOARDS = {path.name: json.loads(path.read_text()) for path in FILES}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
EVERY_DASHBOARD = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
EVERY_PANEL = pytest.mark.parametrize("panel", PANELS)


def expressions(panel):
    return [target["expr"] for target in panel["targets"]]


def of_variables(dashboard):
    """Return what the queries of its variables look at."""
    asked = [each["query"]["query"] for each in dashboard["templating"]["list"][1:]]
    return [re.fullmatch(r"(label_values|query_result)\((.+?)(, \w+)?\)", query)[2] for query in asked]


def of_marks(dashboard):
    return [each["expr"] for each in dashboard["annotations"]["list"]]


def test_the_files_are_what_the_script_makes():
    components.module("grafana_foundation_sdk")
    from deploy.grafana.generate import dashboards, text

    made = dashboards()
    assert set(made) == set(DASHBOARDS)
    for name, document in made.items():
        assert (GRAFANA / "dashboards" / name).read_text() == text(document), f"{name}: make reference"


def test_everything_there_is_to_tell_of_streams_is_on_the_streams_dashboard():
    text = json.dumps(DASHBOARDS["stream.json"])
    assert [quantity.metric for quantity in QUANTITIES if quantity.metric not in text] == []


# The rules of Grafana's dashboard linter, by their names there.


@EVERY_DASHBOARD
def test_template_variables(dashboard):
    """template-datasource-rule, template-job-rule, template-instance-rule, template-on-time-change-reload."""
    first, *others = dashboard["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert first["label"] == "Data source"
    told = {variable["name"]: variable for variable in others}
    for name in ("job", "instance"):
        assert told[name]["label"] == name.capitalize()
        assert told[name]["multi"]
        assert told[name]["allValue"] == ".+"
        assert told[name]["datasource"]["uid"] == "$datasource"
    assert {"group", "stream"} <= set(told)
    assert {variable["refresh"] for variable in others} == {2}  # when the range of time changes


@EVERY_DASHBOARD
def test_a_dashboard_can_not_be_changed_by_mistake_and_shares_its_crosshair(dashboard):
    """uneditable-dashboard-rule."""
    assert dashboard["editable"] is False
    assert dashboard["graphTooltip"] == 1
    assert {each["name"] for each in dashboard["annotations"]["list"]} == {"Anomalies", "Restarts of ewad"}
    assert any(f"/d/{other['uid']}" in json.dumps(dashboard["links"]) for other in DASHBOARDS.values())


@EVERY_DASHBOARD
def test_panels_do_not_overlap_have_ids_of_their_own_and_stand_in_rows(dashboard):
    panels = dashboard["panels"]
    cells = [
        (x, y)
        for box in (panel["gridPos"] for panel in panels)
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert panels[0]["type"] == "row"


@EVERY_PANEL
def test_a_panel_says_what_it_shows_and_in_which_unit(panel):
    """panel-datasource-rule, panel-title-description-rule, panel-units-rule, panel-no-targets-rule."""
    assert panel["datasource"]["uid"] == "$datasource"
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in {"s", "percentunit", "short"}  # Grafana's names
    assert panel["targets"]


@EVERY_PANEL
def test_a_query_is_of_the_chosen_daemons_and_counters_are_rates(panel):
    """target-job-rule, target-instance-rule, target-rate-interval-rule, target-counter-agg-rule."""
    for expression in expressions(panel):
        for metric, selector in re.findall(r"(ewad_\w+)(?:\{([^}]*)\})?", expression):
            assert 'job=~"$job"' in selector, metric
            assert 'instance=~"$instance"' in selector, metric
            if metric.endswith("_total"):
                assert re.search(rf"(rate|increase)\({metric}\{{[^}}]*\}}\[\$__rate_interval\]", expression)


def test_every_query_and_every_query_of_a_variable_is_promql(tmp_path):
    """target-promql-rule, template-label-promql-rule."""
    expressions_of = [expression for panel in PANELS for expression in expressions(panel.values[0])]
    for dashboard in DASHBOARDS.values():
        expressions_of += [*of_variables(dashboard), *of_marks(dashboard)]
    rules = [
        {"record": f"query:{number}", "expr": chosen(expression)}
        for number, expression in enumerate(expressions_of)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "rules.yml")


@EVERY_DASHBOARD
def test_a_start_is_marked_for_a_minute_however_long_the_daemon_was_away(dashboard, tmp_path):
    restarts = chosen(of_marks(dashboard)[1])
    labels = '{instance="a",job="ewad"}'
    asked = {"5m": [], "20m": [], "20m30s": [30], "22m": []}  # 20m: it has started, and was not scraped yet
    test = {
        "interval": "30s",
        "input_series": [  # away for ten minutes, until second 1,200
            {"series": f"process_start_time_seconds{labels}", "values": "-600x20 _x20 1200x10"},
            {"series": f"ewad_messages_received_total{labels}", "values": "100+10x20 _x20 0+10x10"},
        ],
        "promql_expr_test": [
            {
                "expr": restarts,
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for value in values],
            }
            for at, values in asked.items()
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "test.yml")


def test_bands_are_filled_between_series_that_are_there():
    found = 0
    for panel in DASHBOARDS["stream.json"]["panels"]:
        names = {target["legendFormat"] for target in panel.get("targets", [])}
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            below = [each["value"] for each in override["properties"] if each["id"] == "custom.fillBelowTo"]
            if below:
                assert {override["matcher"]["options"], *below} <= names
                found += 1
    assert found == 2


def test_grafana_looks_for_the_dashboards_where_compose_mounts_them():
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/ewad.yaml").read_text())["providers"]
    mounts = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts


SETTINGS = """
[[stream]]
name = "temperature"
topic = "site/{room}/temperature"
beta = [0.9, 0.98]
model = "auto"
thresholds = { "more than nothing" = "> -1" }

[model.auto]
horizons = [1, 6]
batch_size = 16
"""
CHOSEN = {
    "job": "ewad",
    "instance": ".+",
    "group": ".+",
    "stream": "site/office/temperature",
    "beta": "0.9",
    "horizon": "1",
    "ahead": "1",
    "__rate_interval": "4s",
    "__range": "1m",
}


def chosen(expression):
    """Return an expression with the variables as a dashboard would fill them in."""
    for name, value in CHOSEN.items():
        expression = re.sub(rf"\$(?:\{{{name}\}}|{name}\b)", value, expression)
    assert "$" not in expression
    return expression


@pytest.mark.system
def test_every_query_has_data_on_a_real_prometheus(tmp_path):
    queries = {
        chosen(expression)
        for dashboard in DASHBOARDS.values()
        for panel in dashboard["panels"]
        if panel["type"] != "row"
        for expression in expressions(panel)
    }
    for dashboard in DASHBOARDS.values():
        queries |= set(map(chosen, of_variables(dashboard)))
        queries |= {chosen(re.sub(r" (>|==) \d$", "", mark)) for mark in of_marks(dashboard)}
    with (
        mosquitto.running(tmp_path / "mosquitto") as broker,
        daemons.running(tmp_path / "ewad", f"mqtt://127.0.0.1:{broker.port}", SETTINGS) as daemon,
        scraping(tmp_path / "prometheus", daemon.address) as prometheus,
    ):
        numbers = iter(range(100_000))

        def answered():
            several = [next(numbers) for _ in range(200)]
            spiked = (
                100 if number > 300 and number % 99 == 0 else 20 + number % 24 / 4 for number in several
            )
            values = [str(value) for value in spiked]  # spikes are anomalies, which have reasons
            publish(broker.port, [("site/office/temperature", value.encode()) for value in values])
            return not (missing := [each for each in sorted(queries) if not prometheus.query(each)]), missing

        until(lambda: answered()[0], lambda: "\n".join(answered()[1]))
