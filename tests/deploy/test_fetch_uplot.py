"""Fetching the library that draws the page's charts: what comes is as expected, or nothing of it is used."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import fetch_uplot
from tests import components, npm
from tests.deploy.building import failing_npm

ROOT = Path(__file__).parents[2]


def placed(tmp_path):
    """Return a project with what the script needs and no library."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("fetch_uplot.py", "requirements-npm.txt"):
        shutil.copy(ROOT / name, root)
    return root


def run(root, path):
    command = [sys.executable, "fetch_uplot.py"]
    environ = os.environ | {"PATH": path}
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=600)


def having(root, library=ROOT / fetch_uplot.FOLDER):
    npm.require_uplot()
    shutil.copytree(library, root / fetch_uplot.FOLDER)


def packing(place, packed):
    """Return a path of commands whose npm packs that file, whatever it is asked for."""
    folder = place / "with"
    folder.mkdir()
    (folder / "npm").write_text(f'#!/bin/sh\ncp "{packed}" .\n')
    (folder / "npm").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def archive(path, **files):
    with tarfile.open(path, "w:gz") as packed:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            packed.addfile(member, io.BytesIO(body))
    return path


def test_what_is_there_and_right_is_not_fetched_again(tmp_path):
    root = placed(tmp_path)
    having(root)
    done = run(root, failing_npm(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"uplot 1.6.32 is in {fetch_uplot.FOLDER}\n")


@pytest.mark.parametrize("name", fetch_uplot.FILES)
@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(path.read_bytes() + b" ")])
def test_what_is_missing_or_changed_is_fetched_again(tmp_path, name, change):
    root = placed(tmp_path)
    having(root)
    change(root / fetch_uplot.FOLDER / name)
    done = run(root, failing_npm(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(
        "the page will have no charts: uplot@1.6.32 can't be fetched: npm: no registry here"
    )
    assert "`make page` fetches it" in done.stderr


def test_a_package_of_another_digest_is_refused_and_nothing_of_it_is_used(tmp_path):
    root = placed(tmp_path)
    other = archive(tmp_path / "uplot-1.6.32.tgz", **{"package/dist/uPlot.iife.min.js": b"alert(1)"})
    done = run(root, packing(tmp_path, other))
    assert done.returncode == 1
    expected = f"the package: expected the digest {fetch_uplot.SHA512[:16]}..., got "
    assert f"uplot@1.6.32: {expected}" in done.stderr
    assert "nothing of it is used" in done.stderr
    assert not (root / fetch_uplot.FOLDER).exists()


def test_an_npm_that_packs_nothing_is_told(tmp_path):
    root = placed(tmp_path)
    done = run(root, packing(tmp_path, "/dev/null"))
    assert done.returncode == 1
    assert "uplot@1.6.32: expected npm to pack one file, got 0" in done.stderr


def test_it_is_fetched_by_the_npm_of_the_machine(tmp_path):
    components.program("npm", "Debian's package of that name")
    npm.require_uplot()
    root = placed(tmp_path)
    done = run(root, os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    assert fetch_uplot.right(root / fetch_uplot.FOLDER)


@pytest.mark.slow
def test_without_npm_one_is_borrowed_and_thrown_away(tmp_path):
    """61 MB: Python alone is enough to set ewad up."""
    npm.require_uplot()
    root, empty, scratch = placed(tmp_path), tmp_path / "empty", tmp_path / "scratch"
    empty.mkdir()
    scratch.mkdir()
    environ = os.environ | {"PATH": str(empty), "TMPDIR": str(scratch)}
    done = subprocess.run(
        [sys.executable, "fetch_uplot.py"], cwd=root, env=environ, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert fetch_uplot.right(root / fetch_uplot.FOLDER)
    assert list(scratch.iterdir()) == []
