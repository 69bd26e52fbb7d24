"""The same files, compiled and interpreted: the same numbers, to the bit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build
from ewad import kernels
from ewad.kernels import optimizers
from tests.system.daemon import UNMEASURED

ROOT = Path(__file__).parents[2]

# Prints how the kernels run, and a digest of all states and results of the scenarios.
SCRIPT = """
import hashlib, sys
from ewad import kernels
from tests.kernels import scenarios
from tests.kernels.scenarios import SCENARIOS, run
for name, scenario in SCENARIOS.items():
    print(name, hashlib.sha256(run(scenario)).hexdigest())
print("series", scenarios.whole_series_averaged())
print("frames", scenarios.taken_of_hostile_bytes())
print("lines", scenarios.lines_of_hostile_bytes())
print("metrics", scenarios.metrics_of_hostile_bytes())
print("packs", scenarios.packs_of_hostile_bytes())
print(kernels.HOW)
"""


def without(left_out, folder):
    """Copy ewad and its tests without some files; return the folder."""
    for name in ("ewad", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(left_out, "__pycache__"))
    return folder


@pytest.fixture(scope="module")
def mine():
    """Return what the kernels say that are here."""
    return said_by(ROOT)


def said_by(folder):
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    environ = os.environ | {"PYTHONPATH": str(folder)} | UNMEASURED
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_compiled_and_interpreted_kernels_give_equal_bytes(mine, tmp_path):
    if not kernels.COMPILED:
        pytest.skip("the kernels are not compiled here")
    *theirs, other = said_by(without("*.so", tmp_path))
    assert (mine[-1], other) == ("compiled", "interpreted")
    assert mine[:-1] == theirs


def test_kernels_for_wider_processors_give_the_bytes_of_those_for_any(mine, tmp_path):
    if len(kernels.__path__) == 1 or not kernels.COMPILED:
        pytest.skip("no kernels are compiled for this processor alone")
    wide = ROOT / "ewad" / "kernels" / hatch_build.WIDE
    assert Path(optimizers.__file__).parent == wide
    assert {path.name.partition(".")[0] for path in wide.iterdir()} == set(hatch_build.WIDE_KERNELS)
    assert said_by(without(hatch_build.WIDE, tmp_path)) == mine


def test_in_ci_the_kernels_are_compiled():
    assert kernels.COMPILED or os.environ.get("CI") != "true"


def test_every_kernel_has_its_types_beside_it():
    sources = {path.with_suffix("") for path in (ROOT / "ewad" / "kernels").rglob("*.py")}
    types = {path.with_suffix("") for path in (ROOT / "ewad" / "kernels").rglob("*.pxd")}
    assert {path for path in sources if path.name != "__init__"} == types


def test_without_a_compiler_it_is_said_and_nothing_stale_is_left(tmp_path):
    shutil.copytree(ROOT / "ewad" / "kernels", tmp_path / "ewad" / "kernels")
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    command = [sys.executable, str(tmp_path / "hatch_build.py")]
    environment = {"PATH": "", "CC": "no-such-compiler"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        pytest.skip("ziglang is installed: it compiles where nothing else does")
    if "Cython" in done.stderr:
        pytest.skip("Cython is not installed: nothing is compiled anyway")
    assert done.returncode == 1
    assert "expected a C compiler" in done.stderr
    assert not list(tmp_path.rglob(f"*{hatch_build.SUFFIX}"))


def test_what_has_not_changed_is_not_compiled_again(tmp_path):
    if not kernels.COMPILED:
        pytest.skip("nothing is compiled here")
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "ewad" / "kernels").rglob("*.so")}
    hatch_build.build()
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "ewad" / "kernels").rglob("*.so")} == before


def test_a_kernel_is_compiled_by_its_own_declarations_and_those_that_they_name():
    declared = {
        "a": b"cimport cython\nfrom ewad.kernels.b cimport B\ncdef int x\n",
        "b": b"from ewad.kernels cimport (\n    c, e)\ncdef int d\n",
        "c": b"cdef int a\n",
        "d": b"from ewad.kernels.a cimport A\n",
        "e": b"# another one\n",
    }
    assert hatch_build._declared_for("a", declared) == b"".join(declared[each] for each in "abce")
    assert hatch_build._declared_for("c", declared) == declared["c"]
