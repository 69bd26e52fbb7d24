"""The log in a topic of Kafka: exactly once, and shards that read it."""

import logging
from dataclasses import replace

import msgspec
import pytest
from confluent_kafka import KafkaException, Producer

from ewad.errors import ConfigError, StateError
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.scale import Record, Shard, kafka_log, kafka_shard
from ewad.scale import kafka as ewad_kafka
from ewad.scale.kafka_log import KafkaLog, parts
from ewad.scale.kafka_shard import KafkaShards
from ewad.scale.kafka_topic import kafka_topic, read_properties
from ewad.scale.log_thread import Job
from tests.scale.records import SETTINGS, record
from tests.system import kafka
from tests.system.mosquitto import free_port

pytestmark = pytest.mark.system
SHARDS = 2


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with kafka.running(tmp_path_factory.mktemp("kafka")) as found:
        yield found


@pytest.fixture
def topic(servers, request):
    return kafka_topic(f"kafka://{servers}/{request.node.name}")


def job(number, pubacks=(), arrival=1.0):
    """Return a commit of one record for each shard; its number is in the values."""
    one = record("plant", [0], [float(number)], [number])
    made = [replace(one, shard=shard, shards=SHARDS) for shard in range(SHARDS)]
    return Job(made, Acknowledgements(pubacks=list(pubacks)), arrival, lambda: None)


def opened(topic, session="gateway at mqtt://broker"):
    return KafkaLog(topic, session, SHARDS, {})


def values(topic, shard=0):
    return [float(each.value[0]) for each in kafka.records(topic.servers, topic.name, [shard])]


def test_the_broker_of_these_tests_keeps_apart_what_is_not_committed(servers):
    def begun():
        producer = Producer({"bootstrap.servers": servers, "transactional.id": "asked"})
        producer.init_transactions(kafka.SECONDS)
        producer.begin_transaction()
        return producer

    first = begun()
    first.produce("asked", b"open", partition=0)
    first.flush(kafka.SECONDS)
    second = begun()  # ends the first, and what that had begun
    second.produce("asked", b"committed", partition=0)
    second.commit_transaction(kafka.SECONDS)
    with pytest.raises(KafkaException, match="fenced"):
        first.commit_transaction(kafka.SECONDS)
    assert [data for _, data in kafka.messages(servers, "asked", 0)] == [b"committed"]


def test_a_commit_is_seen_whole_once_it_is_synced(topic):
    log = opened(topic)
    log.append(job(1, [5, 6]))
    assert values(topic) == []
    log.sync()
    log.append(job(2, [7]))
    log.append(job(3))
    log.close()
    assert values(topic, 0) == values(topic, 1) == [1.0, 2.0, 3.0]


def test_what_a_killed_gateway_left_open_is_in_no_record_and_in_no_note(topic):
    killed = opened(topic)
    killed.append(job(1, [5], arrival=10.0))
    killed.sync()
    killed.append(job(2, [6], arrival=20.0))
    killed._producer.flush(kafka.SECONDS)  # it is in the topic, uncommitted
    again = opened(topic)
    assert list(again.deliveries.taken) == [5]
    assert again.newest_arrival() == 10.0
    assert again.newest_arrival(9.0) is None
    again.append(job(3, [7]))
    again.close()
    assert values(topic) == [1.0, 3.0]
    assert list(opened(topic).deliveries.taken) == [5, 7]


def test_a_second_gateway_of_a_session_ends_the_first(topic):
    first, second = opened(topic), opened(topic)
    second.append(job(2))
    second.sync()
    first.append(job(1))
    with pytest.raises(StateError, match="fenced"):
        first.sync()
    assert values(topic) == [2.0]


def test_another_session_knows_nothing_of_this_one(topic):
    one, other = opened(topic), opened(topic, "other at mqtt://broker")
    one.append(job(1, [5]))
    one.sync()
    other.append(job(2, [9]))
    other.sync()
    assert list(opened(topic).deliveries.taken) == [5]
    assert list(opened(topic, "other at mqtt://broker").deliveries.taken) == [9]


def test_the_last_note_of_each_key_is_enough_at_any_commit(topic, monkeypatch):
    """As compaction leaves them: of each key its last message, in the order of the offsets."""
    monkeypatch.setattr(kafka_log, "RING", 3)
    log = opened(topic)
    for number in range(8):
        log.append(job(number, [number + 1]))
        log.sync()
        kept = {}
        for key, commit in kafka_log._read_notes(topic, {"bootstrap.servers": topic.servers}):
            kept.pop(key, None)
            kept[key] = commit
        assert len(kept) <= 3
        read = object.__new__(KafkaLog)
        read._recorded = log._recorded.__class__()
        for key, commit in kept.items():
            read._recover(key[1], commit)
        assert list(read._recorded.taken) == list(range(1, number + 2))
    again = opened(topic)
    assert list(again.deliveries.taken) == list(range(1, 9))
    assert again._turn == log._turn


def test_time_moves_without_changing_what_is_written(topic):
    log = opened(topic)
    log.append(job(1, arrival=100.0))
    log.move_times(-50.0, 60.0)
    assert log.newest_arrival() == 50.0
    log.close()


