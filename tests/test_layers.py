"""The order of the layers: each module imports only from those above it."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ewad"

# From the ground up. Modules of one row know nothing of each other, unless ALLOWED says so.
LAYERS = (
    ("errors",),
    ("kernels",),
    ("numeric",),
    ("engine",),
    ("config",),
    ("ingest",),
    ("store",),
    ("outputs",),
    ("daemon", "training"),
    ("evaluation", "scale", "estimators"),
    ("demonstration",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVELS = {name: level for level, row in enumerate(LAYERS) for name in row}

# Within a row, and less than the order would allow.
ALLOWED: set[tuple[str, str]] = set()
FORBIDDEN = {("ingest", "numeric")}

# What numeric and engine may not see: clocks, randomness without a generator, the outside world.
OUTSIDE = {
    "asyncio",
    "datetime",
    "logging",
    "os",
    "pathlib",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    """numeric/averages.py -> numeric, cli.py -> cli, ewad/__init__.py -> __init__."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of every module, or name in a module, that the file imports, wherever it does."""
    package = ("ewad", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layers_used(path: Path) -> set[str]:
    names = (name.split(".") for name in imported(path))
    return {parts[1] for parts in names if parts[0] == "ewad" and len(parts) > 1 and parts[1] in LEVELS}


def may_import(layer: str, other: str) -> bool:
    if (layer, other) in FORBIDDEN:
        return False
    return layer == other or (layer, other) in ALLOWED or LEVELS[other] < LEVELS[layer]


def identifier(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_every_module_has_its_place_in_the_order(path):
    assert layer_of(path) in {*LEVELS, "__init__"}


@pytest.mark.parametrize("path", [path for path in MODULES if layer_of(path) in LEVELS], ids=identifier)
def test_a_module_imports_only_from_layers_above_its_own(path):
    layer = layer_of(path)
    assert {other for other in layers_used(path) if not may_import(layer, other)} == set()


def test_the_package_itself_imports_nothing_but_what_it_gives():
    assert layers_used(PACKAGE / "__init__.py") <= {"errors", "numeric", "estimators"}


@pytest.mark.parametrize(
    "path", [path for path in MODULES if layer_of(path) in {"numeric", "engine"}], ids=identifier
)
def test_the_core_sees_no_clock_no_files_and_no_network(path):
    # asked for the offsets of moments that are given: a calendar, no clock
    calendar = {"datetime"} if identifier(path) == "numeric/local_time.py" else set()
    assert {name.split(".")[0] for name in imported(path)} & OUTSIDE == calendar


@pytest.mark.parametrize("path", [path for path in MODULES if layer_of(path) == "numeric"], ids=identifier)
def test_numeric_needs_nothing_but_numpy(path):
    top = {name.split(".")[0] for name in imported(path)}
    assert {name for name in top if name not in sys.stdlib_module_names} <= {"numpy", "ewad"}


def test_a_class_has_its_name_alone():
    trees = [ast.parse(path.read_text()) for path in MODULES]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} == set()


def test_a_file_can_be_read_in_one_go():
    assert {identifier(path) for path in MODULES if len(path.read_text().splitlines()) > 400} == set()


def test_an_import_is_found_wherever_it_hides(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / "numeric" / "bad.py"
    path.parent.mkdir()
    path.write_text(
        "import ewad.cli\n"
        "from ewad import daemon\n"
        "from ..ingest.topics import TopicTemplate\n"
        "def lazily():\n    from ewad.outputs import http\n"
    )
    assert layers_used(path) == {"cli", "daemon", "ingest", "outputs"}
