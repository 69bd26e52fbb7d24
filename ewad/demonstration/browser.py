"""Chromium without a window, driven over its debugging protocol: for pictures of the page, and its tests."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from ewad.errors import ConfigError, SourceError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # it is root's in containers, and opens the page of ewad alone
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
START_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05


def chromium() -> str | None:
    """Return the path of Chromium, None where it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab. requests: the addresses that it asked for; complaints: errors and warnings of its console."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._reader = asyncio.create_task(self._read(), name="browser")

    async def _read(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event)
            else:
                self._note(event["method"], event["params"])

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif method == "Log.entryAdded":
            entry = told["entry"]
            self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")

    def close(self) -> None:
        """Hear no more of it."""
        self._reader.cancel()

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return what a method of the protocol answers. Raises SourceError where it fails."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        event = await asyncio.wait_for(answer, START_SECONDS)
        if "error" in event:
            raise SourceError(f"chromium: {method}: {event['error'].get('message')}")
        result: dict[str, Any] = event["result"]
        return result

    async def open(self, url: str, width: int = 1200, height: int = 800) -> None:
        """Show a page in a window of that size, and wait until it is loaded."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.resize(width, height)
        await self.call("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    async def resize(self, width: int, height: int) -> None:
        """Change the size of the window, in pixels."""
        size: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def dark(self, dark: bool = True) -> None:
        """Prefer dark colours, or light ones."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def evaluate(self, script: str) -> Any:
        """Return what a JavaScript expression comes to; promises are waited for. Raises SourceError."""
        how = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        result = await self.call("Runtime.evaluate", expression=script, **how)
        if "exceptionDetails" in result:
            raise SourceError(f"chromium: {json.dumps(result['exceptionDetails'])}")
        return result["result"].get("value")

    async def until(self, script: str, seconds: float = 30.0) -> Any:
        """Wait until an expression is true, and return what it is then. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not (value := await self.evaluate(script)):  # noqa: ASYNC110 (it is another process)
                await asyncio.sleep(POLL_SECONDS)
        return value

    async def screenshot(self) -> bytes:
        """Return the visible part as a PNG file."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browser() -> AsyncIterator[Tab]:
    """Yield an empty tab of a Chromium started for it. Raises ConfigError where there is none."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command(folder), stdout=quiet, stderr=quiet)
        try:
            async with asyncio.timeout(START_SECONDS):
                while (port := listening(folder)) is None:
                    if process.returncode is not None:
                        raise SourceError("chromium ended at its start")
                    await asyncio.sleep(POLL_SECONDS)
            async with new_tab(port) as tab:
                yield tab
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def command(folder: str) -> tuple[str, ...]:
    """Return what starts Chromium with a folder of its own. Raises ConfigError where it is not installed."""
    if (path := chromium()) is None:
        raise ConfigError("pictures of the page need Chromium, which is not installed")
    return path, *FLAGS, f"--user-data-dir={folder}", "about:blank"


def listening(folder: str) -> int | None:
    """Return the port of the debugging protocol, None until Chromium has written it into its folder."""
    try:
        return int((Path(folder) / "DevToolsActivePort").read_text().split()[0])
    except (FileNotFoundError, IndexError):  # not there, or empty
        return None


@asynccontextmanager
async def new_tab(port: int) -> AsyncIterator[Tab]:
    """Open an empty tab of a running Chromium, and close it afterwards."""
    here = f"http://127.0.0.1:{port}/json"
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{here}/new?about:blank") as response:
            target: dict[str, str] = await response.json()
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            tab = Tab(socket)
            yield tab
            tab.close()
        async with session.get(f"{here}/close/{target['id']}"):
            pass


async def record(page: str, folder: Path, pictures: dict[str, tuple[str, str, int, int]]) -> list[Path]:
    """Draw pictures of the page at an address into a folder, and return their paths.

    pictures: name -> fragment of the address, an expression that is true when it can be drawn, width, height.
    Raises ConfigError where Chromium is not installed, SourceError where a page does not come to be so.
    """
    drawn = []
    async with browser() as tab:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        for name, (fragment, ready, width, height) in pictures.items():
            await tab.call("Page.navigate", url="about:blank")
            await tab.open(page + fragment, width, height)
            try:
                await tab.until(ready, seconds=120.0)
            except TimeoutError as error:
                raise SourceError(f"{page}{fragment}: expected it to be drawn within two minutes") from error
            drawn.append(folder / f"{name}.png")
            await asyncio.to_thread(drawn[-1].write_bytes, await tab.screenshot())
    return drawn
