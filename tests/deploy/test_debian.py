"""The Debian package: what it holds, and that it can be installed, used, removed and purged."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ewad import __version__
from tests import components
from tests.deploy.building import ROOT
from tests.system.daemon import environment

BUILD = ROOT / "deploy" / "debian" / "build.py"

pytestmark = [
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb, which Debian has"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as dpkg does"),
]


def of(path):
    """Load a script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def builder():
    return of(BUILD)


@pytest.fixture(scope="module")
def package(built, builder, tmp_path_factory):
    """Built without dependencies, which the network would bring."""
    return builder.build(built[0], tmp_path_factory.mktemp("deb"), dependencies=False)


def told(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def dpkg(root, *arguments):
    """Run dpkg on a system of its own: an empty folder in which no script may leave root."""
    log = f"--log={root}/dpkg.log"
    command = ["dpkg", f"--root={root}", log, "--force-depends", "--force-script-chrootless", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_builds_are_equal_to_the_byte(package, built, builder, tmp_path):
    again = builder.build(built[0], tmp_path, dependencies=False)
    assert again.name == package.name
    assert again.read_bytes() == package.read_bytes()


def test_the_package_holds_the_unit_the_command_and_a_configuration(package):
    names = {line.split()[-1] for line in told("dpkg-deb", "--contents", str(package)).splitlines()}
    for name in (
        "./usr/bin/ewad",
        "./etc/ewad/ewad.toml",
        "./lib/systemd/system/ewad.service",
        "./usr/share/doc/ewad/copyright",
        "./opt/ewad/lib/ewad/py.typed",
        f"./opt/ewad/lib/ewad-{__version__}.dist-info/sboms/ewad.cdx.json",
    ):
        assert name in names
    assert told("dpkg-deb", "--field", str(package), "Version").strip() == __version__
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert python in told("dpkg-deb", "--field", str(package), "Depends")
    owners = {line.split()[1] for line in told("dpkg-deb", "--contents", str(package)).splitlines()}
    assert owners == {"root/root"}


def test_the_unit_differs_in_its_user_and_its_path_alone(builder):
    ours = (ROOT / "deploy" / "systemd" / "ewad.service").read_text().splitlines()
    changed = [line for line in builder.unit().splitlines() if line not in ours and not line.startswith("#")]
    assert changed == ["ExecStart=/usr/bin/ewad run -c /etc/ewad/ewad.toml", "User=ewad", "Group=ewad"]


def test_it_is_installed_used_removed_and_purged(package, tmp_path):
    root = tmp_path / "root"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
        (root / folder).mkdir(parents=True)
    for empty in ("var/lib/dpkg/status", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"):
        (root / empty).touch()

    dpkg(root, "--install", str(package))
    assert "ewad:" in (root / "etc" / "passwd").read_text()
    command = [sys.executable, "-sP", root / "usr" / "bin" / "ewad"]
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    environ = environment(PYTHONPATH=os.pathsep.join(libraries))
    config = root / "etc" / "ewad" / "ewad.toml"
    checked = subprocess.run(
        [*command, "check", "-c", config], env=environ, capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stderr
    assert "# configuration is valid" in checked.stdout

    config.write_text(config.read_text() + "\n# changed\n")
    dpkg(root, "--install", str(package))  # an upgrade keeps what was changed
    assert config.read_text().endswith("# changed\n")

    dpkg(root, "--remove", "ewad")
    assert not (root / "opt").exists()
    assert config.exists()
    (root / "var" / "lib" / "ewad").mkdir()
    dpkg(root, "--purge", "ewad")
    assert not config.exists()
    assert not (root / "var" / "lib" / "ewad").exists()


def test_the_unit_of_the_package_is_as_confined(builder, tmp_path):
    unit = tmp_path / "ewad.service"
    unit.write_text(builder.unit())
    result = told(
        components.program("systemd-analyze", "Debian's systemd"),
        "security",
        "--offline=true",
        "--no-pager",
        str(unit),
    )
    assert float(result.rsplit("ewad.service: ", 1)[1].split()[0]) <= 1.5


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_a_script_is_plain_shell(name):
    script = Path(ROOT / "deploy" / "debian" / name)
    assert subprocess.run(["sh", "-n", script], timeout=60).returncode == 0
    assert script.read_text().startswith("#!/bin/sh\n")
