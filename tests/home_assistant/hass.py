"""A real Home Assistant core for tests: its own folder, a free loopback port, a broker, and its REST API.

`make home-assistant` installs it, by Python 3.13, into build/home-assistant.
"""

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.mosquitto import free_port
from tests.system.polling import until

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("HASS", ROOT / "build" / "home-assistant" / "bin" / "hass"))
LIMIT_SECONDS = 180.0  # it starts within 15 s where nothing else runs

CONFIGURATION = """
homeassistant:
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
onboarding:
"""
ENTRY = {
    "created_at": "2025-01-01T00:00:00+00:00",
    "modified_at": "2025-01-01T00:00:00+00:00",
    "data": {},
    "disabled_by": None,
    "discovery_keys": {},
    "domain": "mqtt",
    "entry_id": "ewad",
    "minor_version": 2,
    "options": {},
    "pref_disable_new_entities": False,
    "pref_disable_polling": False,
    "source": "user",
    "title": "broker",
    "unique_id": None,
    "version": 1,
}

ONBOARDING = {
    "version": 4,
    "minor_version": 1,
    "key": "onboarding",
    "data": {"done": ["core_config", "analytics", "integration"]},
}


class HomeAssistant:
    """One instance, which is connected to the broker on that port."""

    def __init__(self, directory: Path, broker_port: int, frontend: bool = False) -> None:
        """frontend: with its pages, which need more than its API does."""
        if not PROGRAM.exists():
            pytest.skip(f"Home Assistant isn't installed at {PROGRAM}: make home-assistant")
        storage = directory / ".storage"
        storage.mkdir(parents=True)
        self.port = free_port()
        self.directory = directory
        (directory / "configuration.yaml").write_text(
            CONFIGURATION.format(port=self.port) + ("frontend:\n" if frontend else "")
        )
        entry = ENTRY | {"data": {"broker": "127.0.0.1", "port": broker_port}}
        entries = {
            "version": 1,
            "minor_version": 4,
            "key": "core.config_entries",
            "data": {"entries": [entry]},
        }
        (storage / "core.config_entries").write_text(json.dumps(entries))
        if (
            frontend
        ):  # its pages are there once all steps of a first visit are taken: the last one is the owner
            (storage / "onboarding").write_text(json.dumps(ONBOARDING))
        self.process: subprocess.Popen[bytes] | None = None
        self.token = ""

    def start(self) -> None:
        """Start it; on return it answers."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-c", self.directory, "--skip-pip"], stdout=log, stderr=log
            )
        self.until(self._answers, "an answer")
        if not self.token:
            self.token = self._new_token()

    def end(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.directory / "log").read_text(errors="replace")[-4000:]

    def states(self) -> dict[str, dict[str, Any]]:
        """Return all entities of devices: entity id -> its state and attributes, as the API has them."""
        found = self._get("/api/states", {"Authorization": f"Bearer {self.token}"})
        return {
            each["entity_id"]: each
            for each in found
            if each["entity_id"].partition(".")[0] in ("sensor", "binary_sensor")
        }

    def registered(self) -> set[str]:
        """Return the unique ids of the entities that its registry, which it writes now and then, has."""
        path = self.directory / ".storage" / "core.entity_registry"
        entities = json.loads(path.read_text())["data"]["entities"] if path.exists() else []
        return {each["unique_id"] for each in entities if each["platform"] == "mqtt"}

    def until(self, condition: Any, what: object) -> None:
        """Wait until the condition holds."""
        until(condition, lambda: f"expected {what}\n{self.log}", LIMIT_SECONDS)

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log
        try:
            self._get("/api/onboarding", {})
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _new_token(self) -> str:
        """Return a token of a new owner, as the first visit of its page makes one."""
        client = f"http://127.0.0.1:{self.port}/"
        user = {
            "client_id": client,
            "name": "Owner",
            "username": "t",
            "password": "not a secret",
            "language": "en",
        }
        code = self._get(
            "/api/onboarding/users", {"Content-Type": "application/json"}, json.dumps(user).encode()
        )
        form = {"grant_type": "authorization_code", "code": code["auth_code"], "client_id": client}
        found = self._get("/auth/token", {}, urllib.parse.urlencode(form).encode())
        return str(found["access_token"])

    def _get(self, path: str, headers: dict[str, str], data: bytes | None = None) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def running(directory: Path, broker_port: int, frontend: bool = False) -> Iterator[HomeAssistant]:
    """Yield one that has started; end it afterwards."""
    started = HomeAssistant(directory, broker_port, frontend)
    try:
        started.start()
        yield started
    finally:
        started.end()
