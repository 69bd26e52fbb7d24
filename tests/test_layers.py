"""The order of the layers: each module imports only from those above it, and no two in a circle."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ewad"

# From the ground up. Modules of one row know nothing of each other.
LAYERS = (
    ("errors",),
    ("kernels",),
    ("numeric",),
    ("engine",),
    ("config",),
    ("ingest",),
    ("store",),
    ("estimators",),
    ("outputs",),
    ("daemon", "training"),
    ("evaluation", "scale"),
    ("demonstration",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVELS = {name: level for level, row in enumerate(LAYERS) for name in row}

# Less than the order would allow.
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


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def layer_of(path: Path) -> str:
    """numeric/averages.py -> numeric, cli.py -> cli, ewad/__init__.py -> __init__."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def module_of(path: Path) -> str:
    """numeric/averages.py -> ewad.numeric.averages, numeric/__init__.py -> ewad.numeric."""
    return ".".join(("ewad", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of every module, or name in a module, that the file imports, wherever it does."""
    package = ("ewad", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layers_used(path: Path) -> set[str]:
    names = (name.split(".") for name in imported(path))
    return {parts[1] for parts in names if parts[0] == "ewad" and len(parts) > 1 and parts[1] in LEVELS}


def modules_used(path: Path, known: set[str]) -> Iterator[str]:
    """Yield the known modules that the file imports, or imports a name of."""
    for name in imported(path):
        found = name if name in known else name.rpartition(".")[0]
        if found in known:
            yield found


def circle(paths: list[Path]) -> list[str]:
    """Return the names of modules that import each other in a circle, empty where there is none."""
    known = {module_of(path) for path in paths}
    try:
        TopologicalSorter({module_of(path): set(modules_used(path, known)) for path in paths}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def may_import(layer: str, other: str) -> bool:
    return layer == other or ((layer, other) not in FORBIDDEN and LEVELS[other] < LEVELS[layer])


def identifier(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def of_layers(*layers: str) -> list[Path]:
    return [path for path in MODULES if layer_of(path) in layers]


def test_every_module_has_its_place_in_the_order():
    assert {layer_of(path) for path in MODULES} == {*LEVELS, "__init__"}


@pytest.mark.parametrize("layer", LEVELS)
def test_a_module_imports_only_from_layers_above_its_own(layer):
    wrong = {
        identifier(path): others
        for path in of_layers(layer)
        if (others := {other for other in layers_used(path) if not may_import(layer, other)})
    }
    assert wrong == {}


def test_no_modules_import_each_other_in_a_circle():
    assert circle(MODULES) == []


def test_the_package_itself_imports_nothing_but_what_it_gives():
    assert layers_used(PACKAGE / "__init__.py") <= {"errors", "numeric", "estimators"}


@pytest.mark.parametrize("path", of_layers("numeric", "engine"), ids=identifier)
def test_the_core_sees_no_clock_no_files_and_no_network(path):
    # moments that are given, and their offsets: a calendar, no clock
    calendars = ("numeric/local_time.py", "numeric/tables.py")
    calendar = {"datetime"} if identifier(path) in calendars else set()
    assert {name.split(".")[0] for name in imported(path)} & OUTSIDE == calendar


@pytest.mark.parametrize("path", of_layers("numeric"), ids=identifier)
def test_numeric_needs_nothing_but_numpy(path):
    top = {name.split(".")[0] for name in imported(path)}
    assert {name for name in top if name not in sys.stdlib_module_names} <= {"numpy", "ewad"}


def test_a_class_has_its_name_alone():
    nodes = (node for path in MODULES for node in ast.walk(tree_of(path)))
    names = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} == set()


def test_a_file_can_be_read_in_one_go():
    assert {identifier(path) for path in MODULES if len(path.read_text().splitlines()) > 400} == set()


def test_functions_are_mostly_short():
    nodes = (node for path in MODULES for node in ast.walk(tree_of(path)))
    lengths = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            code = node.body[ast.get_docstring(node) is not None :]
            lengths.append(node.end_lineno - code[0].lineno + 1 if code else 0)
    assert max(lengths) <= 60
    assert sum(length > 20 for length in lengths) <= 0.05 * len(lengths)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Give a package that is empty at first."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "numeric").mkdir()
    return tmp_path


def test_an_import_is_found_wherever_it_hides(package):
    path = package / "numeric" / "bad.py"
    path.write_text(
        "import ewad.cli\n"
        "from ewad import daemon\n"
        "from ..ingest.topics import TopicTemplate\n"
        "def lazily():\n    from ewad.outputs import http\n"
    )
    assert layers_used(path) == {"cli", "daemon", "ingest", "outputs"}


@pytest.mark.parametrize(
    ("last", "found"),
    [
        ("", set()),
        ("if TYPE_CHECKING:\n    from ewad.numeric.a import f", {"numeric.a", "numeric.b", "numeric.c"}),
        ("def g():\n    from ewad.numeric import a", {"numeric.a", "numeric.b", "numeric.c"}),
        ("from ewad.numeric import f", {"numeric", "numeric.a", "numeric.b", "numeric.c"}),
    ],
)
def test_a_circle_is_found_wherever_it_hides(package, last, found):
    texts = {
        "__init__": "from ewad.numeric.a import f",
        "a": "def f():\n    from . import b",
        "b": "from .c import g",
        "c": last,
    }
    for name, text in texts.items():
        (package / "numeric" / f"{name}.py").write_text(text)
    assert set(circle([*package.rglob("*.py")])) == {f"ewad.{name}" for name in found}
