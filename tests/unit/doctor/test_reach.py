"""An address that is of no use: its name is told apart from its port."""

from __future__ import annotations

import socket

from appliance.config.worker import WorkerConfig
from appliance.doctor.places import Places
from appliance.doctor.reach import unreachable
from deploy.parts import free_ports

JDBC = "io.confluent.connect.jdbc.JdbcSourceConnector"


def wrong(java_class: str, config: dict[str, str]) -> dict[str, str]:
    """Give the texts of a source's problems by option."""
    found = Places(WorkerConfig({}, "run"), None).examine("s", "source", java_class, config)
    return {finding.option: finding.text for finding in found if finding.level == "problem"}


def test_nothing_is_said_when_somebody_listens():
    """A connection is enough."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert unreachable("127.0.0.1", listener.getsockname()[1]) is None


def test_host_or_port_is_named_when_nobody_answers():
    """A name that means nothing is the host's fault, a closed port the port's."""
    closed = unreachable("127.0.0.1", free_ports(1)[0])
    unknown = unreachable("nobody.invalid", 3306)
    assert closed is not None
    assert unknown is not None
    assert (closed.of_host, unknown.of_host) == (False, True)
    assert "nobody.invalid cannot be resolved" in unknown.text


def test_file_of_sqlite_is_told_of_when_tables_are_missing(tmp_path):
    """The option that names what is not there; looking makes no file."""
    config = {"connection.url": f"jdbc:sqlite:{tmp_path}/a.db", "table.whitelist": "orders"}
    assert list(wrong(JDBC, config)) == ["connection.url"]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.db").touch()
    assert list(wrong(JDBC, config)) == ["table.whitelist"]
    assert list(wrong(JDBC, {"connection.url": "jdbc:oracle:x"})) == ["connection.url"]


def test_database_is_not_asked_when_options_are_missing():
    """That a host is needed is validation's to say."""
    assert wrong("io.debezium.connector.mysql.MySqlConnector", {"database.user": "u"}) == {}
