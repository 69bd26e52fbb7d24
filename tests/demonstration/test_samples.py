"""The sample files: found, readable, and delivered with the wheel."""

import csv
import math
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from ewad.demonstration import samples

ROOT = Path(__file__).parents[2]
ROWS = {"ambient_temperature.csv": 7267, "seattle_weather.csv": 1461}


def test_a_source_checkout_finds_its_samples_folder():
    assert samples.samples_folder() == ROOT / "samples"


def test_an_installed_package_finds_the_samples_inside_itself(tmp_path, monkeypatch):
    (tmp_path / "quickstart.toml").touch()
    monkeypatch.setattr(samples, "FOLDERS", (tmp_path, *samples.FOLDERS))
    assert samples.samples_folder() == tmp_path


def test_missing_samples_are_an_error_that_tells_where_they_were_expected(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "FOLDERS", (tmp_path / "nowhere",))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        samples.samples_folder()


def test_an_unknown_sample_is_an_error_that_names_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"unknown.*known:.*ambient_temperature\.csv"):
        samples.sample_path("moon_temperature.csv")


@pytest.mark.parametrize(("name", "rows"), ROWS.items())
def test_a_sample_is_a_wide_csv_of_finite_numbers_in_order_of_time(name, rows):
    with samples.sample_path(name).open(newline="") as file:
        header, *body = csv.reader(file)
    assert header[0] == "time"
    assert len(body) == rows
    assert all(math.isfinite(float(cell)) for row in body for cell in row[1:])
    assert [row[0] for row in body] == sorted({row[0] for row in body})


def test_every_sample_file_is_described_and_licensed():
    text = samples.sample_path("README.md").read_text()
    files = {path.name for path in samples.samples_folder().iterdir()} - {"README.md"}
    assert files == {name for name in files if name in text}
    assert "Numenta" in samples.sample_path("ambient_temperature.LICENSE.txt").read_text()


def test_quickstart_has_a_stream_whose_model_exists():
    quickstart = tomllib.loads(samples.sample_path("quickstart.toml").read_text())
    assert [block["model"] for block in quickstart["stream"]] == list(quickstart["model"])


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("ewad-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_samples(wheel_names):
    expected = {f"ewad/samples/{path.name}" for path in (ROOT / "samples").iterdir()}
    assert expected <= wheel_names


def test_the_wheel_holds_the_licence_and_the_marker_of_typed_packages(wheel_names):
    assert "ewad/py.typed" in wheel_names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in wheel_names)


def test_the_wheel_holds_nothing_but_the_package(wheel_names):
    assert {name.split("/")[0] for name in wheel_names if ".dist-info" not in name} == {"ewad"}
