"""Writes dashboards/*.json: all that ewad tells, of all streams and of one. Run by `make reference`.

Descriptions and units come from what ewad itself says of each metric; what has no panel of its own gets one
in the last row of the stream's dashboard, so that nothing there is to tell is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.layout import (
    DAEMON,
    ONE_STREAM,
    OVERVIEW,
    PAGE,
    STREAM_UID,
    STREAMS,
    UID,
    Shown,
    described,
    further,
    unit_of,
)

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="$datasource")


def panel(shown: Shown) -> Any:
    """Return the builder of a panel."""
    made = {"lines": lines, "number": number, "table": rows_of}[shown.kind](shown)
    made.title(shown.title).description(described(shown)).datasource(SOURCE).unit(unit_of(shown))
    made.span(shown.wide).height(shown.high)
    for index, query in enumerate(shown.queries):
        target = prometheus.Dataquery().expr(query.expression).ref_id(chr(65 + index)).datasource(SOURCE)
        target.legend_format(query.legend or "__auto")
        if query.instant:
            target.instant().format(PromQueryFormat.TABLE)
        else:
            target.range()
        made.with_target(target)
    if shown.states:
        off, on = shown.states
        made.mappings(
            [
                models.ValueMap(
                    options={
                        "0": models.ValueMappingResult(text=off, color="red"),
                        "1": models.ValueMappingResult(text=on, color="green"),
                    }
                )
            ]
        )
    return made


def lines(shown: Shown) -> timeseries.Panel:
    """Return a panel of lines; between the upper and the lower one of a band the space is filled."""
    made = timeseries.Panel().line_width(1).show_points(kinds.VisibilityMode.AUTO)
    made.tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
    made.legend(
        common.VizLegendOptions()
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    if shown.least is not None:
        made.min(shown.least)
    if shown.most is not None:
        made.max(shown.most)
    made.data_links([_link("Live page", PAGE, False)])
    for upper, lower in shown.bands:
        thin = models.DynamicConfigValue(id_val="custom.lineWidth", value=0)
        fill = [
            models.DynamicConfigValue(id_val="custom.fillBelowTo", value=lower),
            models.DynamicConfigValue(id_val="custom.fillOpacity", value=15),
        ]
        made.override_by_name(upper, [thin, *fill]).override_by_name(lower, [thin])
    return made


def number(shown: Shown) -> stat.Panel:
    """Return a panel of one number, with its colour behind it where it is a state."""
    made = stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    colour = kinds.BigValueColorMode.BACKGROUND if shown.states else kinds.BigValueColorMode.VALUE
    graph = kinds.BigValueGraphMode.NONE if shown.states else kinds.BigValueGraphMode.AREA
    return made.color_mode(colour).graph_mode(graph)


def rows_of(shown: Shown) -> table.Panel:
    """Return a table with a row for each stream, that leads to its dashboard."""
    names = {f"Value #{chr(65 + index)}": query.legend for index, query in enumerate(shown.queries)}
    of_row = "&var-group=${__data.fields.group}&var-stream=${__value.raw}"
    of_all = "${__url_time_range}&var-datasource=$datasource&var-job=$job&var-instance=$instance"
    link = {"title": "This stream", "url": f"/d/{STREAM_UID}?{of_all}{of_row}"}
    joined = {"byField": "stream", "mode": "outer"}
    made = table.Panel().with_transformation(
        models.DataTransformerConfig(id_val="joinByField", options=joined)
    )
    others = [f"{name} {index}" for name in ("Time", "group") for index in (2, 3)]
    tidy = {
        "excludeByName": dict.fromkeys(["Time 1", *others], True),
        "renameByName": {**names, "group 1": "group"},
    }
    made.with_transformation(models.DataTransformerConfig(id_val="organize", options=tidy))
    made.override_by_name("stream", [models.DynamicConfigValue(id_val="links", value=[link])])
    made.override_by_name("skill", [models.DynamicConfigValue(id_val="unit", value="percentunit")])
    return made


def variable(name: str, query: str, multi: bool, everything: str = ".+", regex: str = "") -> Any:
    """Return a variable of the values that Prometheus knows."""
    made = (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
    )
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    if regex:
        made.regex(regex)
    if multi:
        everything_now = models.VariableOption(selected=True, text="All", value="$__all")
        made.multi(True).include_all(True).all_value(everything).current(everything_now)
    return made


def annotation(name: str, expression: str, colour: str) -> Any:
    """Return marks on all panels where an expression has a value."""
    made = dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour)
    return made.expr(expression)


def build(uid: str, title: str, description: str, rows: Sequence[Any], one: bool) -> dict[str, Any]:
    """Return a dashboard; one: of one stream."""
    made = dashboard.Dashboard(title).uid(uid).description(description).tags(["ewad"]).readonly()
    made.time("now-1h", "now").refresh("10s").timezone("browser").tooltip(
        models.DashboardCursorSync.CROSSHAIR
    )
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    made.with_variable(source)
    groups, many = f"ewad_samples_total{{{DAEMON}}}", not one
    made.with_variable(variable("job", "label_values(ewad_samples_total, job)", True))
    made.with_variable(variable("instance", 'label_values(ewad_samples_total{job=~"$job"}, instance)', True))
    made.with_variable(variable("group", f"label_values({groups}, group)", many))
    of_group = f'ewad_samples_total{{{DAEMON},group=~"$group"}}'
    made.with_variable(variable("stream", f"label_values({of_group}, stream)", many, ".*"))
    if one:
        made.with_variable(variable("beta", f"label_values(ewad_smoothed_value{{{STREAMS}}}, beta)", False))
        made.with_variable(
            variable("horizon", f"label_values(ewad_forecast_value{{{STREAMS}}}, horizon)", False)
        )
        made.with_variable(ahead())
    made.annotation(annotation("Anomalies", f"ewad_anomaly{{{STREAMS}}} == 1", "red"))
    # the second is for where the system does not tell when a process has started: it misses longer outages
    restarts = (
        f"time() - process_start_time_seconds{{{DAEMON}}} < 60"
        f" or resets(ewad_messages_received_total{{{DAEMON}}}[1m]) > 0"
    )
    made.annotation(annotation("Restarts of ewad", restarts, "blue"))
    made.link(_link("All streams" if one else "One stream", f"/d/{UID if one else STREAM_UID}", True))
    for name, row in [*rows, ("Further", further(rows) if one else [])]:
        if row:
            made.with_row(dashboard.Row(name))
            for each in row:
                made.with_panel(panel(each))
    document: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    for index, each in enumerate(document["panels"], start=1):
        each["id"] = index
    return document


def ahead() -> Any:
    """Return how many seconds ahead the chosen horizon is, at the typical interval of the samples."""
    interval = f"rate(ewad_samples_total{{{STREAMS}}}[$__range])"
    query = f"query_result(clamp_max(ceil($horizon / max({interval})), 31536000))"
    made = variable("ahead", query, False, regex=r"/\} ([0-9]+) /")
    return made.label("Seconds ahead").description(
        "How long the horizon is, at the typical interval of samples."
    )


def _link(title: str, url: str, within: bool) -> Any:
    made = dashboard.DashboardLink(title).type(models.DashboardLinkType.LINK).url(url)
    return made.include_vars(within).keep_time(within).target_blank(not within)


def dashboards() -> dict[str, dict[str, Any]]:
    """Return all dashboards by their files' names."""
    return {
        "ewad.json": build(UID, "ewad", "All streams, their forecasts, and how ewad is.", OVERVIEW, False),
        "stream.json": build(
            STREAM_UID,
            "ewad: one stream",
            "One stream: its forecasts where they come true.",
            ONE_STREAM,
            True,
        ),
    }


def text(document: dict[str, Any]) -> str:
    """Return a dashboard as its file has it."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for name, document in dashboards().items():
        (FOLDER / name).write_text(text(document), encoding="utf-8")
        print(FOLDER / name)
