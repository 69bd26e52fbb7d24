"""Writes what the code knows into the pages of the reference: `make reference`. Above the mark is by hand."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from prometheus_client.parser import text_string_to_metric_families

from docs.python_api import python_api
from ewad import config
from ewad.cli import cli
from ewad.config import schema
from ewad.engine import Engine
from ewad.ingest.formats.reasons import ABSENT, REASONS
from ewad.outputs.http import openapi
from ewad.outputs.prometheus.instruments import Instruments
from ewad.outputs.registry import QUANTITIES
from ewad.outputs.running import Count

REFERENCE = Path(__file__).parent / "reference"
DEPLOY = Path(__file__).parent.parent / "deploy"
KUBERNETES_RULES = DEPLOY / "kubernetes" / "monitoring" / "rules.yaml"
MARK = "<!-- What follows is written by `make reference`. -->\n"
Rows = Iterator[tuple[str, ...]]


def table(*heads: str, rows: Rows) -> list[str]:
    """Return the lines of a table."""
    cells = [tuple(cell.replace("|", r"\|").replace("\n", " ") for cell in row) for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in (heads, *cells)]
    return [lines[0], "|" + "---|" * len(heads), *lines[1:]]


# -- the command line --


def commands(group: click.Group, path: str) -> Iterator[click.Context]:
    """Yield each command as it is called, with those of its groups."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name) or click.Command(name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield click.Context(command, info_name=f"{path} {name}")


def command_line() -> Iterator[str]:
    """Yield the lines of all commands and options."""
    for context in commands(cli, "ewad"):
        command = context.command
        usage = " ".join([context.info_name or "", *command.collect_usage_pieces(context)])
        yield from (
            f"## {context.info_name}",
            *inspect.cleandoc(command.help or "").splitlines(),
            "",
            f"    {usage}",
            "",
        )
        if command.epilog:
            examples = command.epilog.replace("\b\n", "").splitlines()
            yield from (*("" if line == "Examples:" else f"  {line}" for line in examples[1:]), "")
        records = (each.get_help_record(context) for each in command.params)
        # Arguments have no text of their own: the command's tells what they are.
        rows = [(f"`{record[0]}`", record[1]) for record in records if record is not None and record[1]]
        if rows:
            yield from (*table("option", "meaning", rows=iter(rows)), "")


# -- metrics --


def metrics() -> Iterator[str]:
    """Yield the tables of all metrics: of streams, of models, of the daemon."""
    settings = config.from_options(None, ("site/{room}/t",), environ={}, model="auto")
    group = Engine(settings.group_settings()).groups[0]

    def told(of_models: bool) -> Rows:
        for each in QUANTITIES:
            if each.of_models == of_models:
                labels = {name: None for further, _ in each.standing(group) for name, _ in further}
                unit = {"stream": "the stream's"}.get(each.unit, each.unit)
                yield f"`{each.metric}`", each.kind, ", ".join(labels), unit, each.help

    heads = ("metric", "type", "further labels", "unit", "meaning")
    yield from ("## Of each stream", "Labels: `stream`, the topic's captured labels, `group`, and these.", "")
    yield from (*table(*heads, rows=told(False)), "")
    yield from (
        "## Of each model",
        'Labels: `model`, `group`, with `share = "stream"` also those of the stream.',
    )
    yield from ("", *table(*heads, rows=told(True)), "")
    yield from ("## Of the daemon", *table("metric", "type", "labels", "meaning", rows=of_the_daemon()))


