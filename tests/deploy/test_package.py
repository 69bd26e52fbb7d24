"""What is shipped: a wheel and a source package that any build makes equal, with a bill of what they hold."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import hatch_build
from ewad import __version__, kernels
from tests.deploy.building import ROOT, build, copy, keep_compiled

MOST_MEGABYTES = 130  # of an installation with its dependencies


def test_two_builds_are_equal_to_the_byte(built, tmp_path):
    again = build(copy(tmp_path / "elsewhere" / "project"), "sdist", "wheel")
    assert [path.name for path in again] == [path.name for path in built]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]


@pytest.mark.slow
def test_a_kernel_that_is_compiled_in_another_folder_is_equal_to_the_byte(tmp_path):
    if not kernels.COMPILED:
        pytest.skip("the kernels are not compiled: there is no compiler")
    files = []
    for name in ("one", "other/folder"):
        place = tmp_path / name
        shutil.copytree(
            ROOT / "ewad" / "kernels", place / "ewad" / "kernels", ignore=shutil.ignore_patterns("*.so")
        )
        (place / "ewad" / "__init__.py").touch()
        source = place / "ewad" / "kernels" / "sample.py"
        hatch_build._compile(place, source, hatch_build._compiler(), "key")
        files.append(hatch_build._compiled(source).read_bytes())
    assert files[0] == files[1]


def test_the_source_package_makes_the_same_wheel(built, tmp_path):
    wheel, source = built
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (place,) = tmp_path.iterdir()
    keep_compiled(place)
    assert build(place, "wheel")[0].read_bytes() == wheel.read_bytes()


def test_the_wheel_tells_what_it_holds(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
        bill = json.loads(wheel.read(f"ewad-{__version__}.dist-info/sboms/ewad.cdx.json"))
    assert bill["metadata"]["component"]["version"] == __version__
    held = {each["name"]: each["licenses"][0]["expression"] for each in bill["components"]}
    data = {Path(name).name for name in names if name.startswith("ewad/samples/") and name.endswith(".csv")}
    assert data | ({"cython"} if kernels.COMPILED else set()) == set(held)
    assert f"ewad-{__version__}.dist-info/licenses/LICENSE" in names
    assert [name for name in names if name.endswith(".so")] if kernels.COMPILED else True
    assert {name.split("/")[0] for name in names} == {"ewad", f"ewad-{__version__}.dist-info"}


def test_an_environment_tells_what_it_consists_of():
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "sbom.py"], capture_output=True, text=True, check=True, timeout=60
    )
    bill = json.loads(done.stdout)
    versions = {each["name"]: each.get("version") for each in bill["components"]}
    assert versions["numpy"] == importlib.metadata.version("numpy")
    assert all(each["licenses"] for each in bill["components"])
    assert bill["metadata"]["component"]["version"] == __version__


def test_an_installation_is_small(built):
    pins = [
        line.split("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line
    ]
    installed = [
        sum(file.locate().stat().st_size for file in importlib.metadata.files(pin) if file.locate().exists())
        for pin in set(pins)
    ]
    with zipfile.ZipFile(built[0]) as wheel:
        own = sum(member.file_size for member in wheel.infolist())
    assert (sum(installed) + own) / 1e6 < MOST_MEGABYTES
