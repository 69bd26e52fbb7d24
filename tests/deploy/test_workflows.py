"""The workflows: of their schema, without what lets others in, and in agreement with the project."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests import components
from tests.deploy.building import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tool(name, *arguments):
    """Run a tool of the extra `release`, which `make docs` installs."""
    command = components.program(name, "make docs")
    done = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_are_of_their_schema():
    tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)


def test_the_compose_file_is_of_its_schema():
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "deploy" / "compose.yaml")


def test_the_workflows_let_nobody_else_do_anything():
    tool("zizmor", "--offline", "--no-progress", *WORKFLOWS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_uses_is_named_by_its_content(path):
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    assert used
    for name, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


def test_every_python_that_wheels_are_built_for_is_tested():
    tested = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    versions = tested["jobs"]["test"]["strategy"]["matrix"]["python"]
    wheels = re.findall(r"cp3(\d+)-", PROJECT["tool"]["cibuildwheel"]["build"])
    assert [f"3.{minor}" for minor in wheels] == versions
    assert PROJECT["project"]["requires-python"] == f">={versions[0]}"


def test_every_tool_of_a_hook_before_commits_is_there():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    programs = {Path(hook["entry"].split()[0]).name for hook in hooks}
    assert programs == {"ruff", "mypy", "python"}
