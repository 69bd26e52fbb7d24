"""SIGHUP and polling on the real daemon: what fits of the state goes on, and no message is lost."""

import signal
from pathlib import Path

import pytest

from ewad.engine import Engine, GroupSettings
from ewad.numeric.averages import ByCount
from tests.system import mosquitto
from tests.system.certificates import make_certificates
from tests.system.daemon import EWAD, Daemon, running
from tests.system.mosquitto import Mosquitto, free_port
from tests.system.numbered import TOPICS, NumberedPublisher, undisturbed
from tests.system.polling import until
from tests.system.publisher import publish

RATES = """
[[stream]]
name = "plant"
topic = "plant/#"
model = "m"
[model.m]
experts = ["linear"]
learning_rate = 0.25
schedule = { kind = "constant" }
"""
PLANT = """
[[stream]]
name = "plant"
topic = "plant/{sensor}/value"
beta = [0.9]
"""
NUMBERED = PLANT + 'format = "json"\nfield = "v"\ntime_field = "ts"\n'


def reload(daemon: Daemon, old: str, new: str) -> None:
    """Change the configuration, and have it read again."""
    text = daemon.config.read_text()
    assert old in text
    daemon.config.write_text(text.replace(old, new))
    seen = daemon.stderr.count("reload")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.stderr.count("reload") > seen, lambda: daemon.stderr)


def counted(daemon: Daemon) -> float:
    """Return the samples of all streams together."""
    return daemon.total("ewad_samples_total")


def test_a_reload_sets_learning_rates_and_a_bad_one_keeps_the_old(tmp_path):
    with running(tmp_path, f"mqtt://127.0.0.1:{free_port()}", RATES, ready=False) as daemon:
        daemon.until_value("ewad_learning_rate", 0.25)
        reload(daemon, "0.25", "0.125")
        daemon.until_value("ewad_learning_rate", 0.125)
        assert daemon.value("ewad_config_last_reload_successful") == 1
        reload(daemon, "learning_rate", "learning_rat")
        daemon.until_value("ewad_config_last_reload_successful", 0)
        assert daemon.value("ewad_learning_rate") == 0.125
        assert 'did you mean "learning_rate"' in daemon.stderr
        reload(daemon, "learning_rat ", "learning_rate ")
        daemon.until_value("ewad_config_last_reload_successful", 1)


@pytest.mark.system
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_certificates_renewed_under_the_same_path_are_taken_over(tmp_path: Path, version: str) -> None:
    made, renewed = make_certificates(tmp_path), tmp_path / "renewed.pem"
    renewed.write_bytes(made.other_ca.read_bytes())
    server = {"ca": made.ca, "cert": made.server_cert, "key": made.server_key}
    mqtt = [f'ca_file = "{renewed}"', f'version = "{version}"']
    with mosquitto.running(tmp_path / "broker", **server) as broker:
        url = f"mqtts://localhost:{broker.port}"
        with running(tmp_path, url, PLANT, ready=False, mqtt=mqtt) as daemon:
            until(lambda: "certificate verify failed" in daemon.get("/readyz")[1], lambda: daemon.stderr)
            assert daemon.get("/readyz")[0] == 503
            assert "certificate verify failed" in daemon.stderr
            renewed.write_bytes(made.ca.read_bytes())
            reload(daemon, "", "")
            daemon.until_ready()
            broker.publish("plant/a/value", "1", arguments=["--cafile", str(made.ca)])
            daemon.until_value("ewad_samples_total", 1.0)
            renewed.write_bytes(made.ca.read_bytes() + made.other_ca.read_bytes())
            reload(daemon, "", "")
            until(lambda: "session_present=true" in daemon.stderr, lambda: daemon.stderr)
            connections = broker.log.count(f"as {daemon.client_id} ")
            reload(daemon, "", "")  # nothing has changed
            renewed.write_text("nonsense")
            reload(daemon, "", "")
            daemon.until_value("ewad_config_last_reload_successful", 0)
            broker.publish("plant/a/value", "2", arguments=["--cafile", str(made.ca)])
            daemon.until_value("ewad_samples_total", 2.0)
            assert broker.log.count(f"as {daemon.client_id} ") == connections
        assert f"mqtt.ca_file: {renewed}: expected PEM certificates" in daemon.stderr