def test_a_large_record_goes_in_parts_that_give_the_same_bytes(monkeypatch):
    whole = record("plant", [3, 1, 3, 2, 1], [1.0, 2.0, 3.0, 4.0, 5.0], [5, 6, 7, 8, 9], tick=9.0)
    monkeypatch.setattr(kafka_log, "RECORD_BYTES", len(whole.encode()) // 2)
    pieces = [Record.decode(data) for data in parts(whole)]
    assert len(pieces) > 2
    assert all(len(piece.names) <= len(piece) for piece in pieces)
    shards = Shard(SETTINGS), Shard(SETTINGS)
    shards[0].apply(whole)
    for piece in pieces:
        shards[1].apply(piece)
    assert shards[0].dump() == shards[1].dump()


def test_a_topic_of_other_shards_is_refused(topic):
    opened(topic).close()
    with pytest.raises(ConfigError, match=r"expected a topic of 3 partitions, one for each shard .* got 2"):
        KafkaLog(topic, "gateway", 3, {})


def test_a_shard_goes_on_from_its_snapshot_and_ends_as_an_offline_replay(topic, tmp_path):
    log, offline = opened(topic), Shard(SETTINGS)
    for turn in range(3):
        for number in range(10 * turn, 10 * turn + 10):
            log.append(job(number))
            log.sync()
            offline.apply(job(number).records[0])
        with KafkaShards(topic, SETTINGS, tmp_path, [0, 1]) as shards:
            caught_up(shards, topic)
            assert shards.shards[0].dump() == offline.dump()
        (tmp_path / "shard-1").unlink()  # this one begins anew each time, and comes to the same


def caught_up(shards, topic):
    ends = {n: kafka.messages(topic.servers, topic.name, n)[-1][0] + 1 for n in shards.shards}
    while shards.offsets != ends:
        shards.take(1.0)


def test_all_rows_are_told_first_and_then_those_that_change(topic, tmp_path):
    log = opened(topic)
    log.append(job(1))
    log.sync()
    with KafkaShards(topic, SETTINGS, tmp_path, [0]) as shards:
        caught_up(shards, topic)
    with KafkaShards(topic, SETTINGS, tmp_path, [0]) as shards:
        assert {n: rows[0].tolist() for n, rows in shards.take(0.1).items()} == {0: [0]}
        assert shards.take(0.1) == {}


def test_a_snapshot_beyond_the_topic_is_told(topic, tmp_path):
    opened(topic).close()
    dump = Shard(SETTINGS).dump()
    snapshot = kafka_shard.KafkaSnapshot(topic.name, 0, 10, dump)
    (tmp_path / "shard-0").write_bytes(msgspec.msgpack.encode(snapshot))
    with pytest.raises(StateError, match="expected records from offset 10 on, where its snapshot ends"):
        KafkaShards(topic, SETTINGS, tmp_path, [0])


def test_a_snapshot_of_another_shard_is_refused(topic, tmp_path):
    opened(topic).close()
    snapshot = kafka_shard.KafkaSnapshot(topic.name, 1, 0, Shard(SETTINGS).dump())
    (tmp_path / "shard-0").write_bytes(msgspec.msgpack.encode(snapshot))
    with pytest.raises(StateError, match="expected shard 0 of topic"):
        KafkaShards(topic, SETTINGS, tmp_path, [0])
    (tmp_path / "shard-0").write_bytes(b"other")
    with pytest.raises(StateError, match="expected a shard's snapshot"):
        KafkaShards(topic, SETTINGS, tmp_path, [0])


@pytest.mark.parametrize("address", ["kafka://", "kafka://host:9092", "kafka:///topic", "kafka://host/a/b"])
def test_an_address_without_a_topic_is_refused(address):
    with pytest.raises(ConfigError, match="expected kafka://host:port/topic"):
        kafka_topic(address)


def test_an_address_may_name_several_brokers():
    assert kafka_topic("kafka://a:9092,b:9092/plant")[:2] == ("a:9092,b:9092", "plant")


def test_properties_are_read_from_a_file(tmp_path):
    path = tmp_path / "kafka.properties"
    path.write_text("# of the client\nsecurity.protocol = SASL_SSL\n\nsasl.password=a=b\n")
    assert read_properties(path) == {"security.protocol": "SASL_SSL", "sasl.password": "a=b"}
    path.write_text("secret\n")
    with pytest.raises(ConfigError, match=r'kafka\.properties:1: expected name=value, got "secret"'):
        read_properties(path)
    with pytest.raises(ConfigError, match="--kafka-properties"):
        read_properties(tmp_path / "none")


def test_a_broker_that_is_not_there_is_logged_in_one_line_by_ewad_itself(monkeypatch, caplog, capfd):
    monkeypatch.setattr(ewad_kafka, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(ewad_kafka, "ASKED_SECONDS", 0.5)
    monkeypatch.setattr(logging.getLogger("ewad.kafka"), "filters", [])  # none was told in tests before
    topic = kafka_topic(f"kafka://127.0.0.1:{free_port()}/plant")
    with pytest.raises(StateError, match=r"create topics: .*transport failure"):
        KafkaLog(topic, "gateway", SHARDS, {})
    told = [entry.getMessage() for entry in caplog.records if entry.name == "ewad.kafka"]
    assert len(told) == 1 and "Connection refused" in told[0], told
    assert "rdkafka" not in capfd.readouterr().err
