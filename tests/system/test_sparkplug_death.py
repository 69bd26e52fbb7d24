"""Deaths of Sparkplug nodes, as a broker tells them: by the will that a node has left there."""

import json
from pathlib import Path

import pytest

from tests.ingest.formats.test_sparkplug import life, metric, payload
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

BLOCK = """
[[stream]]
name = "plant"
topic = "spBv1.0/{group_id}/+/{edge_node}/#"
format = "sparkplug"
"""
NODE, DEVICE = "spBv1.0/plant/{}/press", "spBv1.0/plant/{}/press/motor"
SPEED = metric(name="Speed", value=(10, 7))


def shown(daemon: daemons.Daemon) -> set[str]:
    return {dict(labels)["stream"] for labels in daemon.samples().get("ewad_value", {})}


def stale(daemon: daemons.Daemon) -> list[str]:
    _, text = daemon.get("/api/v1/streams")
    found = json.loads(text)["streams"]
    return sorted(each["stream"] for each in found if each["stale"])


def test_streams_of_a_dead_node_are_stale_at_once_and_after_a_kill_until_it_is_born_again(
    tmp_path: Path,
) -> None:
    node, device = NODE.format("NDATA") + "/Speed", DEVICE.format("DDATA") + "/Speed"
    settings = BLOCK + f'[state]\npath = "{tmp_path / "ewad.db"}"\n'
    births = [
        (NODE.format("NBIRTH"), payload(SPEED, life(1))),
        (DEVICE.format("DBIRTH"), payload(SPEED, sequence=1)),
    ]
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path / "daemon", url, settings) as daemon:
            publish(broker.port, births)
            until(lambda: shown(daemon) == {node, device}, lambda: daemon.stderr)
            publish(broker.port, [(DEVICE.format("DDEATH"), payload(sequence=2))])
            until(lambda: shown(daemon) == {node}, lambda: daemon.stderr)
            publish(broker.port, [(NODE.format("NDEATH"), payload(life(1)))])
            until(lambda: shown(daemon) == set(), lambda: daemon.stderr)
            assert stale(daemon) == sorted([node, device])
            daemon.kill()
            daemon.start()
            daemon.until_ready()
            assert stale(daemon) == sorted([node, device])
            publish(broker.port, births[:1])
            until(lambda: shown(daemon) == {node}, lambda: daemon.stderr)
            assert stale(daemon) == [device]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_node_is_asked_for_its_births_where_that_is_allowed(tmp_path: Path, allowed: bool) -> None:
    data = payload(metric(alias=1, value=(10, 5)))
    settings = BLOCK + f"[publish]\nrebirth = {str(allowed).lower()}\n"
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path / "daemon", url, settings) as daemon:
            publish(broker.port, [(NODE.format("NDATA"), data)])
            daemon.until_value("ewad_messages_rejected_total", 1.0, reason="unknown_alias")
            if allowed:  # the command comes back: the block takes all messages of the node
                daemon.until_total("ewad_messages_absent_total", 1.0)
            publish(broker.port, [(NODE.format("NBIRTH"), payload(SPEED))])
            daemon.until_value("ewad_samples_total", 1.0, stream=NODE.format("NDATA") + "/Speed")
            assert daemon.total("ewad_messages_absent_total") == float(allowed)
            assert (f'births asked for topic="{NODE.format("NCMD")}"' in daemon.stderr) == allowed
