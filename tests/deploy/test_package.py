"""What is shipped: a wheel and a source package that any build makes equal, with a bill of what they hold."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fetch_uplot
import hatch_build
from ewad import __version__, kernels
from tests.deploy.building import ROOT, build, copy, failing_npm, keep_compiled

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
        hatch_build._translate(place, [source])
        kernel = hatch_build.Kernel(source)
        hatch_build._compile(place, kernel, hatch_build._compiler(), "key")
        files.append(kernel.made.read_bytes())
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
    assert data | {"uplot"} | ({"cython"} if kernels.COMPILED else set()) == set(held)
    (library,) = [each for each in bill["components"] if each["name"] == "uplot"]
    assert library["purl"] == f"pkg:npm/uplot@{fetch_uplot.VERSION}"
    assert library["hashes"][0]["content"] == fetch_uplot.FILES[fetch_uplot.SCRIPT][1]
    assert f"ewad-{__version__}.dist-info/licenses/LICENSE" in names
    assert [name for name in names if name.endswith(".so")] if kernels.COMPILED else True
    assert {name.split("/")[0] for name in names} == {"ewad", f"ewad-{__version__}.dist-info"}


def test_both_packages_hold_the_library_that_draws_the_pages_charts(built):
    wheel, source = built
    folder = fetch_uplot.FOLDER.as_posix()
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith(folder)}
        texts = {name: archive.read(f"{folder}/{name}") for name in fetch_uplot.SHIPPED}
    assert held == {f"{folder}/{name}" for name in fetch_uplot.SHIPPED}
    assert all(hashlib.sha256(text).hexdigest() == fetch_uplot.FILES[name][1] for name, text in texts.items())
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"{folder}/{name}" for name in fetch_uplot.FILES} <= names
    assert {"fetch_uplot.py", "requirements-npm.txt"} <= names


def test_a_source_package_makes_a_wheel_without_npm_and_without_a_network(built, tmp_path):
    """What it holds is what it should be, so nothing is fetched: a name npm on the path would fail."""
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (place,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    keep_compiled(place)
    assert build(place, "wheel", PATH=failing_npm(tmp_path))


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_without_the_library_no_package_is_built(tmp_path, target):
    place = copy(tmp_path / "project")
    shutil.rmtree(place / fetch_uplot.FOLDER, ignore_errors=True)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        build(place, target, PATH=failing_npm(tmp_path))
    said = (failed.value.stdout + failed.value.stderr).decode()
    assert "the page will have no charts: uplot@1.6.32 can't be fetched: npm: no registry here" in said
    assert "make page" in said


def test_an_editable_installation_does_without_it_and_says_so(tmp_path):
    """As pip does it: by the hook for that of the standard."""
    place = copy(tmp_path / "project")
    shutil.rmtree(place / fetch_uplot.FOLDER, ignore_errors=True)
    script = f"from hatchling.build import build_editable; build_editable({str(tmp_path)!r})"
    environ = os.environ | {"PATH": failing_npm(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=place, env=environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "the page will have no charts: uplot@1.6.32 can't be fetched" in done.stdout + done.stderr
    assert "`make page` fetches it" in done.stdout + done.stderr
    assert len(list(tmp_path.glob("*.whl"))) == 1


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
