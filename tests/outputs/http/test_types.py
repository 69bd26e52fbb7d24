"""The modules of the page, as the compiler of TypeScript sees them: JavaScript with types in its comments."""

import json
import subprocess

import pytest

from ewad.outputs.http.page import FOLDER, VENDOR
from tests import components, npm

TYPESCRIPT = "typescript@5.9.3"
SHA512 = (
    "8e5d6f6733c38a72ebf5e52ddc9feded5e8580d130f508ef04f772b33f4a7d00"
    "c3e357d0ac2d98e2f290762694a454f86d795bd511e12e9a7cc2d9ba3394e04b"
)
OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "noEmit": True,
    "strict": False,  # most parameters have no type of their own: they are documents of the API
    "target": "es2022",
    "module": "es2022",
    "lib": ["es2023", "dom", "dom.iterable"],
    "types": [],
    "allowUmdGlobalAccess": True,  # uPlot, by its own types
}


@pytest.mark.slow
def test_the_compiler_finds_no_fault(tmp_path):
    npm.require_uplot()
    node = components.program("node", "Debian's package nodejs")
    compiler = npm.package(TYPESCRIPT, SHA512, tmp_path) / "lib" / "tsc.js"
    project = tmp_path / "tsconfig.json"
    project.write_text(
        json.dumps({"compilerOptions": OPTIONS, "include": [f"{FOLDER}/*.js", f"{VENDOR}/*.d.ts"]})
    )
    done = subprocess.run([node, compiler, "-p", project], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
