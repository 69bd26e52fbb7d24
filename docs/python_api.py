"""The page of the Python API: signatures and docstrings of the source, read, not imported.

So the adapters need none of the libraries that they are for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ewad import PLACES

ROOT = Path(__file__).parent.parent
# what is promised by `ewad.__all__`, then what comes with it
NAMES = {f"ewad.{name}": f"{module}.{name}" for name, module in PLACES.items()} | {
    name: name
    for name in (
        "ewad.estimators.forecaster.Prediction",
        "ewad.estimators.river.RiverForecaster",
        "ewad.estimators.sktime.SktimeForecaster",
        "ewad.estimators.nixtla.forecast",
    )
}
INHERITED = {"Estimator": "ewad.estimators.base.Estimator"}  # whose methods are the class's own to a user
FOR_CHECKS = {"get_test_params"}  # what only a library's own checks call
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_api() -> Iterator[str]:
    """Yield a part for each name: how it is called, and what its docstring says."""
    for shown, place in NAMES.items():
        found = definition(place)
        yield from (f"## {shown}", "")
        if isinstance(found, ast.ClassDef):
            yield from of_class(found)
        else:
            yield from of_function(found)


def definition(place: str) -> ast.ClassDef | Function:
    """Return what stands at a place such as ewad.numeric.offline.ewa. Raises LookupError."""
    module, _, name = place.rpartition(".")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and node.name == name:
            return node
    raise LookupError(f"expected {name} in {module}, found none")


def of_class(found: ast.ClassDef) -> Iterator[str]:
    """Yield how it is made, its docstring, and its public methods, those that it inherits last."""
    methods = [node for node in found.body if isinstance(node, Function)]
    made = next((node for node in methods if node.name == "__init__"), None)
    fields = [node for node in found.body if isinstance(node, ast.AnnAssign) and made is None]
    if made is not None:
        yield from signature(found.name, made)
    elif fields:
        yield from (f"    {found.name}({', '.join(ast.unparse(field) for field in fields)})", "")
    yield from (*docstring(found), "")
    bases = [base.id for base in found.bases if isinstance(base, ast.Name)]
    own = {node.name for node in methods}
    for base in bases:
        if base in INHERITED:
            further = definition(INHERITED[base])
            methods += [node for node in further.body if isinstance(node, Function) and node.name not in own]
            yield from (*docstring(further), "")
    for method in methods:
        if not method.name.startswith("_") and method.name not in FOR_CHECKS:
            yield from (f"### {found.name}.{method.name}", "", *of_function(method))


def of_function(found: ast.ClassDef | Function) -> Iterator[str]:
    """Yield how it is called, and its docstring."""
    assert not isinstance(found, ast.ClassDef)  # noqa: S101 (a class goes another way)
    kinds = {ast.unparse(each) for each in found.decorator_list}
    if "property" in kinds:
        yield from (f"    {found.name}{returned(found, ': ')}", "")
    else:
        yield from signature(found.name, found)
    if "classmethod" in kinds:
        yield from ("A class method.", "")
    yield from (*docstring(found), "")


def signature(name: str, function: Function) -> Iterator[str]:
    """Yield the call with types and defaults, a parameter a line where one line does not hold them."""
    given = list(parameters(function.args))
    end = returned(function) if name == function.name else ""
    line = f"    {name}({', '.join(given)}){end}"
    if len(line) <= 110:
        yield from (line, "")
    else:
        yield from (f"    {name}(", *(f"        {each}," for each in given), f"    ){end}", "")


def parameters(given: ast.arguments) -> Iterator[str]:
    """Yield each parameter with its type and default, but not the instance or class itself."""
    plain = [*given.posonlyargs, *given.args]
    missing = len(plain) - len(given.defaults)
    for argument, default in zip(plain, [*[None] * missing, *given.defaults], strict=True):
        if argument.arg not in ("self", "cls"):
            yield parameter(argument, default)
    if given.kwonlyargs and not given.vararg:
        yield "*"
    if given.vararg:
        yield f"*{parameter(given.vararg, None)}"
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield parameter(argument, default)
    if given.kwarg:
        yield f"**{parameter(given.kwarg, None)}"


def parameter(argument: ast.arg, default: ast.expr | None) -> str:
    """Return one as it would be written."""
    typed = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    return f"{argument.arg}{typed}" + (f" = {ast.unparse(default)}" if default else "")


def returned(function: Function, before: str = " -> ") -> str:
    """Return its type of result as it would be written, if it has one."""
    return f"{before}{ast.unparse(function.returns)}" if function.returns else ""


def docstring(found: ast.ClassDef | Function) -> list[str]:
    """Return its lines up to an example, which stands on a page. Raises LookupError where there is none."""
    text = ast.get_docstring(found)
    if not text:
        raise LookupError(f"expected a docstring of {found.name}, found none")
    return text.partition("\nExamples\n")[0].rstrip().splitlines()
