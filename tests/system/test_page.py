"""The live page in a real browser: it shows what the API says, asks no other host, and keeps text text."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest

from ewad.engine import ByCount, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.numeric.crossing import Threshold
from tests import npm
from tests.outputs.engines import feed
from tests.outputs.http.test_api import HOSTILE, World
from tests.system.browser import browser, require_chromium

pytestmark = pytest.mark.system

WAVE = 20.0 + np.sin(np.arange(200.0) / 4.0)
AXE = "axe-core@4.14.1"  # rules for accessibility, by Deque; only this test has them
AXE_SHA512 = (
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73"
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
)
# What the chart says of its points under the crosshair.
READOUT = "document.querySelector('.readout').innerText"
# Keeps what uPlot is asked to draw.
CATCH = """{ let own; window.plots = [];
  const construct = (of, given) => { const made = new of(...given); plots.push(made); return made; };
  const set = (of) => { own = new Proxy(of, { construct }); };
  Object.defineProperty(window, "uPlot", { get: () => own, set });
}"""
PLOT = "plots.findLast((each) => document.querySelector('.chart').contains(each.root))"
VIEW = f"(({{ min, max }}) => [min, max])({PLOT}.scales.x)"
READY = "document.querySelectorAll('tbody tr').length"


@pytest.fixture(autouse=True)
def _chromium():
    require_chromium()
    npm.require_uplot()


def wave_engine():
    """One stream with a model and one without, one with a name that would do harm."""
    model = auto("auto", horizons=(1, 6))
    engine = Engine(
        [
            GroupSettings(
                "temperature",
                (ByCount(0.9), ByCount(0.98)),
                model=model,
                thresholds=(Threshold("hot", True, 20.7),),
            ),
            GroupSettings("wind", (ByCount(0.9),)),
        ]
    )
    engine.add_stream(0, "site/office/temperature", (("room", "office"),))
    feed(engine, 1, HOSTILE, [3.0, 4.0])
    return engine


@asynccontextmanager
async def opened(fragment="", width=1200, height=900):
    """Serve a world with a wave in it, and open its page."""
    async with World(wave_engine(), ["celsius", None]) as world, browser() as page:
        world.observe(WAVE)
        await page.call("Page.enable")
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=CATCH)
        await page.open(f"{world.url}/{fragment}", width, height)
        yield world, page
        assert page.complaints == []
        assert {address for address in page.requests if not address.startswith(world.url)} == set()


async def rows(page):
    return await page.evaluate(
        "[...document.querySelectorAll('tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.innerText))"
    )


async def test_the_list_shows_what_the_api_says_and_follows_it():
    async with opened() as (world, page):
        await page.until(f"{READY} === 2")
        told = {row[0].split("\n")[0]: row for row in await rows(page)}
        office = told["site/office/temperature"]
        assert office[2] == f"{WAVE[-1]:.2f} °C"
        assert office[5].endswith((" better", " worse", " good"))
        world.observe([25.25], at=2000.0)
        await page.until(
            "document.querySelector('[data-name=value]').closest('table').innerText.includes('25.25 °C')"
        )


async def test_a_name_that_looks_like_markup_stays_text():
    async with opened() as (_, page):
        await page.until(f"{READY} === 2")
        assert await page.evaluate("document.querySelectorAll('main script').length") == 0
        names = await page.evaluate(
            "[...document.querySelectorAll('a.name')].map((each) => each.textContent)"
        )
        assert HOSTILE in names
        await page.evaluate(f"[...document.querySelectorAll('a.name')][{names.index(HOSTILE)}].click()")
        await page.until("document.querySelector('h2')?.textContent.includes('<script>')")
        await page.until("document.querySelector('dl.facts')?.innerText.includes('Last seen')")


async def test_a_stream_is_drawn_and_told_by_the_apis_numbers():
    fragment = "#stream=site%2Foffice%2Ftemperature&group=temperature"
    async with opened(fragment) as (world, page):
        facts = await page.until("document.querySelector('dl.facts')?.innerText")
        assert "200" in facts
        assert await page.evaluate("document.querySelector('.value').innerText") == f"{WAVE[-1]:.2f} °C"
        told = await page.evaluate("document.querySelector('.story').innerText")
        (far,) = [each["value"] for each in await forecasts(world) if each["horizon"] == 6]
        assert f"6 samples ahead it is expected at {far:.2f} °C" in told
        legend = await page.until("document.querySelector('.legend')?.innerText")
        for name in ("value", "smoothed 0.9", "smoothed 0.98", "forecast for it", "forecast ahead"):
            assert name in legend
        label = await page.evaluate("document.querySelector('.chart').getAttribute('aria-label')")
        assert "200 points in 3 min" in label
        # the chart says what it draws where it is asked: two horizons before its end the last value
        await press(page, "ArrowRight", "ArrowLeft", "ArrowLeft")
        await page.until(f"{READOUT}.startsWith('value {WAVE[-1]:.2f} °C')")
        drawn = await page.evaluate(
            "(() => { const c = document.querySelector('canvas'), d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; let n = 0;"
            " for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()"
        )
        assert drawn > 5000
        world.observe([31.5], at=2000.0)
        await page.until("document.querySelector('.value').innerText === '31.50 °C'")


async def press(page, *keys, chart=".chart"):
    """Press keys where a chart has the focus."""
    await page.evaluate(f"document.querySelector('{chart}').focus()")
    for key in keys:
        await page.call("Input.dispatchKeyEvent", type="keyDown", key=key)


async def of_office(world, rest):
    """Return what the API has of the office's stream."""
    url = f"{world.url}/api/v1/streams/site%2Foffice%2Ftemperature{rest}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.json()


