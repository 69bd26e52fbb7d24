"""Several daemons that share the streams of a real broker, and state that moves with their number."""

import pytest

from tests.console import ewad
from tests.system import mosquitto
from tests.system.daemon import Daemon
from tests.system.numbered import TOPICS, NumberedPublisher
from tests.system.polling import until

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{sensor}/value"
format = "json"
field = "v"
time_field = "ts"
[state]
[shard]
"""


def daemon(directory, port, index, count):
    directory.mkdir(parents=True, exist_ok=True)
    url, shard = f"mqtt://127.0.0.1:{port}", f"count = {count}\nindex = {index}"
    return Daemon(directory, url, SETTINGS + shard, client_id="ewad")


def published(port, n):
    with NumberedPublisher(port) as publisher:
        until(lambda: publisher.sent >= n)
    return publisher.sent


@pytest.mark.slow
def test_daemons_share_the_streams_and_state_moves_with_their_number(tmp_path):
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        pair = [daemon(tmp_path / f"two-{i}", broker.port, i, 2) for i in range(2)]
        for each in pair:
            each.start()
            each.until_ready()
        sent = published(broker.port, 500)
        until(lambda: sum(each.total("ewad_samples_total") for each in pair) >= sent)
        assert sum(each.value("ewad_streams") for each in pair) == TOPICS
        assert sum(each.value("ewad_messages_received_total") for each in pair) == sent
        assert sum(each.value("ewad_messages_foreign_total") for each in pair) == sent
        assert [each.end() for each in pair] == [0, 0]

        three = [daemon(tmp_path / f"three-{i}", broker.port, i, 3) for i in range(3)]
        files = [tmp_path / f"two-{i}" / "ewad.db" for i in range(2)]
        done = ewad("state", "split", *files, "--into", tmp_path / "new", "-c", three[0].config)
        assert done.returncode == 0, done.stderr
        for i, each in enumerate(three):
            (tmp_path / "new" / f"shard-{i}.db").rename(each.config.with_name("ewad.db"))
            each.start()
        try:
            assert sum(each.total("ewad_samples_total") for each in three) == sent
            assert sum(each.value("ewad_streams") for each in three) == TOPICS
        finally:
            for each in three:
                each.kill()
        wrong = daemon(tmp_path / "two-0", broker.port, 0, 3)
        with pytest.raises(AssertionError, match=r"expected streams of shard 0 of 3, got .* of others"):
            wrong.start()
