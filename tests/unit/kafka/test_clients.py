"""Client settings: Java's names in, librdkafka's out."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config.connector import ConnectorConfig
from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError
from appliance.kafka.clients import (
    connector_admin,
    connector_consumer,
    connector_producer,
    sink_group,
    translated,
)

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
WORKER = {
    "bootstrap.servers": "b:1",
    "group.id": "g",
    "key.converter": "k",
    "value.converter": "v",
    "config.storage.topic": "c",
    "offset.storage.topic": "o",
    "status.storage.topic": "s",
}


def settings(kind, worker=None, **connector):
    texts = {"name": "x", "connector.class": "y", "topics": "t", **connector}
    config = ConnectorConfig(texts, "sink" if kind == "consumer" else "source")
    make = {
        "producer": connector_producer,
        "consumer": connector_consumer,
        "admin": connector_admin,
    }
    return make[kind](WorkerConfig({**WORKER, **(worker or {})}), config, "id")


def test_producer_keeps_order_and_partitions_of_java_by_default() -> None:
    """Idempotent, five requests in flight, no delivery time-out, murmur2."""
    found = settings("producer")
    assert found["enable.idempotence"] == "true"
    assert found["max.in.flight.requests.per.connection"] == "5"
    assert found["delivery.timeout.ms"] == 0
    assert found["partitioner"] == "murmur2_random"
    assert found["client.id"] == "id"


def test_buffer_follows_batch_and_message_size_unless_it_is_given() -> None:
    """Three batches may wait, and always two of the largest messages."""

    def kilobytes(**worker):
        given = {f"producer.{name.replace('_', '.')}": value for name, value in worker.items()}
        return settings("producer", worker=given)["queue.buffering.max.kbytes"]

    assert kilobytes() == 3_000_000 // 1024
    assert kilobytes(batch_size="2000000") == 6_000_000 // 1024
    assert kilobytes(max_request_size="10485760") == 20480
    assert kilobytes(buffer_memory="33554432", batch_size="16384") == 32768


def test_overrides_win_over_the_workers_and_those_over_defaults() -> None:
    """Connector, then worker's `producer.`, then ours."""
    found = settings(
        "producer",
        {"producer.linger.ms": "20", "producer.compression.type": "lz4"},
        **{"producer.override.linger.ms": "7", "producer.override.max.request.size": "99999"},
    )
    assert found["linger.ms"] == "7"
    assert found["compression.type"] == "lz4"
    assert found["message.max.bytes"] == "99999"


def test_idempotence_yields_when_a_user_asks_for_fewer_acknowledgements() -> None:
    """As in Java, a conflicting wish turns it off; an explicit one stays."""
    assert settings("producer", **{"producer.override.acks": "1"})["enable.idempotence"] == "false"


def test_bare_options_reach_admin_clients_only() -> None:
    """Connectors' producers and consumers do not inherit the worker's own login."""
    worker = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    worker["sasl.jaas.config"] = f'{PLAIN} required username="u" password="p\\"w";'
    found = settings("admin", worker)
    assert (found["sasl.username"], found["sasl.password"]) == ("u", 'p"w')
    assert "security.protocol" not in settings("producer", worker)


def test_consumer_group_is_connects_unless_overridden() -> None:
    """`connect-<name>`, or what `consumer.override.group.id` says."""
    assert settings("consumer")["group.id"] == "connect-x"
    found = settings("consumer", **{"consumer.override.group.id": "mine"})
    assert found["group.id"] == "mine"
    texts = {
        "name": "x",
        "connector.class": "y",
        "topics": "t",
        "consumer.override.group.id": "mine",
    }
    assert sink_group(ConnectorConfig(texts, "sink")) == "mine"


def test_offsets_are_never_committed_behind_the_tasks_back() -> None:
    """Neither worker nor connector can turn automatic commits on."""
    found = settings("consumer", **{"consumer.override.enable.auto.commit": "true"})
    assert found["enable.auto.commit"] is False