async def forecasts(world):
    return (await of_office(world, "/forecast"))["forecast"]


OFFICE = "#stream=site%2Foffice%2Ftemperature&group=temperature"
DRAWN = "document.querySelector('.legend')?.innerText.includes('forecast ahead')"


async def test_what_is_drawn_is_what_the_api_says():
    """Each line and each edge of a band, number by number: the past, then what is ahead; null is a gap."""
    async with opened(OFFICE) as (world, page):
        await page.until(DRAWN)
        past, ahead = await of_office(world, "/history?points=240"), await forecasts(world)
        time, *edges = await page.evaluate(
            f"{PLOT}.data.map((column) => [...column].map((each) => each === undefined ? 'none' : each))"
        )
        labels = await page.evaluate(f"{PLOT}.series.slice(5).map((each) => each.label)")
        drawn = dict(zip(labels, edges[4:], strict=True))
        n, none = len(past["time"]), ["none"] * len(ahead)
        assert time == past["time"] + [each["time"] for each in ahead]
        for label, values in (
            ("value", past["value"]),
            ("smoothed 0.9", past["smoothed"]["0.9"]),
            ("smoothed 0.98", past["smoothed"]["0.98"]),
            ("forecast for it", past["forecast"]),
        ):
            assert drawn[label] == values + none, label
        assert edges[:2] == [past[key] + none for key in ("lower", "upper")]
        for values, key in ((edges[2], "lower"), (edges[3], "upper"), (drawn["forecast ahead"], "value")):
            assert values == ["none"] * (n - 1) + [past["value"][-1]] + [each[key] for each in ahead], key
        outside = [
            value if low is not None and not low <= value <= high else None
            for value, low, high in zip(past["value"], past["lower"], past["upper"], strict=True)
        ]
        assert drawn["outside its interval"] == outside + none
        assert await page.evaluate(f"{PLOT}.bands.map((each) => each.series)") == [[2, 1], [4, 3]]


async def test_the_chart_is_zoomed_and_moved_by_mouse_keys_buttons_and_fingers():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        box = await page.evaluate(
            f"(({{ x, y, width }}) => [x, y, width])({PLOT}.over.getBoundingClientRect())"
        )
        whole = low, high = await page.evaluate(VIEW)

        def at(share):
            return box[0] + share * box[2]

        def is_about(*shares):
            expected = [low + share * (high - low) for share in shares]
            slack = 0.01 * (high - low)
            return f"{VIEW}.every((each, i) => Math.abs(each - {expected}[i]) < {slack})"

        async def mouse(kind, share, **more):
            given = {"x": at(share), "y": box[1] + 50, "button": "left", "clickCount": 1} | more
            await page.call("Input.dispatchMouseEvent", type=kind, **given)

        async def touch(kind, *shares):
            points = [{"x": at(share), "y": box[1] + 50, "id": i} for i, share in enumerate(shares)]
            await page.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

        await mouse("mousePressed", 0.25)
        await mouse("mouseMoved", 0.75)
        await mouse("mouseReleased", 0.75)
        await page.until(is_about(0.25, 0.75))
        await press(page, "PageDown")
        await page.until(is_about(0.5, 1.0))
        await page.evaluate("document.querySelector('[aria-label=Earlier]').click()")
        await page.until(is_about(0.25, 0.75))
        await press(page, "Escape")  # else it is the crosshair that stays where it is
        await page.evaluate("document.querySelector('[aria-label=Farther]').click()")
        await page.until(is_about(0.0, 1.0))
        await mouse("mouseWheel", 0.5, deltaX=0, deltaY=-100, modifiers=2)  # with the key Control
        await page.until(is_about(0.1, 0.9))
        for count in (1, 2):
            await mouse("mousePressed", 0.5, clickCount=count)
            await mouse("mouseReleased", 0.5, clickCount=count)
        await page.until(f"{VIEW}.every((each, i) => each === {whole}[i])")
        await touch("touchStart", 0.4, 0.6)
        await touch("touchMove", 0.3, 0.7)  # what was at 0.4 and 0.6 is there now
        await page.until(is_about(0.25, 0.75))
        await touch("touchEnd")
        await press(page, "Home")
        await page.until(f"{VIEW}.every((each, i) => each === {whole}[i])")


