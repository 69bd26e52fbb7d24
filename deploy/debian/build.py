"""Builds ewad's package for Debian and its kin: `python deploy/debian/build.py dist/ewad-....whl -o dist`.

The package is whole: the dependencies of requirements.txt lie under /opt/ewad beside ewad, so that nothing of
the system's Python has to fit but its minor version. Needs dpkg-deb, and the Python that the package is for.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
UNIT = ROOT / "deploy" / "systemd" / "ewad.service"
LIBRARY = "opt/ewad/lib"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
EPOCH = "1580601600"  # 2020-02-02, as in wheels: two builds of one source are equal

CONTROL = """\
Package: ewad
Version: {version}
Architecture: {architecture}
Maintainer: The contributors of ewad <ewad@localhost>
Section: net
Priority: optional
Depends: {python}, adduser
Recommends: systemd
Suggests: mosquitto, prometheus
Installed-Size: {kilobytes}
Description: smooths and forecasts MQTT streams online
 ewad subscribes to MQTT topics, smooths each stream by exponentially
 weighted averages, forecasts it by models that learn while they run, and
 shows the results as Prometheus metrics, as a page, and as MQTT messages.
"""

LAUNCHER = """\
#!/usr/bin/{python} -sP
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "{library}"))
from ewad.__main__ import main

main()
"""


def build(wheel: Path, output: Path, *, dependencies: bool = True) -> Path:
    """Return the package that was built of a wheel; dependencies: with those in it."""
    version = wheel.name.split("-")[1]
    architecture = _run("dpkg", "--print-architecture").strip()
    target = output / f"ewad_{version}_{architecture}.deb"
    with tempfile.TemporaryDirectory(prefix="ewad-deb-") as folder:
        tree = Path(folder)
        _install(wheel, tree / LIBRARY, dependencies)
        _write(tree / "usr/bin/ewad", LAUNCHER.format(python=PYTHON, library=LIBRARY), 0o755)
        _write(tree / "lib/systemd/system/ewad.service", unit())
        shutil.copy(ROOT / "samples" / "quickstart.toml", _made(tree / "etc/ewad") / "ewad.toml")
        shutil.copy(ROOT / "LICENSE", _made(tree / "usr/share/doc/ewad") / "copyright")
        control = CONTROL.format(
            version=version.replace(".dev", "~dev"),
            architecture=architecture,
            python=PYTHON,
            kilobytes=sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024,
        )
        _write(tree / "DEBIAN/control", control)
        _write(tree / "DEBIAN/conffiles", "/etc/ewad/ewad.toml\n")
        for script in ("postinst", "prerm", "postrm"):
            _write(tree / "DEBIAN" / script, (HERE / script).read_text(), 0o755)
        _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(target))
    return target


def unit() -> str:
    """Return the unit as the package has it: where the package puts things, and as the package's user."""
    text = UNIT.read_text()
    for found, instead in (
        (r"^ExecStart=\S+", "ExecStart=/usr/bin/ewad"),
        (r"^DynamicUser=yes$", "User=ewad\nGroup=ewad"),
        (r"# -- Who it is: .*", "# -- Who it is: a user that owns nothing but its state --"),
    ):
        text, count = re.subn(found, instead, text, flags=re.MULTILINE)
        if count != 1:
            raise SystemExit(f"{UNIT}: expected one line {found}, got {count}")
    return text


def _install(wheel: Path, library: Path, dependencies: bool) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(library)]
    if dependencies:
        _run(*pip, "--require-hashes", "-r", str(ROOT / "requirements.txt"))
    _run(*pip, "--no-deps", "--no-index", "--upgrade", str(wheel))
    shutil.rmtree(library / "bin", ignore_errors=True)  # scripts that name the builder's Python
    for record in library.glob("*.dist-info/direct_url.json"):  # where the builder had the wheel
        record.unlink()
    for record in library.glob("*.dist-info/RECORD"):
        kept = [
            line
            for line in record.read_text().splitlines()
            if "direct_url" not in line and "bin/" not in line
        ]
        record.write_text("\n".join(sorted(kept)) + "\n")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    _made(path.parent)
    path.write_text(text)
    path.chmod(mode)


def _run(*command: str) -> str:
    environ = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environ)  # noqa: S603
    return done.stdout


def main() -> None:
    """Read the arguments, and build."""
    parser = argparse.ArgumentParser(description="Build the Debian package of a wheel of ewad.")
    parser.add_argument("wheel", type=Path, help="the wheel, built for this Python")
    parser.add_argument("-o", "--output", type=Path, default=Path("dist"), help="the folder for the package")
    arguments = parser.parse_args()
    print(build(arguments.wheel, _made(arguments.output)))


if __name__ == "__main__":
    os.umask(0o022)
    main()
