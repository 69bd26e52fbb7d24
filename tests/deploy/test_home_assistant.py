"""The add-on of Home Assistant: its version, its options, and what it makes of them."""

import http.server
import json
import threading

import pytest
import yaml

from ewad import __version__, config
from tests.deploy.building import ROOT
from tests.deploy.test_debian import of

FOLDER = ROOT / "deploy" / "home-assistant" / "ewad"
RUN = of(FOLDER / "run.py")
CONFIG = yaml.safe_load((FOLDER / "config.yaml").read_text())
KNOWN = {"host": "core-mosquitto", "port": 1883, "ssl": False, "username": "addons", "password": "secret"}


def test_the_add_on_is_of_this_version():
    assert CONFIG["version"] == __version__


def test_its_options_are_those_that_it_reads():
    text = (FOLDER / "run.py").read_text()
    assert set(CONFIG["schema"]) == {"configuration", "url", "username", "password"}
    assert all(f'"{name}"' in text for name in CONFIG["schema"])
    assert set(CONFIG["options"]) <= set(CONFIG["schema"])


def test_the_first_configuration_is_valid_with_the_broker_of_home_assistant(tmp_path):
    path = tmp_path / "ewad.toml"
    path.write_text(RUN.FIRST)
    settings = config.load(path, RUN.settings({}, KNOWN))
    assert settings.mqtt.url == "mqtt://core-mosquitto:1883"
    assert settings.mqtt.username == "addons"


@pytest.mark.parametrize(
    ("options", "known", "url"),
    [
        ({}, KNOWN, "mqtt://core-mosquitto:1883"),
        ({}, KNOWN | {"ssl": True}, "mqtts://core-mosquitto:1883"),
        ({"url": "mqtt://elsewhere"}, KNOWN, "mqtt://elsewhere"),
        ({}, {}, None),
    ],
)
def test_the_options_win_over_what_home_assistant_knows(options, known, url):
    assert RUN.settings(options, known).get("EWAD_MQTT__URL") == url


def test_no_password_is_in_the_environment():
    assert "secret" not in json.dumps(RUN.settings({"password": "secret"}, KNOWN))


@pytest.fixture
def supervisor():
    """A server that answers as the Supervisor does; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == "/services/mqtt" and self.headers["Authorization"] == "Bearer token"
            self.send_response(200 if known else 400)
            self.end_headers()
            self.wfile.write(json.dumps({"result": "ok", "data": KNOWN}).encode() if known else b"{}")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_broker_is_asked_of_the_supervisor(supervisor):
    assert RUN.broker(supervisor, "token") == KNOWN
    assert RUN.broker(supervisor, "another") == {}
