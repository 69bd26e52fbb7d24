"""The page that a replay or a training leaves, opened from a disk in a real browser: it has their results."""

import csv
import json

import numpy as np
import pytest

from tests import npm
from tests.console import ewad
from tests.system.browser import browser, require_chromium
from tests.system.daemon import failed

pytestmark = pytest.mark.system

HOUR = 3600.0
N = 400


@pytest.fixture(autouse=True)
def _chromium():
    require_chromium()
    npm.require_uplot()


@pytest.fixture
def series(tmp_path):
    """A day's season with noise, and a name that would do harm."""
    rng = np.random.default_rng(1)
    hour = np.arange(N)
    value = 20.0 + 5.0 * np.sin(2.0 * np.pi * hour / 24.0) + rng.normal(0.0, 0.5, N)
    path = tmp_path / "week.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "office</script><b>"])
        writer.writerows(zip((1.7e9 + HOUR * hour).tolist(), np.round(value, 3).tolist(), strict=True))
    return path


@pytest.fixture
def replayed(series, tmp_path):
    """Return what a replay prints that leaves its page and its results."""
    options = ("--model", "auto", "--horizons", "1,3", "--report-json")
    return ewad("replay", series, "--html", "out.html", "-o", "results.csv", *options, cwd=tmp_path).stdout


async def pointed(page, back):
    """Return what the chart says of its points so many steps before its end, by the names of its series."""
    await page.evaluate("document.querySelector('.chart').focus()")
    await page.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    for _ in range(back + 1):
        await page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft")
    said = await page.until(
        "[document.querySelector('.readout').innerText].find((text) => text.includes(', at '))"
    )
    parts = said.rsplit(", at ", 1)[0].split(", ")
    return {name: float(number) for name, number in (part.rsplit(" ", 1) for part in parts)}


async def test_a_replays_page_shows_its_results_and_its_report(replayed, tmp_path):
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    async with browser() as page:
        await page.open((tmp_path / "out.html").as_uri())
        await page.until("document.querySelectorAll('canvas').length === 1")
        heads = await page.evaluate("[...document.querySelectorAll('h3')].map((each) => each.innerText)")
        assert rows[0]["stream"] in heads
        # two horizons are forecast; before them is the last row, and what had been forecast for it
        told = await pointed(page, 2)
        last, before = rows[-1], rows[-2]
        for name, number in (
            ("value", last["value"]),
            ("smoothed 0.9", last["smoothed_0.9"]),
            ("forecast for it", before["forecast_1"]),
        ):
            assert told[name] == pytest.approx(float(number), abs=0.006), name
        told = await pointed(page, 0)
        assert told["forecast ahead"] == pytest.approx(float(last["forecast_3"]), abs=0.006)
        await page.evaluate(
            "(() => { const s = document.querySelector('select'); s.value = '3';"
            " s.dispatchEvent(new Event('change')); })()"
        )
        told = await pointed(page, 2)
        assert told["forecast for it"] == pytest.approx(float(rows[-4]["forecast_3"]), abs=0.006)

        (report,) = json.loads(replayed)
        table = await page.evaluate(
            "[...document.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((c) => c.innerText))"
        )
        for row, score in zip(table, report["scores"], strict=True):
            assert row[1] == str(score["horizon"])
            assert float(row[3]) == pytest.approx(score["mse"], rel=0.01)
            assert (
                row[6] == f"{abs(100 * score['skill']):.0f} % {'better' if score['skill'] > 0 else 'worse'}"
            )
            assert row[8] == f"{100 * score['coverage']:.1f} %"
        assert await page.evaluate("document.querySelectorAll('main b').length") == 0
        assert page.complaints == []
        assert {address for address in page.requests if not address.startswith("file:")} == set()
        await page.resize(360, 800)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_a_trainings_page_shows_the_costs_of_each_epoch(series, tmp_path):
    ewad("train", series, "--optimizer", "adam,momentum", "--epochs", "4", "--html", "t.html", cwd=tmp_path)
    async with browser() as page:
        await page.open((tmp_path / "t.html").as_uri())
        await page.until("document.querySelectorAll('canvas').length === 2")
        rows = await page.evaluate(
            "[...document.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((c) => c.innerText))"
        )
        assert [row[0] for row in rows] == ["adam", "momentum", "nothing changes"]
        costs = json.loads(await page.evaluate("document.getElementById('data').textContent"))["costs"]
        told = await pointed(page, 0)
        for curve in costs["curves"]:
            assert len(curve["train"]) == 4
            assert told[curve["optimizer"]] == pytest.approx(curve["train"][-1], abs=0.006)
        assert told["nothing changes"] == pytest.approx(costs["persistence"]["train"], abs=0.006)
        assert page.complaints == []
        assert {address for address in page.requests if not address.startswith("file:")} == set()


def test_a_page_needs_the_name_of_one(series, tmp_path):
    said = failed(ewad("replay", series, "--html", "out.pdf", cwd=tmp_path), 2)
    assert "--html out.pdf: expected a name that ends in .html" in said