async def test_a_point_that_is_walked_to_comes_into_view():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        await press(page, *["+"] * 12)
        _, high = await page.evaluate(VIEW)
        await press(page, "ArrowRight")
        await page.until(f"{READOUT}.startsWith('forecast ahead ')")
        assert (await page.evaluate(VIEW))[1] > high


async def test_times_are_local_with_the_date_where_it_changes_and_none_is_cut():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        low, high = await page.evaluate(VIEW)
        ticks = [low + 60, low + 120, high]
        for step, seconds in ((1, ", second: '2-digit'"), (60, "")):
            said = await page.evaluate(f"({PLOT}.axes[0].values({PLOT}, {ticks}, 0, 100, {step}))")
            first, second, date = await page.evaluate(
                f"[...{ticks[:2]}.map((each) => new Date(1000 * each).toLocaleTimeString('en-GB', "
                f"{{ hour: '2-digit', minute: '2-digit'{seconds} }})), new Date({1000 * ticks[0]})"
                ".toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })]"
            )
            assert said == [f"{first}\n{date}", second, ""]


async def test_a_point_alone_between_gaps_is_drawn_for_no_line_reaches_it():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        given = "{ data: { 5: [1, null, 3, null, 5, 6, undefined] } }"
        assert await page.evaluate(f"{PLOT}.series[5].points.filter({given}, 5, false)") == [0, 2]


async def test_a_name_out_of_the_legend_is_drawn_no_more():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        await page.evaluate("document.querySelectorAll('.legend button')[1].click()")
        labels = f"{PLOT}.series.map((each) => each.label)"
        await page.until(f"!{labels}.includes('smoothed 0.9') && {labels}.includes('smoothed 0.98')")
        await page.evaluate("document.querySelectorAll('.legend button')[1].click()")
        await page.until(f"{labels}.includes('smoothed 0.9')")


async def test_without_its_library_the_chart_says_what_is_missing_and_the_numbers_stay():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        await page.call("Network.setBlockedURLs", urls=["*uPlot*"])
        await page.call("Page.reload", ignoreCache=True)
        said = await page.until("document.querySelector('.chart .empty')?.innerText")
        assert "make page" in said
        await page.until("document.querySelector('dl.facts')?.innerText.includes('Last seen')")
        page.complaints.clear()  # the browser's own words about what is blocked


async def test_the_forecast_is_drawn_beyond_now():
    fragment = "#stream=site%2Foffice%2Ftemperature&group=temperature"
    async with opened(fragment) as (world, page):
        await page.until("document.querySelector('.legend')?.innerText.includes('forecast ahead')")
        ahead = await forecasts(world)
        await press(page, "ArrowRight")
        await page.until(f"{READOUT}.startsWith('forecast ahead {ahead[-1]['value']:.2f} °C, at ')")


LABEL = (
    "[...document.querySelectorAll('.chart')].filter((each) => each.clientHeight)"
    ".map((each) => each.getAttribute('aria-label')).find((text) => text?.startsWith('Chart: {}'))"
)


async def test_how_a_model_learned_is_drawn_from_the_streams_first_sample_on():
    """Before the page was opened: its first chart has what the API has kept since then."""
    async with World(wave_engine(), ["celsius", None]) as world, browser() as page:
        for start in range(0, 200, 20):
            world.observe(WAVE[start : start + 20], at=1000.0 + start)
            world.server.learning.look(world.engine, world.history.watched)
        await page.open(f"{world.url}/#stream=site%2Foffice%2Ftemperature&group=temperature", 1200, 900)
        label = await page.until(LABEL.format("Who had the say"))
        weights = world.engine.groups[0].forecaster.weights()[0, 0]
        experts = world.engine.groups[0].forecaster.settings.experts
        said = dict(part.split(" ", 1) for part in label.split(". ", 1)[1].split(", "))
        assert said == {name: f"{100 * each:.0f} %" for name, each in zip(experts, weights, strict=True)}
        for chart in ("Loss over time", "Learning rate over time", "Values inside their interval"):
            assert await page.until(LABEL.format(chart))
        await press(page, *["ArrowLeft"] * 12, chart=".quarters .chart")
        expected = await page.evaluate("new Date(1019000).toLocaleString('en-GB')")
        await page.until(f"document.querySelector('.quarters .readout').innerText.endsWith({expected!r})")
        assert page.complaints == []


