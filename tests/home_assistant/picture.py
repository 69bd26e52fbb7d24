"""Draw ewad in a real Home Assistant, for the README: python -m tests.home_assistant.picture FOLDER."""

import asyncio
import csv
import json
import sys
import tempfile
import time
from pathlib import Path

from ewad.demonstration.browser import browser
from ewad.demonstration.samples import sample_path
from tests.home_assistant import hass
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.publisher import publish

SAMPLES, EVERY_SECONDS = 520, 300  # of each room, the last one now
SETTINGS = """
[[stream]]
name = "temperature"
topic = "site/{room}/temperature"
format = "json"
field = "v"
time_field = "ts"
unit = "fahrenheit"
beta = [0.9]
model = "auto"

[model.auto]
horizons = [1, 24]
interval = 0.9

[publish]
topic = "ewad/{stream}"
availability_topic = "ewad/there"
home_assistant = true
"""
# all text of the page, through the roots that its elements hide
TEXT = """((root) => {
  const told = (node) => node.nodeType === 3 ? node.data + "\\n"
    : [...(node.shadowRoot ? [node.shadowRoot] : []), ...node.childNodes].map(told).join("");
  return told(root);
})(document.body)"""

# whether every icon has been fetched and drawn
ICONS = """((root) => {
  const within = (node) => [...(node.shadowRoot?.children ?? []), ...(node.children ?? [])].flatMap(icons);
  const icons = (node) => [...(node.localName === "ha-svg-icon" ? [node] : []), ...within(node)];
  const found = icons(root);
  return found.length > 20 && found.every((icon) => icon.path);
})(document.body)"""


async def draw(home: hass.HomeAssistant, path: Path) -> None:
    """Draw the first page of a Home Assistant, once it shows temperatures."""
    url = f"http://127.0.0.1:{home.port}"
    tokens = {
        "access_token": home.token,
        "token_type": "Bearer",
        "expires_in": 1800,
        "expires": (time.time() + 1800) * 1000,
        "hassUrl": url,
        "clientId": f"{url}/",
        "refresh_token": "",
    }
    async with browser() as tab:
        await tab.open(f"{url}/manifest.json", 1100, 760)
        await tab.evaluate(f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})")
        await tab.open(f"{url}/lovelace/0", 1100, 760)
        await tab.until(f"{TEXT}.split('°C').length > 12", seconds=120.0)
        await tab.until(ICONS, seconds=120.0)
        await asyncio.to_thread(path.write_bytes, await tab.screenshot())
        away = [each for each in tab.requests if not each.startswith((url, "data:", "blob:", "about:"))]
        assert not away, away


def main() -> None:
    """Feed a daemon with the sample temperatures, and draw what Home Assistant shows of it."""
    folder = Path(sys.argv[1])
    with sample_path("ambient_temperature.csv").open() as file:
        values = [row[1] for row in list(csv.reader(file))[1:]]
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto.running(Path(name, "broker")) as broker,
        hass.running(Path(name, "home"), broker.port, frontend=True) as home,
        daemons.running(Path(name, "ewad"), f"mqtt://127.0.0.1:{broker.port}", SETTINGS) as daemon,
    ):
        for index, room in enumerate(("office", "cellar")):
            several = values[index * SAMPLES :][:SAMPLES]
            ago = range((SAMPLES - 1) * EVERY_SECONDS, -1, -EVERY_SECONDS)
            payloads = [f'{{"v":{v},"ts":{time.time() - s}}}' for v, s in zip(several, ago, strict=True)]
            publish(broker.port, [(f"site/{room}/temperature", each.encode()) for each in payloads], qos=1)
        daemon.until_total("ewad_samples_total", 2 * SAMPLES)
        entity = "sensor.site_office_temperature_forecast_24"
        home.until(
            lambda: home.states().get(entity, {}).get("state", "unknown") not in ("unknown", "unavailable"),
            entity,
        )
        asyncio.run(draw(home, folder / "home_assistant.png"))
    print(folder / "home_assistant.png")


if __name__ == "__main__":
    main()
