"""The page's charts in a real browser: what is drawn is what the API says, and how one moves in it."""

import pytest

from tests.outputs.http.test_api import World
from tests.system.browser import browser
from tests.system.page import (
    DRAWN,
    OFFICE,
    PLOT,
    READOUT,
    VIEW,
    WAVE,
    forecasts,
    of_office,
    opened,
    press,
    require_page,
    wave_engine,
)

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def _page():
    require_page()


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


async def test_a_stream_is_drawn_and_told_by_the_apis_numbers():
    async with opened(OFFICE) as (world, page):
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


async def test_the_forecast_is_drawn_beyond_now():
    async with opened(OFFICE) as (world, page):
        await page.until("document.querySelector('.legend')?.innerText.includes('forecast ahead')")
        ahead = await forecasts(world)
        await press(page, "ArrowRight")
        await page.until(f"{READOUT}.startsWith('forecast ahead {ahead[-1]['value']:.2f} °C, at ')")


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


async def test_it_is_zoomed_no_closer_and_no_farther_than_there_is_something_to_see():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        low, high = await page.evaluate(VIEW)
        await press(page, *["-"] * 60)
        widest = await page.evaluate(VIEW)
        assert 10 * (high - low) < widest[1] - widest[0] < 100 * (high - low)
        await press(page, "Home", *["+"] * 120)
        closest = await page.evaluate(VIEW)
        assert 0.001 < closest[1] - closest[0] < 0.002


async def test_what_comes_is_drawn_and_the_crosshair_stays_at_its_time():
    async with opened(OFFICE) as (world, page):
        await page.until(DRAWN)
        await press(page, "ArrowRight", "ArrowLeft", "ArrowLeft")
        said = f"{READOUT}.startsWith('value {WAVE[-1]:.2f} °C') && {READOUT}.split(', at ')[1]"
        at = await page.until(said)
        world.observe([21.25], at=1200.0)
        await page.until(f"{PLOT}.data[0].includes(1200) && {PLOT}.data[5].includes(21.25)")
        assert await page.evaluate(said) == at


async def test_it_is_drawn_anew_in_the_colours_of_the_night():
    async with opened(OFFICE) as (_, page):
        await page.until(DRAWN)
        picture = "document.querySelector('canvas').toDataURL()"
        light = await page.evaluate(picture)
        await page.dark()
        await page.until(f"{picture} !== {light!r}")


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


async def test_the_thresholds_of_a_stream_are_lines_across_its_chart():
    async with opened(OFFICE) as (_, page):
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