async def test_an_anomaly_is_told_in_words():
    async with opened() as (world, page):
        await page.until(f"{READY} === 2")
        world.observe([80.0], at=2000.0)
        row = "[...document.querySelectorAll('tbody tr')].find((each) => each.innerText.includes('office'))"
        cell = f"{row}.querySelector('td[data-name=anomaly]')"
        await page.until(f"{cell}.className.includes('alarm')")
        url = f"{world.url}/api/v1/streams/site%2Foffice%2Ftemperature"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            now = (await response.json())["now"]
        assert now["anomalous"]
        assert len(now["reasons"]) == 1
        words = await page.evaluate(f"import('/page/text.js').then((t) => t.unusual({json.dumps(now)}))")
        assert await page.evaluate(f"{cell}.innerText") == f"{words}, {now['anomaly']:.2f}"
        assert "_" not in words
        await page.evaluate(f"{row}.querySelector('a.name').click()")
        await page.until(f"document.querySelector('.story')?.innerText.startsWith('This stream {words}.')")
        legend = "[...document.querySelectorAll('.legend li')].map((each) => each.innerText)"
        assert "anomaly" in await page.until(f"{legend}.length && {legend}")


async def test_a_threshold_is_told_and_when_it_is_crossed():
    async with opened() as (_, page):
        told = {
            "name": "hot",
            "above": True,
            "value": 26.0,
            "time": 1060.0,
            "earliest": 1030.0,
            "latest": None,
        }
        for changes, when in (
            ({}, "expected in 60 s"),
            ({"time": 990.0}, "expected now"),
            ({"time": None}, "not expected, possible in 30 s"),
            ({"time": None, "earliest": None}, "not expected"),
        ):
            given = json.dumps(told | changes)
            script = f"import('/page/text.js').then((t) => t.crossing({given}, 'celsius', 1000))"
            assert await page.evaluate(script) == {"is": "“hot”, above 26 °C", "when": when}


async def test_the_thresholds_of_a_stream_are_lines_across_its_chart():
    fragment = "#stream=site%2Foffice%2Ftemperature&group=temperature"
    async with opened(fragment) as (_, page):
        facts = await page.until("document.querySelector('dl.facts')?.innerText")
        assert "Threshold “hot”, above 20.70 °C" in facts
        # in the colour of marks, drawn from side to side at its value
        lines = await page.until(
            "(() => { const c = document.querySelector('canvas'), d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data, rows = []; for (let y = 0; y < c.height; y += 1) {"
            " let n = 0; for (let x = 0; x < c.width; x += 1) { const i = 4 * (y * c.width + x);"
            " n += d[i] - d[i + 1] > 60 && d[i + 3] > 60; } if (n > c.width / 3) rows.push(y); }"
            " return rows.length && rows; })()"
        )
        assert len(lines) <= 2


async def test_health_tells_an_example_of_each_rejection():
    async with opened("#health") as (_, page):
        row = await page.until(
            "(() => { const row = document.querySelector('tbody tr');"
            " return row && [...row.cells].map((cell) => cell.innerText); })()"
        )
        current = await page.evaluate("document.querySelector('nav [aria-current=page]').innerText")
        assert current == "Health"
        assert row == ["too large", "site/<b>hall</b>/?", "temperature", "–", "2"]


async def test_search_and_order_ask_the_api():
    async with opened() as (_, page):
        await page.until(f"{READY} === 2")
        await page.evaluate(
            "(() => { const s = document.querySelector('input'); s.value = 'OFFICE';"
            " s.dispatchEvent(new Event('input')); })()"
        )
        await page.until(f"{READY} === 1")
        assert any("search=OFFICE" in address for address in page.requests)


