"""Draws the picture of the live page in the README, as Chromium shows it. Run by `make pictures`."""

import asyncio
import re
import sys
from pathlib import Path

from tests.system.browser import browser

TARGET = Path(__file__).parents[1] / "docs" / "pictures" / "live_page.png"
STREAM = "#stream=site%2Foffice%2Ftemperature&group=temperature"
SETTLED = 1500  # samples: some epochs of training


async def main() -> None:
    """Start the demo on a free port, wait until its forecasts are worth something, and take the picture."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ewad", "demo", "--listen", "127.0.0.1:0"), stdout=asyncio.subprocess.PIPE
    )
    try:
        while not (found := re.search(rb"page +(http://\S+/)", await demo.stdout.readline())):
            pass
        async with browser() as page:
            await page.open(found[1].decode() + STREAM, width=1100, height=620)
            samples = "[...document.querySelectorAll('dt')].find((e) => e.innerText === 'Samples')"
            count = f"Number({samples}?.nextSibling.innerText.replaceAll(',', '') ?? 0)"
            await page.until(f"{count} > {SETTLED}", seconds=120.0)
            TARGET.parent.mkdir(exist_ok=True)
            TARGET.write_bytes(await page.screenshot())
    finally:
        demo.terminate()
        await demo.communicate()
    print(TARGET)


if __name__ == "__main__":
    asyncio.run(main())
