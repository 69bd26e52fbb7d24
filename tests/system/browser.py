"""A real browser for tests: Debian's Chromium, headless, driven over its debugging protocol."""

import asyncio
import base64
import json
import os
import shutil
import tempfile
from contextlib import asynccontextmanager

import aiohttp
import pytest

CHROMIUM = shutil.which("chromium")


def require_chromium():
    """Skip the test where there is no Chromium, or fail it where CI=true."""
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("chromium isn't installed")


FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
START_SECONDS = 60.0


class Page:
    """One tab. requests: the addresses that it asked for; complaints: errors and warnings of its console."""

    def __init__(self, socket):
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._answers: dict[int, asyncio.Future] = {}
        self._number = 0
        self._reader = asyncio.create_task(self._read(), name="browser")

    async def _read(self):
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event)
            elif event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            elif event["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                entry = event["params"]["entry"]
                self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")

    def close(self):
        self._reader.cancel()

    async def call(self, method, **parameters):
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        event = await asyncio.wait_for(answer, START_SECONDS)
        assert "error" not in event, event["error"]
        return event["result"]

    async def open(self, url, width=1200, height=800):
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.resize(width, height)
        await self.call("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    async def resize(self, width, height):
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def dark(self, dark=True):
        value = "dark" if dark else "light"
        await self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}]
        )

    async def evaluate(self, script):
        """Return what a JavaScript expression comes to; promises are waited for."""
        result = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, script, seconds=30.0):
        """Wait until an expression is true, and return what it is then."""
        async with asyncio.timeout(seconds):
            while not (value := await self.evaluate(script)):  # noqa: ASYNC110 (it is another process)
                await asyncio.sleep(0.05)
        return value

    async def screenshot(self):
        """Return the visible part as a PNG file."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browser():
    """Start Chromium with one empty tab; end it afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *(CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with aiohttp.ClientSession() as session:
                async with asyncio.timeout(START_SECONDS):
                    address = await _tab(session, process.stderr)
                drain = asyncio.create_task(process.stderr.read(), name="chromium's words")
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    page = Page(socket)
                    yield page
                    page.close()
                drain.cancel()
        finally:
            process.terminate()
            await process.wait()


async def _tab(session, words):
    """Return the address of the one tab, once Chromium has said where it listens."""
    while b"DevTools listening on" not in (line := await words.readline()):
        assert line, "chromium ended at its start"
    port = line.decode().split("://")[1].split("/")[0].split(":")[1]
    async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
        return next(tab["webSocketDebuggerUrl"] for tab in await response.json() if tab["type"] == "page")
