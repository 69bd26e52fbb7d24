"""The examples of shards: each daemon has a number, a state and a session of its own, and all are scraped."""

import json
import os
from pathlib import Path

import yaml

from ewad import config
from ewad.ingest.mqtt.from_configuration import connection_settings

ROOT = Path(__file__).parents[2]
SHARDS = ROOT / "deploy" / "shards"
SERVICES = yaml.safe_load((SHARDS / "compose.yaml").read_text())["services"]
DAEMONS = {name: service for name, service in SERVICES.items() if name.startswith("ewad")}


def test_each_daemon_of_compose_is_one_shard_of_all():
    found = [
        config.load(ROOT / "samples" / "quickstart.toml", daemon["environment"])
        for daemon in DAEMONS.values()
    ]
    assert [(s.shard.index, s.shard.count) for s in found] == [(i, len(found)) for i in range(len(found))]
    for own in ([s.state.path for s in found], [connection_settings(s).client_id for s in found]):
        assert len({*own}) == len(found)


def test_prometheus_scrapes_every_shard():
    (job,) = yaml.safe_load((SHARDS / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{name}:9466" for name in DAEMONS]


def test_files_that_compose_mounts_exist():
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (SHARDS / source).exists(), volume


def test_the_patches_of_kubernetes_fit_the_single_daemons_set():
    kustomization = yaml.safe_load((SHARDS / "kustomization.yaml").read_text())
    base = (SHARDS / kustomization["resources"][0]).resolve()
    assert (base / "kustomization.yaml").exists()
    stateful_set = yaml.safe_load((base / "statefulset.yaml").read_text())
    patches = yaml.safe_load(kustomization["patches"][0]["patch"])
    added = {each["value"]["name"]: each["value"] for each in patches if each["path"].endswith("/env/-")}
    assert stateful_set["spec"]["replicas"] == 1
    assert "env" in stateful_set["spec"]["template"]["spec"]["containers"][0]
    replicas = next(each["value"] for each in patches if each["path"] == "/spec/replicas")
    assert added["EWAD_SHARD__COUNT"]["value"] == str(replicas)
    assert "pod-index" in json.dumps(added["EWAD_SHARD__INDEX"])
    environ = {"EWAD_SHARD__COUNT": "4", "EWAD_SHARD__INDEX": "3", "PATH": os.environ.get("PATH", "")}
    assert config.load(base / "ewad.toml", environ).shard.index == 3
