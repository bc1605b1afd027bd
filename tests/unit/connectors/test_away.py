"""What validation takes for a matter of time: a server that is away, and nothing else."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.connector import MariaDbConnector
from appliance.connectors.hdfs.connector import HdfsSinkConnector
from appliance.connectors.jdbc.connector import JdbcSourceConnector

CAPTURE = {
    "database.hostname": "127.0.0.1",
    "database.port": "1",
    "database.user": "u",
    "database.password": "p",
    "database.server.id": "1",
    "topic.prefix": "p",
    "schema.history.internal.kafka.topic": "h",
    "schema.history.internal.kafka.bootstrap.servers": "127.0.0.1:1",
}
JDBC = {
    "connection.url": "jdbc:mysql://127.0.0.1:1/shop",
    "mode": "bulk",
    "topic.prefix": "p",
    "query": "SELECT 1",
}
SINK = {
    "topics": "t",
    "store.url": "http://127.0.0.1:1",
    "flush.size": "1",
    "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
}


def _errors(connector, config):
    found = [value for value in connector().validate(config) if value.errors]
    assert found
    return [(value.name, value.passing) for value in found]


@pytest.mark.parametrize(
    ("connector", "config", "option", "wrong"),
    [
        (MariaDbConnector, CAPTURE, "database.hostname", {"snapshot.mode": "nope"}),
        (JdbcSourceConnector, JDBC, "connection.url", {"connection.url": "jdbc:nope:x"}),
        (JdbcSourceConnector, JDBC, "connection.url", {"connection.url": "jdbc:sqlite:/no/file"}),
        (HdfsSinkConnector, SINK, "store.url", {"hive.integration": "true"}),
        (HdfsSinkConnector, SINK, "store.url", {"flush.size": "many"}),
    ],
)
def test_finding_may_pass_when_the_server_is_away_and_not_when_an_option_is_wrong(
    connector, config, option, wrong
):
    """Only the first is worth asking again."""
    assert _errors(connector, config) == [(option, True)]
    assert not any(passing for _, passing in _errors(connector, {**config, **wrong}))
