import base64
import hashlib
import math
import re
from html.parser import HTMLParser

import numpy as np

from ewad.engine import Batch
from ewad.outputs.http import landing
from ewad.outputs.prometheus.exposition import Exposition
from tests.outputs.engines import feed, mixture_engine, model_engine, smoothing_engine, wide_engine


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def rows_of(engine, now=0.0, stale_after=math.inf):
    exposition = Exposition(engine, [stale_after] * len(engine.groups))
    return landing.first_rows(engine, lambda group: exposition.shown(group, now))


def page(engine, *, connected=True, not_ready=None, version="1.2.3"):
    rows = rows_of(engine)
    return landing.render(version, engine.n_streams, connected, not_ready, rows)


def test_the_page_links_to_the_other_addresses_and_to_nothing_outside():
    tags = Page(page(smoothing_engine())).tags
    links = [attributes["href"] for _, attributes in tags if "href" in attributes]
    assert links == ["/metrics", "/healthz", "/readyz"]
    assert not {tag for tag, _ in tags} & {"script", "img", "link", "iframe"}


def test_the_page_says_version_streams_and_connection():
    text = page(wide_engine(1234))
    assert "1.2.3" in text
    assert "1,234 streams" in text
    assert ">connected<" in text
    assert ">not connected<" in page(smoothing_engine(), connected=False)


def test_the_page_says_why_ewad_is_not_ready():
    assert "Not ready: no &lt;broker&gt;" in page(smoothing_engine(), not_ready="no <broker>")


def test_value_average_and_forecast_of_a_stream_are_shown():
    engine = model_engine("group")
    group = engine.groups[0]
    a, b = rows_of(engine)
    assert (a.group, a.stream, a.value) == ("temperature", "a", group.value[0])
    assert a.smoothed == group.averages[0].mean[0]
    assert a.forecast == group.forecaster.forecast[0, 0]
    assert landing._number(b.forecast) == "–"


def test_a_forecast_is_shown_with_its_interval_and_its_skill():
    engine = mixture_engine()
    forecaster = engine.groups[0].forecaster
    a, b = rows_of(engine)
    assert (a.horizon, a.forecast) == (1, forecaster.forecast[0, 0])
    assert (a.lower, a.upper) == (forecaster.lower[0, 0], forecaster.upper[0, 0])
    assert a.skill == forecaster.skill()[0, 0]
    assert math.isnan(b.skill)
    texts = [text for text in Page(page(engine)).texts if text.strip()]
    at = texts.index("skill")
    assert texts[at - 3 : at + 1] == ["ahead", "forecast", "interval", "skill"]
    assert f"{a.lower:.6g} to {a.upper:.6g}" in texts
    assert f"{a.skill:z.2f}" in texts
    assert texts[-6:] == ["20", "20", "1", "–", "–", "–"]
    assert "skill" not in Page(page(smoothing_engine())).texts


def test_a_stream_without_series_in_the_metrics_is_not_shown_either():
    engine = smoothing_engine()
    engine.add_stream(0, "silent", ())
    assert rows_of(engine) == []
    engine.observe(Batch(0, np.zeros(1, np.int32), np.array([5.0]), np.array([1.0]), arrival=100.0))
    assert [row.stream for row in rows_of(engine, now=109.0, stale_after=10.0)] == ["silent"]
    assert rows_of(engine, now=111.0, stale_after=10.0) == []


def test_the_first_twenty_streams_are_shown_over_all_groups():
    engine = smoothing_engine("one", "two", "three")
    for index in range(30):
        feed(engine, index % 3, str(index), [1.0])
    rows = rows_of(engine)
    assert len(rows) == landing.ROWS
    assert [row.group for row in rows] == ["one"] * 10 + ["two"] * 10
    assert "and 10 more in /metrics" in page(engine)


def test_hostile_names_are_text_not_markup():
    engine = smoothing_engine()
    name = "<script>alert('x')</script>\"&\0\x1b\ud800"
    feed(engine, 0, name, [1.0])
    shown = Page(page(engine, version="<b>"))
    assert "script" not in {tag for tag, _ in shown.tags}
    assert any("<script>alert('x')</script>" in text for text in shown.texts)


def test_the_policy_allows_this_style_and_nothing_else():
    style = re.search("<style>(.*)</style>", page(smoothing_engine()), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = landing.HEADERS["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