async def test_the_list_may_be_of_one_group():
    async with opened() as (_, page):
        await page.until(f"{READY} === 2")
        options = await page.until(
            "(() => { const s = document.querySelector('[aria-label=Group]');"
            " return s.hidden ? null : [...s.options].map((each) => each.text); })()"
        )
        assert options[0] == "all groups"
        assert options[2] == "wind: 1"
        await page.evaluate(
            "(() => { const s = document.querySelector('[aria-label=Group]'); s.value = 'wind';"
            " s.dispatchEvent(new Event('change')); })()"
        )
        await page.until(f"{READY} === 1")
        assert (await rows(page))[0][0].endswith("wind")


@pytest.mark.slow
@pytest.mark.parametrize("fragment", ["", "#health", "#stream=site%2Foffice%2Ftemperature&group=temperature"])
async def test_axe_finds_no_fault(tmp_path, fragment):
    package = await asyncio.to_thread(npm.package, AXE, AXE_SHA512, tmp_path)
    script = (package / "axe.min.js").read_text()
    async with opened(fragment) as (_, page):
        await page.until("document.querySelector('main').innerText.length > 40")
        for dark in (False, True):
            await page.dark(dark)
            await page.evaluate(script + "; 1")
            faults = await page.evaluate(
                "axe.run().then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))"
            )
            assert faults == []


@pytest.mark.parametrize("width", [360, 800, 3840])
@pytest.mark.parametrize("fragment", ["", "#health", "#stream=site%2Foffice%2Ftemperature&group=temperature"])
async def test_the_page_fits_its_window(width, fragment):
    async with opened(fragment, width=width) as (_, page):
        await page.until("document.querySelector('main').innerText.length > 40")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_page_says_when_the_daemon_is_gone_and_comes_back():
    async with opened() as (world, page):
        await page.until("document.getElementById('state').className === 'on'")
        port = int(world.url.rsplit(":", 1)[1])
        await world.server.stop()
        await page.until("document.getElementById('state').innerText.includes('does not answer')")
        world.server._listen = ("127.0.0.1", port)
        await world.server.start()
        await page.until("document.getElementById('state').className === 'on'")
        page.complaints.clear()  # the browser's own words about refused connections


async def test_the_words_for_numbers_are_right():
    async with opened() as (_, page):
        said = await page.evaluate(
            "import('/page/text.js').then((t) => ["
            "t.number(null), t.number(0.12345), t.number(1234567.8), t.number(21.456, 'celsius'),"
            "t.number(1e-7),"
            "t.worth(0.234), t.worth(-0.05), t.worth(0.001), t.worth(null),"
            "t.ago(1000, 1000.5), t.ago(1000, 1061), t.ago(1000, 1000 + 7200), t.window('0.9'),"
            "t.sparkline([1, null, 2, 3], 30, 10).line, t.number(23.5), t.worthAlone(0.234),"
            "t.worthAlone(0), t.unusual({anomalous: true, reasons: ['level'], stuck: true}),"
            "t.sparkline([1, 2, 3], 30, 10, [{horizon: 1, value: 3, lower: 2, upper: 5}])])"
        )
        assert said == [
            *("–", "0.123", "1,234,568", "21.46 °C", "1.000e-7"),
            "23 % better than “nothing changes”",
            "5 % worse than “nothing changes”",
            "as good as “nothing changes”",
            "not known yet",
            *("now", "61 s ago", "2 h ago", "about 10 samples"),
            *(
                "M0.0 10.0M20.0 5.0L30.0 0.0",
                "23.50",
                "23 % better",
                "as good",
                "has another level, and is stuck",
            ),
            {
                "line": "M0.0 10.0L10.0 7.5L20.0 5.0",
                "path": "M20.0 5.0L30.0 5.0",
                "fan": "M20.0 5.0L30.0 0.0L30.0 7.5Z",
            },
        ]


async def test_averages_without_bias_correction_start_at_zero():
    async with opened() as (_, page):
        beta = 0.5
        corrected = [1.0, 1.0, 1.0]
        raw = await page.evaluate(
            f"import('/page/text.js').then((t) => t.uncorrected({corrected}, {beta}, 3))"
        )
        assert raw == [0.5, 0.75, 0.875]


async def test_dark_and_light_are_both_readable():
    async with opened() as (_, page):
        await page.until(f"{READY} === 2")
        for dark in (False, True):
            await page.dark(dark)
            ink, ground = await page.evaluate(
                "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
            )
            assert contrast(ink, ground) > 7.0


def contrast(one, other):
    """Return the contrast of two colours. Source: WCAG 2.2, relative luminance."""
    light = sorted((luminance(one), luminance(other)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(colour):
    channels = [int(part) / 255 for part in colour.split("(")[1].rstrip(")").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
