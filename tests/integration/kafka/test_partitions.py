"""Where records of a topic with one partition go, while partitions are added to it."""

from __future__ import annotations

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from appliance.clock import ManualClock
from appliance.runtime.partitions import BY_KEY, GOOD_FOR_S, LOOK_AFTER, SinglePartitions
from tests.servers import BrokerAddress
from tests.waiting import wait_until


def test_added_partitions_are_used_soon_when_topic_had_one(
    broker: BrokerAddress, unique_name: str
) -> None:
    """The only partition is named; as soon as its time is over the key decides again."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(unique_name, 1, 1)])[unique_name].result(20)
    clock = ManualClock()
    single = SinglePartitions(Producer({"bootstrap.servers": broker.bootstrap}), clock)
    assert single.of(unique_name, LOOK_AFTER - 1) == BY_KEY
    assert single.of(unique_name, 1) == 0

    admin.create_partitions([NewPartitions(unique_name, 3)])[unique_name].result(20)
    wait_until(
        lambda: len(admin.list_topics(unique_name, 10).topics[unique_name].partitions) == 3,
        "the broker knows three partitions",
    )
    clock.advance(int(GOOD_FOR_S * 1000) - 1)
    assert single.of(unique_name, 1) == 0
    clock.advance(1)
    assert [single.of(unique_name, LOOK_AFTER) for _ in range(3)] == [BY_KEY] * 3


def test_key_decides_when_no_broker_answers() -> None:
    """A broker that is away is asked once in a while, not at every batch."""
    single = SinglePartitions(
        Producer({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}), ManualClock()
    )
    assert single.of("absent", LOOK_AFTER) == BY_KEY
    assert single.of("absent", LOOK_AFTER) == BY_KEY
