"""Compiles the kernels, ewad/kernels/*.py, and adds the page's library, when ewad is installed or built.

Each of them is a Python file with its C types beside it in a .pxd (Cython's pure Python mode). Without
Cython, a C compiler or Python's headers nothing is compiled: ewad then runs the same files interpreted, to
the same numbers, and slower. `python hatch_build.py` compiles in place what has changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # where it only compiles in place
    BuildHookInterface = object  # type: ignore[assignment, misc]

ROOT = Path(__file__).parent
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# cdivision: of floats as C has it; kernels divide no integers that may be negative or zero.
CYTHON = ["-3", "-X", "infer_types=True", "-X", "annotation_typing=False", "-X", "cdivision=True"]
# The same sums and products on every machine: none in another order, none fused. Nobody reads errno or traps,
# without which roots and choices could not be taken several at a time.
FLAGS = ["-O3", "-fPIC", "-fwrapv", "-DNDEBUG", "-fvisibility=hidden", "-w"]
EXACT = ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
# Kernels that are loops over many numbers are compiled a second time, into a folder of their own, for
# processors with AVX2: to the same numbers, four at a time instead of two. ewad/kernels/__init__.py chooses.
WIDE = {"AMD64": "avx2", "x86_64": "avx2"}.get(platform.machine(), "")
WIDE_KERNELS = ("algebra", "optimizers")
CIMPORTS = re.compile(rb"^(?:from [\w.]+ )?cimport (?:\([^)]*\)|[^\n]*)", re.MULTILINE)
SECONDS = 600  # for one file, on a busy machine


class CannotCompileError(Exception):
    """What is missing, in words."""


class Kernel(NamedTuple):
    """A source, and what it is compiled to: for any processor, or only for those of a folder's name."""

    source: Path
    only: str = ""

    @property
    def made(self) -> Path:
        """Where the compiled kernel lies."""
        return self.source.parent / self.only / (self.source.stem + SUFFIX)

    @property
    def flags(self) -> list[str]:
        """What the compiler is told."""
        return [*FLAGS, *EXACT, *([f"-m{self.only}"] if self.only else [])]


class EwadBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts into a package what the repository does not have, or beside its sources where it is editable."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch and compile; without any compiled kernel a wheel is one for all machines."""
        root = Path(self.root)
        self._fetch(root, version, build_data)
        if self.target_name != "wheel":
            return
        try:
            built = build(root)
        except CannotCompileError as error:
            self.app.display_warning(f"ewad: the kernels are not compiled and will run interpreted: {error}")
            built = []
        if built:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["artifacts"] += [f"/{path.relative_to(root).as_posix()}" for path in built]
        build_data["sbom_files"].append(_bill(root, self.metadata.version, bool(built)))

    def _fetch(self, root: Path, version: str, build_data: dict[str, Any]) -> None:
        library = _module(root / "fetch_uplot.py")
        names = library.SHIPPED if self.target_name == "wheel" else library.FILES
        build_data["artifacts"] += [f"/{(library.FOLDER / name).as_posix()}" for name in names]
        try:
            library.fetch(root)
        except library.CannotFetchError as error:
            told = f"ewad: the page will have no charts: {error}\n{library.REMEDY}"
            if version != "editable":
                self.app.abort(told)
            self.app.display_warning(told)


def _bill(root: Path, version: str, compiled: bool) -> str:
    """Write the wheel's bill of materials, and return where in the project it is."""
    path = root / "build" / "ewad.cdx.json"
    path.parent.mkdir(exist_ok=True)
    library = _module(root / "fetch_uplot.py")
    path.write_text(_module(root / "deploy" / "sbom.py").of_wheel(root, version, compiled, library))
    return path.relative_to(root).as_posix()