def test_unknown_option_gets_one_warning(caplog) -> None:
    """It never fails a task."""
    assert translated({"no.such.option": "1", "linger.ms": "1", "key.serializer": "x"}) == {
        "linger.ms": "1"
    }
    (record,) = caplog.records
    assert "no.such.option" in record.getMessage()
    assert "key.serializer" not in record.getMessage()


def test_stores_of_java_are_given_as_pem_when_a_client_uses_them() -> None:
    """JKS and PKCS12 work as they are; PEM files are named."""
    stores = Path(__file__).parents[2] / "golden/keystores"
    settings = translated(
        {
            "ssl.truststore.location": str(stores / "trust.jks"),
            "ssl.truststore.password": "store-secret",
            "ssl.keystore.location": str(stores / "own.p12"),
            "ssl.keystore.password": "store-secret",
        }
    )

    assert "-----BEGIN CERTIFICATE-----" in str(settings["ssl.ca.pem"])
    assert "-----BEGIN CERTIFICATE-----" in str(settings["ssl.certificate.pem"])
    assert "-----BEGIN PRIVATE KEY-----" in str(settings["ssl.key.pem"])
    assert translated({"ssl.truststore.location": "/a.pem", "ssl.truststore.type": "PEM"}) == {
        "ssl.ca.location": "/a.pem"
    }


@pytest.mark.parametrize(
    ("java", "ours"),
    [
        ("org.apache.kafka.clients.consumer.RangeAssignor", "range"),
        ("a.RangeAssignor,a.CooperativeStickyAssignor", "range"),
        ("a.CooperativeStickyAssignor", "cooperative-sticky"),
        ("a.RoundRobinAssignor,a.RangeAssignor", "roundrobin,range"),
    ],
)
def test_assignors_are_named_as_librdkafka_does(java: str, ours: str) -> None:
    """Eager and cooperative ones do not mix: the first one named decides."""
    assert translated({"partition.assignment.strategy": java}) == {
        "partition.assignment.strategy": ours
    }


def test_session_of_a_sink_is_short_unless_the_broker_or_the_user_decides() -> None:
    """A consumer killed while it joins holds up its group for ten seconds, not 45."""
    session = "session.timeout.ms"
    assert settings("consumer")[session] == "10000"
    assert settings("consumer", **{f"consumer.override.{session}": "20000"})[session] == "20000"
    newer = settings("consumer", **{"consumer.override.group.protocol": "consumer"})
    assert session not in newer


def test_override_is_refused_when_the_policy_forbids_it() -> None:
    """A configuration that was stored under another policy does not reach a client either."""
    policy = {"connector.client.config.override.policy": "None"}
    for kind in ("producer", "consumer", "admin"):
        with pytest.raises(ConfigError, match=r"'client\.id'"):
            settings(kind, policy, **{f"{kind}.override.client.id": "x"})


def test_override_is_refused_when_it_cannot_be_honoured() -> None:
    """A login module or a token server that is not taken fails the client, in every mode."""
    jndi = "com.sun.security.auth.module.JndiLoginModule"
    with pytest.raises(ConfigError, match=f"login module {jndi} is refused"):
        settings("producer", **{"producer.override.sasl.jaas.config": f"{jndi} required;"})
    url = {"admin.override.sasl.oauthbearer.token.endpoint.url": "http://idp/t"}
    with pytest.raises(ConfigError, match="must begin with https"):
        settings("admin", **url)
    settings("admin", {"appliance.oauth.allowed.urls": "http://idp/t"}, **url)


def test_unchecked_names_get_one_warning(caplog) -> None:
    """However many clients a process makes."""
    off = {"producer.override.ssl.endpoint.identification.algorithm": ""}
    for _ in range(3):
        found = settings("producer", **off)["ssl.endpoint.identification.algorithm"]
        assert found == "none"
    assert (
        caplog.text.count("producer.override.ssl.endpoint.identification.algorithm is empty") == 1
    )
