"""Software bills of materials, CycloneDX 1.6: what a wheel holds, and what an installation consists of.

`python deploy/sbom.py` prints that of the environment that runs it; hatch_build.py puts the other into each
wheel (PEP 770). Neither tells times or random numbers: the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

# What a wheel holds that is not ewad's own, and whose licence that is: samples/README.md tells more.
SAMPLES = {"ambient_temperature.csv": "MIT", "seattle_weather.csv": "LicenseRef-Public-Domain"}
CYTHON_LICENCE = "Apache-2.0"  # compiled kernels hold Cython's supporting code


def of_wheel(root: Path, own_version: str, compiled: bool, page: ModuleType) -> str:
    """Return the bill of a wheel that is built from the project in root.  page: the module fetch_uplot."""
    components = [
        {**_component(name, "", licence, "data"), **_digest(root / "samples" / name)}
        for name, licence in SAMPLES.items()
    ]
    script = _component(page.NAME, page.VERSION, page.LICENCE, registry="npm")
    components.append({**script, **_digest(root / page.FOLDER / page.SCRIPT)})
    if compiled:
        components.append(_component("cython", version("cython"), CYTHON_LICENCE))
    return _bill(_component("ewad", own_version, "MIT", "application"), components)


def of_environment() -> str:
    """Return the bill of all that is installed where this runs; ewad stands above the rest."""
    found = {each.name.lower(): each for each in distributions()}
    own = found.pop("ewad", None)
    components = [
        {**_component(name, each.version, ""), "licenses": _licences(each)}
        for name, each in sorted(found.items())
    ]
    components.append(_component("python", ".".join(map(str, sys.version_info[:3])), "PSF-2.0", "platform"))
    return _bill(_component("ewad", own.version if own else "", "MIT", "application"), components)


def _bill(subject: dict[str, Any], components: list[dict[str, Any]]) -> str:
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": subject},
        "components": components,
        "dependencies": [{"ref": subject["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]}],
    }
    return json.dumps(bill, indent=1) + "\n"


def _digest(path: Path) -> dict[str, Any]:
    """Return the digest of a file, as a bill has it; that of a file that is not there is told nowhere."""
    if not path.exists():  # an editable installation, whose page says so
        return {}
    return {"hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]}


def _component(
    name: str, own_version: str, licence: str, kind: str = "library", registry: str = "pypi"
) -> dict[str, Any]:
    told = {"type": kind, "bom-ref": f"{name}@{own_version}".rstrip("@"), "name": name}
    if own_version:
        told["version"] = own_version
    if kind in ("library", "application"):
        told["purl"] = f"pkg:{registry}/{told['bom-ref']}"
    return {**told, "licenses": [{"expression": licence}]} if licence else told


def _licences(each: Distribution) -> list[dict[str, Any]]:
    """Return its licence as it tells it: an SPDX expression where it has one, else a name."""
    told = each.metadata
    if told.get("License-Expression"):
        return [{"expression": told["License-Expression"]}]
    classes = [text.split(" :: ")[-1] for text in told.get_all("Classifier", []) if "License ::" in text]
    name = ", ".join(classes) or (told.get("License") or "unknown").splitlines()[0]
    return [{"license": {"name": name}}]


if __name__ == "__main__":
    sys.stdout.write(of_environment())
