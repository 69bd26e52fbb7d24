"""The live page in a real browser: it shows what the API says, asks no other host, and keeps text text."""

import asyncio
import json

import aiohttp
import numpy as np
import pytest

from tests import npm
from tests.outputs.http.test_api import HOSTILE
from tests.system.page import OFFICE, WAVE, opened, require_page

pytestmark = pytest.mark.system

AXE = "axe-core@4.14.1"  # rules for accessibility, by Deque; only this test has them
AXE_SHA512 = (
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73"
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
)
READY = "document.querySelectorAll('tbody tr').length"


@pytest.fixture(autouse=True)
def _page():
    require_page()


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
@pytest.mark.parametrize("fragment", ["", "#health", OFFICE])
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
@pytest.mark.parametrize("fragment", ["", "#health", OFFICE])
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
