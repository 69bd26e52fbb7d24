"""What the dashboards show: rows of panels with their queries. generate.py makes Grafana's JSON of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ewad.outputs.registry import QUANTITIES

DAEMON = 'job=~"$job",instance=~"$instance"'
STREAMS = f'{DAEMON},group=~"$group",stream=~"$stream"'
GROUPS = f'{DAEMON},group=~"$group"'
MODELS = f'{DAEMON},group=~"$group",stream=~"$stream|"'  # a model of a whole group has no stream
UNITS = {"ratio": "percentunit", "seconds": "s", "stream": "short", "": "short"}
TOLD = {quantity.metric: quantity for quantity in QUANTITIES}
RATE = "[$__rate_interval]"
UID = "ewad"
STREAM_UID = "ewad-stream"
PAGE = "http://${__field.labels.instance}/#stream=${__field.labels.stream}"  # of a point's own series


class Query(NamedTuple):
    """An expression of PromQL, and what the legend calls its series."""

    expression: str
    legend: str = ""
    instant: bool = False


class Shown(NamedTuple):
    """A panel: its title, what it shows, where no description: its queries' metric says it. wide: of 24."""

    title: str
    queries: Sequence[Query]
    description: str = ""
    unit: str = ""
    kind: str = "lines"
    wide: int = 12
    high: int = 8
    bands: Sequence[tuple[str, str]] = ()  # (upper, lower) legends, with the space between them filled
    states: tuple[str, str] | None = None  # what 0 and 1 are called
    least: float | None = None
    most: float | None = None


def metric_of(shown: Shown) -> str:
    """Return the metric that the panel is about."""
    return re.findall(r"ewad_\w+", shown.queries[0].expression)[0]


def described(shown: Shown) -> str:
    """Return the description of a panel: its own, or what ewad says of its metric."""
    return shown.description or TOLD[metric_of(shown)].help


def unit_of(shown: Shown) -> str:
    """Return the unit of a panel: its own, or that of its metric."""
    quantity = TOLD.get(metric_of(shown))
    return shown.unit or UNITS[quantity.unit if quantity else ""]


def by_stream(metric: str, legend: str = "{{stream}}", further: str = "") -> Query:
    """Return the series of a metric of streams."""
    return Query(f"{metric}{{{STREAMS}{further}}}", legend)


def by_model(metric: str) -> Query:
    """Return the series of a metric of models."""
    return Query(f"{metric}{{{MODELS}}}", "{{model}} {{stream}} {{expert}}")


def of_daemon(metric: str, by: str = "instance") -> Query:
    """Return the rate of a counter of the daemon's."""
    return Query(f"sum by ({by}) (rate({metric}{{{DAEMON}}}{RATE}))", f"{{{{{by}}}}}")


def quantile(metric: str, share: float) -> Query:
    """Return a quantile of a histogram."""
    buckets = f"sum by (le) (rate({metric}_bucket{{{DAEMON}}}{RATE}))"
    return Query(f"histogram_quantile({share}, {buckets})", f"{share:.0%}")


def single(title: str, expression: str, description: str, **options: Any) -> Shown:
    """Return a panel of one number."""
    return Shown(title, [Query(expression)], description, kind="number", wide=4, high=4, **options)


MODEL_ROW = (
    "Learning",
    [
        Shown("Loss", [by_model("ewad_loss"), by_model("ewad_batch_loss")], wide=8),
        Shown("Learning rate", [by_model("ewad_learning_rate")], wide=8),
        Shown("Gradient norm", [by_model("ewad_gradient_norm")], wide=8),
        Shown("Epochs", [by_model("ewad_epoch")], wide=6),
        Shown("Plateaus", [by_model("ewad_plateau")], wide=6, states=("falls", "plateau")),
        Shown(
            "Mini-batches a second",
            [Query(f"rate(ewad_batches_total{{{MODELS}}}{RATE})", "{{model}} {{stream}} {{expert}}")],
            wide=6,
        ),
        Shown(
            "Restarts of models",
            [Query(f"increase(ewad_model_restarts_total{{{MODELS}}}{RATE})", "{{model}} {{stream}}")],
            wide=6,
        ),
    ],
)