def of_the_daemon() -> Rows:
    """Yield the daemon's own metrics, as it shows them."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("received", "streams", "refused", "forgotten", "connected", "reconnects", "reload_successful"),
        lambda: 0,
    )
    facts = SimpleNamespace(writable=True, snapshot_time=1.0, file_bytes=0, damaged=0)
    instruments = Instruments(
        version="",
        reasons=REASONS,
        rejected=dict,
        state=lambda: facts,
        sinks=lambda: [Count("jsonl")],
        **nothing,
    )
    for family in text_string_to_metric_families(instruments.render(openmetrics=False).decode()):
        if family.name.startswith("ewad_"):
            labels = {name: None for sample in family.samples for name in sample.labels if name != "le"}
            total = "_total" if family.type == "counter" else ""
            yield f"`{family.name}{total}`", family.type, ", ".join(labels), family.documentation


# -- the HTTP API --


def http_api() -> Iterator[str]:
    """Yield the addresses of the API with their parameters, and the documents that they answer with."""
    document = openapi.document("")
    for path, operations in document["paths"].items():
        ((method, operation),) = operations.items()
        content = operation["responses"]["200"]["content"]
        yield from (f"## {method.upper()} {path}", operation["summary"], "")
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            name = body["$ref"].rpartition("/")[2]
            yield from (f"Body: `application/json`, [{name}](#{name.lower()}).", "")
        kind, answer = next(iter(content.items()))
        name = answer["schema"].get("$ref", "").rpartition("/")[2]
        yield from (f"Answer: `{kind}`" + (f", [{name}](#{name.lower()})." if name else "."), "")
        rows = [
            (
                f"`{each['name']}`",
                each["in"],
                taken(each["schema"]),
                each.get("description", "The stream's name."),
            )
            for each in operation["parameters"]
        ]
        if rows:
            yield from (*table("parameter", "in", "takes", "meaning", rows=iter(rows)), "")
    for name, record in document["components"]["schemas"].items():
        fields = ((f"`{field}`", taken(kind)) for field, kind in record.get("properties", {}).items())
        text = re.sub(r"\s+", " ", record.get("description", ""))
        yield from (f"## {name}", text, "", *table("field", "holds", rows=fields), "")


def taken(kind: dict[str, Any]) -> str:
    """Return in words what a schema takes."""
    if "$ref" in kind:
        return kind["$ref"].rpartition("/")[2]
    if "anyOf" in kind:
        return " or ".join(taken(each) for each in kind["anyOf"])
    if kind.get("type") == "array":
        return f"list of {taken(kind['items'])}"
    if kind.get("type") == "object" and "additionalProperties" in kind:
        return f"table of {taken(kind['additionalProperties'])}"
    words = ", ".join(f"`{each}`" for each in kind.get("enum", ())) or kind.get("type", "anything")
    if "minimum" in kind:
        words += f" from {kind['minimum']:,} to {kind['maximum']:,}"
    if kind.get("default") not in (None, []):
        words += f"; default: {kind['default']}"
    return words


# -- reasons --

OUT_OF_ORDER = {"out_of_order": "the sample is older than its stream's newest"}
REMEDIES = {
    "empty": "none needed: brokers and devices clear retained topics so",
    "not_a_number": "`states`, `texts`, `strip_unit`, `decimal`; or `format` if it is JSON",
    "not_finite": "look at the sensor",
    "out_of_range": "look at the device, or at `scale`",
    "invalid_value": "look at the sensor if it goes on",
    "invalid_json": "`format`; a message that was cut off: the device's buffer",
    "invalid_payload": "`format`",
    "unsupported": "send values; `exclude` leaves out what is no measurement",
    "unknown_alias": "`rebirth = true` in `[publish]`, or ask by the metric `Node Control/Rebirth`",
    "sequence_gap": "ask for births by the metric `Node Control/Rebirth`: what only changed in lost ones is"
    " wrong until then",
    "wrong_type": "a longer path; `records`",
    "invalid_label": "another path in `labels`",
    "invalid_time": "`time_format`, another `time_field`",
    "too_large": "raise the limit",
    "retained": "none needed",
    "topic_too_long": "a shorter one",
    "unknown_topic": "narrow what is subscribed to, or add a block",
    "unknown_stream": "none needed while streams are new, or of other shards; else the topic of `external`",
    "too_many_points": "fewer points, or fewer days",
    "stream_limit": "raise the limit, or narrow `topic` and `labels`",
    "out_of_order": '`out_of_order = "accept"`; the device\'s clock',
}


def rejections() -> Iterator[str]:
    """Yield the tables of reasons."""
    rows = ((f"`{reason}`", text, REMEDIES[reason]) for reason, text in (REASONS | OUT_OF_ORDER).items())
    yield from table("reason", "what came", "remedy", rows=rows)
    absent = ((f"`{reason}`", text) for reason, text in ABSENT.items())
    yield from (
        "",
        "## Absent",
        "Messages of these kinds are no fault, and count as `ewad_messages_absent_total`. So do messages"
        " whose topic every block that it fits leaves out by `exclude_topic`.",
        "",
    )
    yield from table("reason", "what came", rows=absent)
    yield from (
        "",
        "## Ahead",
        "A sample whose time lies further ahead than `max_ahead` is used, at its arrival, and counts as"
        " `ewad_samples_ahead_total`. The log tells the first one of each block. The remedy: `time_zone`,"
        " where a device tells local time without a zone; else the device's clock, or `max_ahead`.",
    )


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "configuration": lambda: iter(schema.markdown().splitlines()),
    "command-line": command_line,
    "metrics": metrics,
    "http-api": http_api,
    "rejections": rejections,
    "python-api": python_api,
}


def written(name: str) -> str:
    """Return a page as it should be: what is by hand as it stands, and what the code knows."""
    by_hand, mark, _ = (REFERENCE / f"{name}.md").read_text(encoding="utf-8").partition(MARK)
    return by_hand + mark + "\n".join(PAGES[name]()).rstrip() + "\n"


def kubernetes_rules() -> str:
    """Return Prometheus' alerts as the Prometheus Operator wants them."""
    alerts = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    head = "# Written by `make reference` from deploy/prometheus/alerts.yml.\n"
    head += "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: ewad\nspec:\n"
    return head + textwrap.indent(alerts, "  ")


if __name__ == "__main__":
    KUBERNETES_RULES.write_text(kubernetes_rules(), encoding="utf-8")
    for _name in PAGES:
        (REFERENCE / f"{_name}.md").write_text(written(_name), encoding="utf-8")
