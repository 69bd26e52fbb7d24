"""The manifests for Kubernetes: of its schemas, confined, and in agreement with the image and the daemon."""

import re
import subprocess

import pytest
import yaml

from docs.make_reference import kubernetes_rules
from ewad import config
from tests import components
from tests.deploy.building import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS = [FOLDER, FOLDER / "monitoring"]
VERSIONS = ("1.27", "1.34")  # the oldest that is promised, and one of the newest
CUSTOM = {"PodMonitor", "PrometheusRule"}  # the Prometheus Operator's


def resources(folder):
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [yaml.safe_load((folder / name).read_text()) for name in listed]


RESOURCES = {each["kind"]: each for folder in KUSTOMIZATIONS for each in resources(folder)}
POD = RESOURCES["StatefulSet"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


def test_every_manifest_of_the_folder_is_listed():
    for folder in KUSTOMIZATIONS:
        files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert files == set(yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", sorted(set(RESOURCES) - CUSTOM))
def test_a_manifest_is_of_the_schema_of_kubernetes(kind, version):
    kubernetes_validate = components.module("kubernetes_validate", "make docs")
    kubernetes_validate.validate(RESOURCES[kind], version, strict=True)


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda folder: folder.name)
def test_kustomize_builds_them(folder):
    kubectl = components.program("kubectl", "make docs")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert {each["metadata"].get("namespace", "ewad") for each in built} == {"ewad"}
    if folder == FOLDER:
        names = {each["metadata"]["name"] for each in built if each["kind"] == "ConfigMap"}
        sets = [each for each in built if each["kind"] == "StatefulSet"]
        volume = sets[0]["spec"]["template"]["spec"]["volumes"][0]
        assert {volume["configMap"]["name"]} == names  # with the digest of its content


def test_the_rules_are_those_of_prometheus():
    rules = (FOLDER / "monitoring" / "rules.yaml").read_text()
    assert rules == kubernetes_rules(), "run: make reference"
    alerts = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert yaml.safe_load(rules)["spec"] == alerts


def test_the_pod_is_confined_as_the_image_is():
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    user, group = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE).groups()
    context = POD["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
    assert context["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert POD["automountServiceAccountToken"] is False


def test_state_and_configuration_are_where_the_image_has_them():
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert f"VOLUME {mounts['state']}\n" in dockerfile
    assert f'"{mounts["configuration"]}/ewad.toml"]' in dockerfile
    claims = RESOURCES["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert [claim["metadata"]["name"] for claim in claims] == ["state"]
    assert f"EXPOSE {CONTAINER['ports'][0]['containerPort']}\n" in dockerfile


def test_probes_ask_what_the_daemon_answers():
    asked = {name: CONTAINER[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    assert asked == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_service_monitor_and_policy_mean_the_pod():
    labels = RESOURCES["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert RESOURCES["Service"]["spec"]["selector"] == labels
    assert RESOURCES["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert RESOURCES["PodMonitor"]["spec"]["selector"]["matchLabels"] == labels
    assert RESOURCES["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["port"] == CONTAINER["ports"][0]["name"]


def test_the_configuration_is_valid():
    assert config.load(FOLDER / "ewad.toml", {}).streams[0].name == "temperature"
