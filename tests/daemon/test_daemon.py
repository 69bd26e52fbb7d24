"""What the daemon itself decides; its life as a process is told in tests/system."""

from types import SimpleNamespace

import pytest

from ewad import config
from ewad.daemon.daemon import Daemon
from ewad.errors import ConfigError
from ewad.ingest.mqtt.deliveries import Acknowledgements

DOCUMENT = {"stream": [{"name": "plant", "topic": "plant/#"}], "http": {"listen": "127.0.0.1:0"}}


def message(payload):
    return SimpleNamespace(topic="plant/a", payload=payload, retain=False)


def test_a_clock_that_is_set_back_makes_no_sample_an_old_one():
    daemon = Daemon(config.parse(DOCUMENT, "test", {}))
    for arrival in (1000.0, 990.0, 999.99, 400.0, 1001.0):
        daemon.committer.consume([message(b"1")], arrival)
        daemon.committer.commit(Acknowledgements(), lambda: None)
    group = daemon.engine.groups[0]
    assert group.count[0] == 5
    assert group.out_of_order == 0
    assert group.time[0] == group.seen[0] == 1001.0


def test_a_model_that_cannot_be_read_is_a_fault_of_the_configuration(tmp_path):
    (tmp_path / "model.npz").write_bytes(b"no model")
    document = DOCUMENT | {"model": {"m": {"start_from": str(tmp_path / "model.npz")}}}
    document["stream"] = [DOCUMENT["stream"][0] | {"model": "m"}]
    with pytest.raises(ConfigError, match=r"model\.m\.start_from: .*model\.npz: expected a model of ewad"):
        Daemon(config.parse(document, "test", {}))