def _module(path: Path) -> ModuleType:
    """Load a script of the project, which is on no path while it is built."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"expected {path}, found none")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(root: Path = ROOT) -> list[Path]:
    """Compile each kernel that has changed, beside its source; return all of them.

    Raises CannotCompileError, and leaves none that is out of date, where something is missing.
    """
    kernels = root / "ewad" / "kernels"
    sources = [path for path in sorted(kernels.rglob("*.py")) if path.with_suffix(".pxd").exists()]
    sources = [path for path in sources if path.stem != "memory"]  # all of it is inline
    declared: dict[str, bytes] = {}
    for path in sorted(kernels.rglob("*.pxd")):
        declared[path.stem] = declared.get(path.stem, b"") + path.read_bytes()
    wide = [path for path in sources if WIDE and path.stem in WIDE_KERNELS]
    made = [*map(Kernel, sources), *(Kernel(path, WIDE) for path in wide)]
    keys = {each: _key(each, _declared_for(each.source.stem, declared)) for each in made}
    changed = [each for each in made if _stamp(root, each) != keys[each]]
    for path in kernels.rglob(f"*{SUFFIX}"):
        if path not in {each.made for each in made if each not in changed}:
            path.unlink()
    if changed:
        compiler = _compiler()
        n = os.cpu_count() or 1
        with ThreadPoolExecutor(n) as pool:
            translated = sorted({each.source for each in changed})
            list(pool.map(lambda paths: _translate(root, paths), _dealt(translated, n)))
            list(pool.map(lambda each: _compile(root, each, compiler, keys[each]), changed))
    return [each.made for each in made]


def _declared_for(name: str, declared: dict[str, bytes]) -> bytes:
    """Return the declarations that a kernel is compiled by: its own, and those of what they name."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        found[each] = None
        words = re.findall(rb"\w+", b" ".join(CIMPORTS.findall(declared[each])))
        waiting += {word.decode() for word in words} & declared.keys() - found.keys()
    return b"".join(declared[each] for each in sorted(found))


def _key(kernel: Kernel, declared: bytes) -> str:
    """Return what tells whether a source, or anything that it is compiled by, has changed."""
    settings = " ".join([*CYTHON, *kernel.flags, SUFFIX, sys.version]).encode()
    return hashlib.sha256(kernel.source.read_bytes() + declared + settings).hexdigest()


def _work_file(root: Path, kernel: Kernel, suffix: str) -> Path:
    """Return a file of this kernel under build/, for this Python."""
    place = root / "build" / f"kernels{SUFFIX}" / kernel.made.relative_to(root)
    return place.with_name(kernel.source.stem + suffix)


def _stamp(root: Path, kernel: Kernel) -> str:
    stamp = _work_file(root, kernel, ".key")
    return stamp.read_text() if stamp.exists() and kernel.made.exists() else ""


def _compiler() -> list[str]:
    """Return the command of a C compiler: what Python was built with, or another, or ziglang's."""
    if importlib.util.find_spec("Cython") is None:
        raise CannotCompileError("expected Cython (pip install cython), found none")
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        raise CannotCompileError(f"expected Python's headers in {include}, found none")
    own = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    for name in (own.split()[0], "cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise CannotCompileError("expected a C compiler (gcc, clang, or pip install ziglang), found none")


def _dealt(sources: list[Path], n: int) -> list[list[Path]]:
    """Deal the sources of each folder out to n processes: that Cython starts takes longer than a file."""
    folders = {path.parent: [each for each in sources if each.parent == path.parent] for path in sources}
    return [some for files in folders.values() for k in range(n) if (some := files[k::n])]


def _translate(root: Path, sources: list[Path]) -> None:
    """Let Cython write the C files of some sources of a folder."""
    folder = _work_file(root, Kernel(sources[0]), ".c").parent
    folder.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "cython", *CYTHON, "-o", f"{folder}/", *map(str, sources)], root)


def _compile(root: Path, kernel: Kernel, compiler: list[str], key: str) -> None:
    c_file, stamp = _work_file(root, Kernel(kernel.source), ".c"), _work_file(root, kernel, ".key")
    for place in (stamp, kernel.made):
        place.parent.mkdir(parents=True, exist_ok=True)
    link = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    made = stamp.with_suffix(".so")
    include = ["-I", sysconfig.get_path("include"), "-I", sysconfig.get_path("platinclude")]
    _run([*compiler, *kernel.flags, *include, *link, str(c_file), "-o", str(made)], root)
    shutil.move(made, kernel.made)
    stamp.write_text(key)


def _run(command: list[str], root: Path) -> None:
    done = subprocess.run(  # noqa: S603 - fixed programs on ewad's own files
        command, cwd=root, capture_output=True, text=True, timeout=SECONDS
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CannotCompileError(f"{' '.join(command[:4])} ... failed:\n{said}")


if __name__ == "__main__":
    try:
        print(f"{len(build())} kernels are compiled")
    except CannotCompileError as error:
        sys.exit(f"the kernels are not compiled: {error}")
