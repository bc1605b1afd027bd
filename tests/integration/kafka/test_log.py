"""KafkaBasedLog on a real broker."""

from __future__ import annotations

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from appliance.kafka.log import LogClients, LogTopic


def test_log_is_read_from_its_first_record_when_the_broker_deleted_those_before(
    broker, unique_name
):
    """A partition that no longer begins at 0 is read to its end; an empty one holds nothing up."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(unique_name, 2, 1)])[unique_name].result(20)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(5):
        producer.produce(unique_name, f"{number}", "k", 0)
    producer.flush(20)
    for done in admin.delete_records([TopicPartition(unique_name, 0, 3)]).values():
        done.result(20)
    found = []
    clients = LogClients({"bootstrap.servers": broker.bootstrap})
    log = clients.log(LogTopic(unique_name, "test", partitions=2, cleanup_policy="delete"))
    log.subscribe(lambda _key, value, offset: found.append((offset, value)))

    clients.start(30)
    clients.stop()

    assert found == [(3, b"3"), (4, b"4")]
