"""Starts ewad with the options of the add-on, and with the broker that Home Assistant knows."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FOLDER = Path("/config")  # the add-on's own, which people edit
STATE = Path("/data")
FIRST = """\
# Written at the first start. Each sensor that zigbee2mqtt knows; ewad's documentation has more.
[[stream]]
preset = "zigbee2mqtt"
model = "auto"

[publish]
home_assistant = true
"""


def broker(supervisor: str, token: str) -> dict[str, Any]:
    """Return host, port, username, password of Home Assistant's broker; {} if it knows none."""
    request = urllib.request.Request(  # noqa: S310 - the Supervisor's own address
        f"{supervisor}/services/mqtt", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return dict(json.load(answer)["data"])
    except urllib.error.HTTPError:  # no broker is installed
        return {}


def settings(options: dict[str, Any], known: dict[str, Any]) -> dict[str, str]:
    """Return what the daemon finds in its environment; the add-on's options win."""
    found = {"EWAD_HTTP__LISTEN": "0.0.0.0:9466", "EWAD_STATE__PATH": str(STATE / "ewad.db")}
    if options.get("url"):
        found["EWAD_MQTT__URL"] = options["url"]
    elif known:
        scheme = "mqtts" if known.get("ssl") else "mqtt"
        found["EWAD_MQTT__URL"] = f"{scheme}://{known['host']}:{known['port']}"
    username = options.get("username") or known.get("username")
    if username:
        found["EWAD_MQTT__USERNAME"] = username
    return found


def main() -> None:
    """Read the options, leave a first configuration where there is none, and become the daemon."""
    options = json.loads((STATE / "options.json").read_text())
    known = broker("http://supervisor", os.environ["SUPERVISOR_TOKEN"])
    configuration = FOLDER / options["configuration"]
    if not configuration.exists():
        configuration.write_text(FIRST)
    credentials = Path("/run/ewad")
    credentials.mkdir(mode=0o700, exist_ok=True)
    password = options.get("password") or known.get("password")
    if password:
        (credentials / "mqtt_password").write_text(password)
    environ = os.environ | settings(options, known) | {"CREDENTIALS_DIRECTORY": str(credentials)}
    environ.pop("SUPERVISOR_TOKEN")  # the daemon needs none
    for path in (credentials, *credentials.iterdir(), STATE, *STATE.iterdir()):
        os.chown(path, 65532, 65532)
    os.setgid(65532)
    os.setuid(65532)
    os.execvpe("ewad", ["ewad", "run", "-c", str(configuration)], environ)  # noqa: S606, S607


if __name__ == "__main__":
    sys.exit(main())
