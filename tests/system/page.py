"""A daemon's page over real sockets with a wave in it, opened in a real browser."""

from contextlib import asynccontextmanager

import aiohttp
import numpy as np

from ewad.engine import ByCount, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.numeric.crossing import Threshold
from tests import npm
from tests.outputs.engines import feed
from tests.outputs.http.test_api import HOSTILE, World
from tests.system.browser import browser, require_chromium

WAVE = 20.0 + np.sin(np.arange(200.0) / 4.0)
OFFICE = "#stream=site%2Foffice%2Ftemperature&group=temperature"
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
DRAWN = "document.querySelector('.legend')?.innerText.includes('forecast ahead')"


def require_page():
    """Skip the test where the browser or the library of charts is missing."""
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
