"""Each setting or privilege that keeps a database from being captured is found, with what mends it."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.tables import TableId
from appliance.doctor import binlog
from appliance.doctor.findings import Level, exit_code
from appliance.errors import ConnectError

GOOD = {
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "server_id": "1",
    "gtid_mode": "ON",
    "binlog_expire_logs_seconds": "2592000",
}


class FakeServer:
    """A server by its answers; a statement it does not know is an error."""

    def __init__(self, variables=(), **answers) -> None:
        self.variables = {**GOOD, **dict(variables)}
        self.answers = answers

    def ask(self, statement):
        if statement not in self.answers:
            raise ConnectError("syntax")
        return self.answers[statement]

    def variable(self, name):
        return self.variables.get(name)

    def tables(self):
        return [TableId("shop", "orders")]

    def now_ms(self):
        return 1_000_000


def with_grants(*rows):
    return FakeServer(
        **{
            "SHOW GRANTS": [(row,) for row in rows],
            "SELECT CURRENT_USER()": [("ingest@10.%",)],
        }
    )


def test_nothing_is_found_when_the_server_is_as_it_must_be():
    """A good server gives no problem and no warning."""
    assert exit_code(binlog.settings("c", "mysql", FakeServer())) == 0


@pytest.mark.parametrize(
    ("variables", "level", "remedy"),
    [
        ({"log_bin": "OFF"}, Level.PROBLEM, "log_bin=binlog"),
        ({"binlog_format": "MIXED"}, Level.PROBLEM, "SET PERSIST binlog_format='ROW';"),
        ({"binlog_row_image": "MINIMAL"}, Level.PROBLEM, "SET PERSIST binlog_row_image='FULL';"),
        ({"binlog_row_metadata": "MINIMAL"}, Level.WARNING, "SET PERSIST binlog_row_metadata"),
        ({"server_id": "0"}, Level.PROBLEM, "server_id=1"),
        ({"gtid_mode": "OFF"}, Level.WARNING, "enforce_gtid_consistency"),
        ({"binlog_row_value_options": "PARTIAL_JSON"}, Level.PROBLEM, "value_options=''"),
        ({"binlog_expire_logs_seconds": "3600"}, Level.WARNING, "expire_logs_seconds=604800;"),
    ],
)
def test_remedy_is_told_when_a_setting_will_not_do(variables, level, remedy):
    """The one finding that is not ok has the statement."""
    found = [
        f for f in binlog.settings("c", "mysql", FakeServer(variables)) if f.level is not Level.OK
    ]
    assert [f.level for f in found] == [level]
    assert remedy in found[0].remedy


def test_one_file_and_one_restart_are_told_when_several_options_are_missing():
    """All together, for MariaDB keeps nothing that is set while it runs."""
    wrong = {
        "log_bin": "OFF",
        "server_id": "0",
        "binlog_format": "MIXED",
        "binlog_row_metadata": "NO_LOG",
        "binlog_expire_logs_seconds": "3600",
    }
    found = list(binlog.settings("c", "mariadb", FakeServer(wrong)))
    assert [f.level for f in found] == [Level.PROBLEM]
    file, restart = found[0].remedy.splitlines()
    assert "/etc/mysql/mariadb.conf.d/90-ingest-appliance.cnf" in file
    for line in ("log_bin=binlog", "server_id=1", "binlog_format=ROW", "binlog_row_metadata=FULL"):
        assert f"{line}\\n" in file
    assert restart == "systemctl restart mariadb"


def test_no_restart_is_told_when_statements_will_do():
    """The file keeps them for the next start."""
    found = list(binlog.settings("c", "mariadb", FakeServer({"binlog_format": "MIXED"})))
    assert found[0].remedy.splitlines()[0] == "SET GLOBAL binlog_format='ROW';"
    assert "binlog_format=ROW" in found[0].remedy
    assert "systemctl" not in found[0].remedy


def test_statement_is_complete_when_a_privilege_is_missing():
    """It can be run as it stands, with the account as the server knows it."""
    server = with_grants("GRANT SELECT, RELOAD ON *.* TO `ingest`@`10.%`")
    remedies = [f.remedy for f in binlog.grants("c", "mariadb", server, {}) if f.remedy]
    assert remedies == [
        "GRANT REPLICATION SLAVE ON *.* TO 'ingest'@'10.%';",
        "GRANT BINLOG MONITOR ON *.* TO 'ingest'@'10.%';",
    ]


@pytest.mark.parametrize(
    ("config", "databases"),
    [
        ({}, ["*"]),
        ({"table.include.list": r"shop\.orders,hr.people"}, ["`hr`", "`shop`"]),
        ({"database.include.list": "shop.*"}, ["`shop`"]),
        ({"database.include.list": "s(hop|h)"}, ["*"]),
    ],
)
def test_read_privilege_is_for_the_captured_databases_when_they_are_named(config, databases):
    """No more is asked for than is needed."""
    server = with_grants("GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD ON *.* TO `u`@`%`")
    remedies = [f.remedy for f in binlog.grants("c", "mysql", server, config) if f.remedy]
    assert remedies == [f"GRANT SELECT ON {name}.* TO 'ingest'@'10.%';" for name in databases]


def test_lock_privilege_is_a_warning_alone_when_it_is_missing():
    """Without the global lock a snapshot locks table by table; with mode none it locks nothing."""
    server = with_grants("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `u`@`%`")
    assert exit_code(list(binlog.grants("c", "mysql", server, {}))) == 2
    none = {"snapshot.locking.mode": "none"}
    assert exit_code(list(binlog.grants("c", "mysql", server, none))) == 0


def test_table_is_named_when_nobody_sees_it():
    """A slip in table.include.list would capture nothing, in silence."""
    found = list(
        binlog.tables("c", FakeServer(), {"table.include.list": r"shop\.orders,shop\.custmers"})
    )
    assert len(found) == 1
    assert "custmers" in found[0].text


def test_number_is_refused_when_it_is_the_servers_own():
    """A replica with its server's number is sent nothing."""
    found = list(binlog.server_ids("c", FakeServer(), {"database.server.id": "1"}))
    assert [f.level for f in found] == [Level.PROBLEM]


def test_other_reader_is_told_of_when_it_has_the_number():
    """Two readers of one number end each other's stream."""
    server = FakeServer(**{"SHOW SLAVE HOSTS": [(7, "host", 3306, 1)]})
    found = list(binlog.server_ids("c", server, {"database.server.id": "7"}))
    assert [f.level for f in found] == [Level.WARNING]
