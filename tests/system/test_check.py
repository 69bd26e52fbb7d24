"""`ewad check --connect` against a real mosquitto."""

import asyncio
from pathlib import Path

import pytest

from ewad import config
from ewad.commands import check
from tests.system.mosquitto import running

pytestmark = pytest.mark.system


def test_the_check_takes_no_messages_from_a_group_that_shares_a_subscription(tmp_path: Path) -> None:
    with running(tmp_path, options=["log_type subscribe"]) as broker:
        document = {
            "mqtt": {"url": f"mqtt://{broker.host}:{broker.port}"},
            "stream": [{"name": "a", "topic": ["$share/g/t/{x}", "u/#"]}],
        }
        asyncio.run(check._connect(config.parse(document, "test", {})))
        subscribed = [line.split()[-1] for line in broker.log.splitlines() if "-check-" in line]
    assert subscribed == ["t/+", "u/#"]
