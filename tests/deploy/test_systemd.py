"""The systemd unit: valid, confined, and speaking the protocol that the daemon speaks."""

import re
import subprocess
from pathlib import Path

from ewad.config.document import CREDENTIAL
from ewad.config.http import KEY_CREDENTIAL, USERS_CREDENTIAL
from tests import components

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "ewad.service"


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [components.program("systemd-analyze", "Debian's systemd"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_exposure_is_at_most_1_5():
    result = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    level = re.search(r"Overall exposure level for ewad.service: ([0-9.]+)", result.stdout)
    assert level is not None, result.stdout + result.stderr
    assert float(level[1]) <= 1.5


def test_systemd_finds_no_fault_in_the_unit(tmp_path):
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text()))
    result = analyze("verify", "--man=no", str(copy))
    assert [line for line in result.stderr.splitlines() if UNIT.name in line] == []


def test_readiness_and_life_are_told_by_notification():
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert unit["WatchdogSec"] == ["30"]
    assert "AF_UNIX" in unit["RestrictAddressFamilies"][0].split()


def test_a_missing_secret_does_not_keep_the_unit_from_starting():
    # with a path, systemd would insist on it
    assert settings()["LoadCredential"] == [CREDENTIAL, USERS_CREDENTIAL, KEY_CREDENTIAL]


def test_an_unusable_configuration_is_not_tried_again():
    unit = settings()
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == ["2"]


def test_state_is_kept_in_the_directory_that_the_unit_may_write():
    unit = settings()
    assert unit["StateDirectory"] == ["ewad"]
    assert unit["Environment"] == ["EWAD_STATE__PATH=%S/ewad/ewad.db"]
