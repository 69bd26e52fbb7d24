"""What `ewad run` does without: it starts where no extra is installed; commands name the one they need."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.system import daemon as daemons

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = (
    "pandas",
    "iotcore",
    "matplotlib",
    "pyarrow",
    "zstandard",
    "opentelemetry",
    "pyspark",
    "protobuf",
    "holidays",
    "confluent_kafka",
)  # what the extras bring
HIDDEN = f"import sys; sys.modules.update(dict.fromkeys({MODULES}))"
SETTINGS = """
[[stream]]
topic = "site/{room}/t"
model = "auto"
format = "json"
field = "t"
time_field = "at"
time_zone = "Europe/Berlin"
"""
SAMPLE = ROOT / "samples" / "seattle_weather.csv"


def without(module: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ewad where a module is not installed, in a process: others may have loaded it."""
    program = f"import sys; sys.modules['{module}'] = None; from ewad.cli import main; main()"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environ = os.environ | daemons.UNMEASURED
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=60)


def names(dependencies: list[str]) -> set[str]:
    return {dependency.split(">")[0].split("[")[0].removesuffix("-proto") for dependency in dependencies}


def test_the_extras_bring_what_the_daemon_does_without():
    extras = PROJECT["optional-dependencies"]
    users = [extras[name] for name in extras if name not in ("dev", "fuzz", "docs", "release")]
    assert set().union(*map(names, users)) - {"ewad"} == {module.replace("_", "-") for module in MODULES}
    assert names(PROJECT["dependencies"]) & set(MODULES) == set()


def test_the_page_on_installing_tells_what_each_extra_is_for():
    page = (ROOT / "docs" / "howto" / "install.md").read_text()
    users = set(PROJECT["optional-dependencies"]) - {"dev", "fuzz", "docs", "release"}
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == users


def test_the_pins_of_a_production_installation_are_those_of_its_dependencies_alone():
    pins = {
        line.split("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != " "
    }
    assert names(PROJECT["dependencies"]) <= pins
    assert pins & set(MODULES) == set()


def test_importing_the_daemon_and_the_command_line_loads_no_extra():
    program = f"import ewad.daemon.daemon, ewad.cli, sys; print({set(MODULES)} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.system
def test_the_daemon_runs_where_no_extra_is_installed(tmp_path):
    program = f"{HIDDEN}; from ewad.__main__ import main; main()"
    command = (sys.executable, "-W", "error", "-c", program)
    nobody = "mqtt://127.0.0.1:1"  # the daemon waits for a broker that is not there
    with daemons.running(tmp_path, nobody, SETTINGS, ready=False, command=command) as daemon:
        assert daemon.get("/healthz")[0] == 200
        assert "ewad_build_info" in daemon.get("/metrics")[1]


@pytest.mark.parametrize(
    ("arguments", "missing", "extra"),
    [
        (("replay", SAMPLE), "pandas", "files"),
        (("replay", SAMPLE, "--explain"), "pandas", "files"),
        (("train", SAMPLE), "pandas", "files"),
        (("replay", SAMPLE, "-o", "results.parquet"), "pyarrow", "parquet"),
        (("replay", SAMPLE, "--plot", "figure.png"), "matplotlib", "plot"),
        (("figures", "."), "matplotlib", "plot"),
        (("demo",), "iotcore", "demo"),
        (("spark", "--checkpoint", "c", "--repartition", "2"), "pyspark", "spark"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_command_without_its_extra_names_it(tmp_path, arguments, missing, extra):
    done = without(missing, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(f"needs {missing}, which is not installed: pip install 'ewad[{extra}]'\n")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_time_zone_is_known_where_the_system_has_none():
    program = "from zoneinfo import ZoneInfo; print(ZoneInfo('Europe/Berlin'))"
    environ = daemons.environment(PYTHONTZPATH="")
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "Europe/Berlin\n", done.stderr


def test_a_daemon_that_shall_push_by_otlp_without_its_extra_names_it(tmp_path):
    config = tmp_path / "ewad.toml"
    config.write_text(
        f'{SETTINGS}\n[http]\nlisten = "127.0.0.1:0"\n[otlp]\nendpoint = "http://127.0.0.1:1"\n'
    )
    done = without("opentelemetry", "run", "-c", config, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "ewad: [otlp] needs opentelemetry, which is not installed: pip install 'ewad[otlp]'"
    ]