@pytest.mark.system
class TestWithABroker:
    @pytest.fixture
    def broker(self, tmp_path: Path):
        with mosquitto.running(tmp_path / "broker", options=["max_queued_messages 0"]) as started:
            yield started

    @pytest.mark.parametrize("state", ["", '[state]\npath = "ewad.db"\n'], ids=["in memory", "in a file"])
    def test_blocks_betas_and_models_change_under_load_and_nothing_is_lost(
        self, tmp_path: Path, broker: Mosquitto, state: str
    ) -> None:
        with running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", NUMBERED + state) as daemon:
            with NumberedPublisher(broker.port) as publisher:
                until(lambda: counted(daemon) > 500)
                reload(daemon, "beta = [0.9]", "beta = [0.98, 0.9]")
                until(lambda: len(daemon.samples()["ewad_smoothed_value"]) == 2 * TOPICS)
                reload(daemon, 'name = "plant"', 'name = "boilers"\nmodel = "m"')
                daemon.until_value("ewad_config_last_reload_successful", 0)  # no such model
                text = daemon.config.read_text() + "[model.m]\n" + 'experts = ["linear"]\nlags = 3\n'
                daemon.config.write_text(text)
                reload(daemon, "lags = 3", "lags = 4")
                until(lambda: len(daemon.samples().get("ewad_forecast_value", {})) == TOPICS)
                # a block before the others: groups change their numbers, and the subscription changes
                reload(daemon, "[[stream]]", '[[stream]]\nname = "extra"\ntopic = "extra/#"\n[[stream]]')
                before = counted(daemon)
                until(lambda: counted(daemon) > before)
            until(
                lambda: counted(daemon) == publisher.sent,
                lambda: f"{counted(daemon)} of {publisher.sent}\n{daemon.stderr}",
            )
        assert "group plant: is now boilers, of the same topics" in daemon.stderr

    def test_a_kill_between_a_reload_and_its_snapshot_loses_and_doubles_nothing(
        self, tmp_path: Path, broker: Mosquitto
    ) -> None:
        settings = NUMBERED + '[state]\npath = "ewad.db"\nsnapshot_interval = "1h"\n'
        url = f"mqtt://127.0.0.1:{broker.port}"
        command = (*EWAD[:-1], "tests.system.crashing")
        # of the snapshots the first one is written at the start, the second one by the reload
        daemon = Daemon(
            tmp_path, url, settings, command=command, environ={"CRASH_AT": "before_snapshot_ends:2"}
        )
        daemon.start()
        try:
            daemon.until_ready()
            with NumberedPublisher(broker.port) as publisher:
                until(lambda: counted(daemon) > 500)
                changed = daemon.config.read_text().replace("beta = [0.9]", "beta = [0.98, 0.9]")
                daemon.config.write_text(changed)
                daemon.process.send_signal(signal.SIGHUP)
                until(lambda: daemon.process.poll() == -signal.SIGKILL, lambda: daemon.stderr)
            del daemon.environ["CRASH_AT"]
            daemon.start()
            daemon.until_total("ewad_samples_total", publisher.sent)
            smoothed = daemon.samples()["ewad_smoothed_value"]
            assert daemon.end() == 0, daemon.stderr
        finally:
            daemon.kill()
        expected = undisturbed(Engine([GroupSettings("plant", (ByCount(0.9),))]), publisher.sent)
        group = expected.groups[0]
        for name, value in zip(
            group.streams.names, group.averages[0].mean[: len(group.streams)], strict=True
        ):
            (found,) = (v for key, v in smoothed.items() if {("stream", name), ("beta", "0.9")} <= set(key))
            assert found == pytest.approx(value, rel=1e-9)

    def test_a_changed_topic_takes_others_in_and_lets_streams_of_the_old_one_go(
        self, tmp_path: Path, broker: Mosquitto
    ) -> None:
        settings = '[[stream]]\nname = "plant"\ntopic = ["a/{room}", "b/{room}"]\n'
        with running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings) as daemon:
            publish(broker.port, [("a/1", b"1"), ("b/1", b"2")])
            daemon.until_value("ewad_value", 2.0, stream="b/1")
            reload(daemon, '["a/{room}", "b/{room}"]', '["b/{place}", "c/{place}"]')
            daemon.until_ready()
            publish(broker.port, [("a/1", b"7"), ("b/1", b"8"), ("c/1", b"9")])
            daemon.until_value("ewad_value", 9.0, stream="c/1", place="1")
            assert daemon.value("ewad_samples_total", stream="b/1", place="1") == 2
            assert daemon.value("ewad_streams") == 2
            assert "no topic of theirs is left group=plant streams=1" in daemon.stderr

    def test_another_broker_is_connected_to(self, tmp_path: Path, broker: Mosquitto) -> None:
        with (
            mosquitto.running(tmp_path / "other") as other,
            running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", PLANT) as daemon,
        ):
            publish(broker.port, [("plant/a/value", b"1")])
            daemon.until_value("ewad_value", 1.0)
            reload(daemon, str(broker.port), str(other.port))
            daemon.until_ready()
            until(lambda: f"connected url=mqtt://127.0.0.1:{other.port}" in daemon.stderr)
            publish(other.port, [("plant/a/value", b"2")])
            daemon.until_value("ewad_value", 2.0)
            assert daemon.value("ewad_samples_total") == 2

    def test_the_address_of_the_metrics_changes_and_one_in_use_keeps_the_old(
        self, tmp_path: Path, broker: Mosquitto
    ) -> None:
        with running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", PLANT) as daemon:
            reload(daemon, "127.0.0.1:0", f"127.0.0.1:{broker.port}")  # taken
            daemon.until_value("ewad_config_last_reload_successful", 0)
            free = free_port()
            reload(daemon, f'listen = "127.0.0.1:{broker.port}"', f'listen = "127.0.0.1:{free}"')
            daemon.address = f"127.0.0.1:{free}"
            daemon.until_value("ewad_config_last_reload_successful", 1)

    def test_a_changed_file_is_noticed_without_a_signal_where_polling_is_set(
        self, tmp_path: Path, broker: Mosquitto
    ) -> None:
        settings = RATES + '[reload]\npoll = "1s"\n'
        with running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings) as daemon:
            text = daemon.config.read_text()
            daemon.config.write_text(text.replace("0.25", "0.5"))
            daemon.until_value("ewad_learning_rate", 0.5)
            daemon.config.write_text("broken")
            daemon.until_value("ewad_config_last_reload_successful", 0)
            daemon.config.write_text(text)
            daemon.until_value("ewad_learning_rate", 0.25)
            daemon.until_value("ewad_config_last_reload_successful", 1)
            assert daemon.stderr.count("reload failed") == 1

    def test_after_a_restart_with_another_configuration_what_fits_of_the_state_goes_on(
        self, tmp_path: Path, broker: Mosquitto
    ) -> None:
        settings = PLANT + f'[state]\npath = "{tmp_path / "ewad.db"}"\n'
        url = f"mqtt://127.0.0.1:{broker.port}"
        with running(tmp_path, url, settings) as daemon:
            publish(broker.port, [("plant/a/value", b"1"), ("plant/a/value", b"2")])
            daemon.until_value("ewad_samples_total", 2.0)
            smoothed = daemon.value("ewad_smoothed_value", beta="0.9")
        changed = '[[stream]]\nname = "extra"\ntopic = "extra/#"\n' + settings.replace(
            "beta = [0.9]", "beta = [0.5, 0.9]"
        ).replace('"plant"', '"boilers"')
        for _ in range(2):  # the second start reads what the first one wrote
            with running(tmp_path, url, changed) as daemon:
                assert daemon.value("ewad_samples_total", group="boilers") == 2
                assert daemon.value("ewad_smoothed_value", beta="0.9") == smoothed
