"""SIGHUP on the real daemon: new learning rates come into force, a bad configuration changes nothing."""

import signal

from tests.system.daemon import running
from tests.system.mosquitto import free_port

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/#"
model = "m"
[model.m]
experts = ["linear"]
learning_rate = 0.25
schedule = { kind = "constant" }
"""


def test_a_reload_sets_learning_rates_and_a_bad_one_keeps_the_old(tmp_path):
    with running(tmp_path, f"mqtt://127.0.0.1:{free_port()}", SETTINGS, ready=False) as daemon:
        daemon.until_value("ewad_learning_rate", 0.25)
        good = daemon.config.read_text()
        daemon.config.write_text(good.replace("0.25", "0.125"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until_value("ewad_learning_rate", 0.125)
        assert daemon.value("ewad_config_last_reload_successful") == 1

        daemon.config.write_text(good.replace("learning_rate", "learning_rat"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until_value("ewad_config_last_reload_successful", 0)
        assert daemon.value("ewad_learning_rate") == 0.125
        assert 'did you mean "learning_rate"' in daemon.stderr

        daemon.config.write_text(good.replace("plant/#", "plant/+"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until_value("ewad_learning_rate", 0.25)
        assert daemon.value("ewad_config_last_reload_successful") == 1
        assert "restart for the rest" in daemon.stderr