OVERVIEW = [
    (
        "At a glance",
        [
            single(
                "Broker",
                f"min(ewad_mqtt_connected{{{DAEMON}}})",
                "Whether all daemons that are chosen have a connection to their broker.",
                states=("not connected", "connected"),
            ),
            single("Streams", f"sum(ewad_streams{{{DAEMON}}})", "Streams known."),
            single(
                "Anomalous",
                f"sum(ewad_anomaly{{{STREAMS}}})",
                "Streams that are in an anomaly.",
            ),
            single(
                "Messages",
                f"sum(rate(ewad_messages_received_total{{{DAEMON}}}{RATE}))",
                "Messages received a second.",
                unit="short",
            ),
            single(
                "Not used",
                f"sum(rate(ewad_messages_rejected_total{{{DAEMON}}}{RATE}))"
                f" / sum(rate(ewad_messages_received_total{{{DAEMON}}}{RATE}))",
                "The share of the messages that were rejected.",
                unit="percentunit",
            ),
            single(
                "Configuration",
                f"min(ewad_config_last_reload_successful{{{DAEMON}}})",
                "Whether the configuration that stands in the file is in force.",
                states=("not in force", "in force"),
            ),
        ],
    ),
    (
        "Streams",
        [
            Shown(
                "All streams",
                [
                    Query(f"sum by (group, stream) ({metric}{{{STREAMS}{only}}})", name, instant=True)
                    for name, metric, only in (
                        ("value", "ewad_value", ""),
                        ("anomaly", "ewad_anomaly_score", ""),
                        ("skill", "ewad_forecast_skill_ratio", ',horizon="1"'),
                    )
                ],
                "Each stream's last value, anomaly score, and the skill of its forecasts of the next sample.",
                kind="table",
                wide=12,
                high=10,
            ),
            Shown("Values", [by_stream("ewad_value")], wide=12, high=10),
            Shown(
                "The ten highest anomaly scores",
                [Query(f"topk(10, ewad_anomaly_score{{{STREAMS}}})", "{{stream}}")],
            ),
            Shown(
                "Seconds since the last sample",
                [Query(f"time() - ewad_last_sample_timestamp_seconds{{{STREAMS}}}", "{{stream}}")],
                "How long ago each stream's last sample was.",
            ),
        ],
    ),
    (
        "Forecasts",
        [
            Shown(
                "Skill",
                [
                    Query(
                        f"avg by (group, horizon) (ewad_forecast_skill_ratio{{{STREAMS}}})",
                        "{{group}} {{horizon}}",
                    )
                ],
                wide=8,
            ),
            Shown(
                "Values inside their intervals",
                [
                    Query(
                        f"avg by (group, horizon) (ewad_forecast_coverage_ratio{{{STREAMS}}})",
                        "{{group}} {{horizon}}",
                    )
                ],
                wide=8,
                least=0.0,
                most=1.0,
            ),
            Shown(
                "Who has the say",
                [Query(f"avg by (group, expert) (ewad_expert_weight{{{STREAMS}}})", "{{group}} {{expert}}")],
                wide=8,
                least=0.0,
                most=1.0,
            ),
        ],
    ),
    MODEL_ROW,
    (
        "The daemon",
        [
            Shown(
                "Messages and samples a second",
                [
                    of_daemon("ewad_messages_received_total"),
                    Query(
                        f"sum by (group) (rate(ewad_samples_total{{{STREAMS}}}{RATE}))", "samples {{group}}"
                    ),
                    Query(
                        f"sum by (instance) (rate(ewad_samples_ahead_total{{{DAEMON}}}{RATE}))",
                        "samples at their arrival {{instance}}",
                    ),
                ],
                "Messages received by each daemon, samples accepted in each group, and of these the ones that"
                " count at their arrival because their time was too far ahead.",
                wide=8,
            ),
            Shown(
                "Rejected by reason",
                [of_daemon("ewad_messages_rejected_total", "reason")],
                "Messages or samples a second that were not used.",
                wide=8,
            ),
            Shown(
                "Connected",
                [Query(f"ewad_mqtt_connected{{{DAEMON}}}", "{{instance}}")],
                "Whether the broker is connected.",
                wide=4,
                states=("no", "yes"),
            ),
            Shown(
                "Connections after the first",
                [Query(f"increase(ewad_mqtt_reconnects_total{{{DAEMON}}}{RATE})", "{{instance}}")],
                "How often the connection to the broker was lost and made again.",
                wide=4,
            ),
            Shown(
                "Time for what waited",
                [quantile("ewad_observe_seconds", share) for share in (0.5, 0.99)],
                "Time to average, forecast and learn from all that waited for a commit.",
                unit="s",
            ),
            Shown(
                "Streams, refused and forgotten",
                [
                    Query(f"ewad_streams{{{DAEMON}}}", "{{instance}}"),
                    Query(f"increase(ewad_streams_refused_total{{{DAEMON}}}{RATE})", "refused {{instance}}"),
                    Query(
                        f"increase(ewad_streams_forgotten_total{{{DAEMON}}}{RATE})", "forgotten {{instance}}"
                    ),
                ],
                "Streams known, those past limits.max_streams, and those forgotten after long silence.",
            ),
        ],
    ),
]

