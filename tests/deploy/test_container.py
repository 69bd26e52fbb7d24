"""The container image and the compose file. No engine is needed: they are read, not run."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines()]


def final_stage() -> dict[str, str]:
    everything = instructions()
    start = max(index for index, (name, _) in enumerate(everything) if name == "FROM")
    return dict(everything[start:])


def copied_sources() -> list[str]:
    words = [shlex.split(argument) for name, argument in instructions() if name == "COPY"]
    return [source for copy in words if not copy[0].startswith("--from") for source in copy[:-1]]


@pytest.mark.parametrize("source", copied_sources())
def test_what_the_image_copies_exists_and_is_not_ignored(source):
    assert (ROOT / source).exists()
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    assert f"!{source}" in ignore


def test_dependencies_are_installed_by_hash_and_the_project_without_any():
    commands = " && ".join(argument for name, argument in instructions() if name == "RUN")
    assert "--require-hashes -r requirements.txt" in commands
    assert "--require-hashes -r requirements-build.txt" in commands
    assert "pip wheel --no-deps --no-build-isolation" in commands
    assert "pip install --no-deps /src/wheels/*.whl" in commands


def test_an_image_without_compiled_kernels_is_not_built():
    (command,) = (argument for name, argument in instructions() if name == "RUN" and "pip wheel" in argument)
    assert command.startswith("/opt/build/bin/python hatch_build.py && /opt/build/bin/pip wheel")


def test_kernels_that_a_checkout_has_compiled_stay_out_of_the_image():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore.index("**/*.so") > ignore.index("!ewad")


def test_a_command_in_the_container_finds_the_configuration_by_itself():
    *_, path = json.loads(final_stage()["CMD"])
    assert path == f"{final_stage()['WORKDIR']}/ewad.toml"


def test_what_the_image_is_built_with_is_what_a_checkout_is():
    pins, checked = (
        set((ROOT / name).read_text().split("\n"))
        for name in ("requirements-build.txt", "requirements-dev.txt")
    )
    assert pins <= checked
    assert any(line.startswith("hatchling==") for line in pins)


def test_the_image_runs_as_a_numbered_user_who_is_not_root():
    user, group = final_stage()["USER"].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_image_asks_itself_whether_it_is_well():
    healthcheck = final_stage()["HEALTHCHECK"]
    command = json.loads(healthcheck[healthcheck.index("CMD") + 3 :])
    assert command == ["python", "/opt/ewad/healthcheck.py"]
    assert "deploy/docker/healthcheck.py" in copied_sources()


def test_the_image_runs_the_daemon_on_its_configuration_and_says_what_it_is():
    stage = final_stage()
    assert json.loads(stage["ENTRYPOINT"]) == ["ewad"]
    assert json.loads(stage["CMD"]) == ["run", "-c", "/etc/ewad/ewad.toml"]
    assert stage["EXPOSE"] == "9466"
    assert "org.opencontainers.image.title" in stage["LABEL"]


def test_every_file_that_compose_mounts_or_builds_from_exists():
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    sources = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    build = SERVICES["ewad"]["build"]
    assert len(sources) >= 5
    assert [source for source in sources if not (DEPLOY / source).exists()] == []
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


@pytest.mark.parametrize("service", SERVICES)
def test_a_published_port_is_open_to_this_host_only(service):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service]["ports"])


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_a_fixed_version(service):
    image = SERVICES[service].get("image", "built:here")
    assert ":" in image
    assert not image.endswith(":latest")


def test_ewad_is_confined_and_listens_where_the_port_is_published():
    ewad = SERVICES["ewad"]
    assert ewad["read_only"] is True
    assert ewad["cap_drop"] == ["ALL"]
    assert ewad["security_opt"] == ["no-new-privileges:true"]
    assert ewad["environment"]["EWAD_HTTP__LISTEN"] == "0.0.0.0:9466"


def test_state_is_kept_in_a_volume_that_the_images_user_owns():
    path = SERVICES["ewad"]["environment"]["EWAD_STATE__PATH"]
    assert f"ewad:{Path(path).parent}" in SERVICES["ewad"]["volumes"]
    assert "ewad" in COMPOSE["volumes"]
    assert f'EWAD_STATE__PATH="{path}"' in final_stage()["ENV"]
    assert final_stage()["VOLUME"] == str(Path(path).parent)
    user, group = final_stage()["USER"].split(":")
    assert final_stage()["RUN"] == f"install -d -m 700 -o {user} -g {group} {Path(path).parent}"
