"""Packages of npm: those that tests alone use, by version and digest, and the library of the page."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

import fetch_uplot
from tests import components


def require_uplot() -> None:
    """Skip the test where the library that draws the page's charts could not be fetched."""
    if not fetch_uplot.right(fetch_uplot.ROOT / fetch_uplot.FOLDER):
        components.missing("uPlot could not be fetched: make page")


def package(name: str, sha512: str, folder: Path) -> Path:
    """Fetch a package such as axe-core@4.14.1, check it, and return the folder where its files are."""
    npm = components.program("npm", "Debian's package of that name")
    command = [npm, "pack", "--silent", name]
    if subprocess.run(command, cwd=folder, capture_output=True, timeout=120).returncode:
        components.missing(f"{name} can't be fetched")
    (packed,) = folder.glob("*.tgz")
    assert hashlib.sha512(packed.read_bytes()).hexdigest() == sha512
    with tarfile.open(packed) as files:
        files.extractall(folder, filter="data")
    return folder / "package"