AHEAD = f'{STREAMS},horizon="$horizon"'
AT_BETA = f'{STREAMS},beta="$beta"'
DEVIATION = f"ewad_smoothed_stddev{{{AT_BETA}}}"
ONE_STREAM = [
    (
        "Value and forecast",
        [
            Shown(
                "The forecast where it comes true",
                [
                    by_stream("ewad_value", "value"),
                    Query(f"ewad_forecast_value{{{AHEAD}}} offset ${{ahead}}s", "forecast"),
                    Query(f"ewad_forecast_lower_value{{{AHEAD}}} offset ${{ahead}}s", "lower"),
                    Query(f"ewad_forecast_upper_value{{{AHEAD}}} offset ${{ahead}}s", "upper"),
                ],
                "The value, and what had been forecast for it: forecasts are shifted by as long as they"
                " looked ahead, which is the horizon in typical intervals between samples.",
                wide=24,
                high=11,
                bands=[("upper", "lower")],
            ),
            Shown(
                "Smoothed, and a deviation around it",
                [
                    Query(f"ewad_smoothed_value{{{AT_BETA}}}", "smoothed"),
                    by_stream("ewad_value", "value"),
                    Query(f"ewad_smoothed_value{{{AT_BETA}}} - {DEVIATION}", "one deviation below"),
                    Query(f"ewad_smoothed_value{{{AT_BETA}}} + {DEVIATION}", "one deviation above"),
                ],
                bands=[("one deviation above", "one deviation below")],
            ),
            Shown("All averages", [by_stream("ewad_smoothed_value", "beta {{beta}}")]),
        ],
    ),
    (
        "How good the forecasts are",
        [
            Shown("Skill", [by_stream("ewad_forecast_skill_ratio", "{{horizon}} ahead")], wide=8),
            Shown(
                "Values inside their intervals",
                [by_stream("ewad_forecast_coverage_ratio", "{{horizon}} ahead")],
                wide=8,
                least=0.0,
                most=1.0,
            ),
            Shown("Anomaly score", [by_stream("ewad_anomaly_score", "score")], wide=8, least=0.0),
            Shown("Reasons of anomalies", [by_stream("ewad_anomaly_reason", "{{part}}")], wide=12, high=6),
            Shown(
                "Anomalous, and stuck",
                [by_stream("ewad_anomaly", "anomaly"), by_stream("ewad_stream_stuck", "stuck")],
                "Whether the stream is in an anomaly, and whether it reports the same value for too long.",
                high=6,
                states=("no", "yes"),
            ),
            Shown(
                "Time to thresholds",
                [
                    by_stream("ewad_threshold_seconds", "{{threshold}}"),
                    by_stream("ewad_threshold_earliest_seconds", "{{threshold}}, earliest"),
                    by_stream("ewad_threshold_latest_seconds", "{{threshold}}, latest"),
                ],
                "In how long the forecasts cross a threshold, with the bounds of the interval.",
                high=6,
                least=0.0,
            ),
            Shown(
                "Anomalous streams of the group",
                [Query(f"ewad_anomalous_streams{{{GROUPS}}}", "{{group}}")],
                high=6,
                least=0.0,
            ),
            Shown(
                "Who has the say",
                [Query(f"ewad_expert_weight{{{AHEAD}}}", "{{expert}}")],
                wide=12,
                least=0.0,
                most=1.0,
            ),
            Shown(
                "All forecasts as they are made",
                [
                    by_stream("ewad_forecast_value", "{{horizon}} ahead"),
                    by_stream("ewad_forecast_lower_value", "{{horizon}} ahead, lower"),
                    by_stream("ewad_forecast_upper_value", "{{horizon}} ahead, upper"),
                ],
            ),
        ],
    ),
    MODEL_ROW,
    (
        "Samples",
        [
            Shown(
                "Samples a second",
                [Query(f"rate(ewad_samples_total{{{STREAMS}}}{RATE})", "{{stream}}")],
            ),
            Shown(
                "Seconds since the last sample",
                [Query(f"time() - ewad_last_sample_timestamp_seconds{{{STREAMS}}}", "{{stream}}")],
                "How long ago the last sample was.",
            ),
        ],
    ),
]


def further(rows: Sequence[tuple[str, Sequence[Shown]]]) -> list[Shown]:
    """Return a panel for each quantity that none of the rows shows."""
    text = " ".join(query.expression for _, row in rows for shown in row for query in shown.queries)
    shown = set(re.findall(r"ewad_\w+", text))
    return [
        Shown(
            quantity.metric.removeprefix("ewad_").replace("_", " ").capitalize(),
            [
                Query(
                    f"rate({quantity.metric}{{{selector}}}{RATE})"
                    if quantity.kind == "counter"
                    else f"{quantity.metric}{{{selector}}}"
                )
            ],
            wide=8,
        )
        for quantity in QUANTITIES
        if quantity.metric not in shown
        for selector in [MODELS if quantity.of_models else STREAMS]
    ]
