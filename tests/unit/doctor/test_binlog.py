"""Each setting or privilege that keeps a database from being captured is found, with what mends it."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.tables import TableId
from appliance.doctor import binlog
from appliance.doctor.binlogsettings import settings
from appliance.doctor.findings import Level, exit_code
from appliance.doctor.grants import grants
from appliance.doctor.position import position
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
    assert exit_code(settings("c", "mysql", FakeServer())) == 0


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
    found = [f for f in settings("c", "mysql", FakeServer(variables)) if f.level is not Level.OK]
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
    found = list(settings("c", "mariadb", FakeServer(wrong)))
    assert [f.level for f in found] == [Level.PROBLEM]
    file, restart = found[0].remedy.splitlines()
    assert "/etc/mysql/mariadb.conf.d/90-ingest-appliance.cnf" in file
    for line in ("log_bin=binlog", "server_id=1", "binlog_format=ROW", "binlog_row_metadata=FULL"):
        assert f"{line}\\n" in file
    assert restart == "systemctl restart mariadb"


def test_no_restart_is_told_when_statements_will_do():
    """The file keeps them for the next start."""
    found = list(settings("c", "mariadb", FakeServer({"binlog_format": "MIXED"})))
    assert found[0].remedy.splitlines()[0] == "SET GLOBAL binlog_format='ROW';"
    assert "binlog_format=ROW" in found[0].remedy
    assert "systemctl" not in found[0].remedy


def test_statement_is_complete_when_a_privilege_is_missing():
    """It can be run as it stands, with the account as the server knows it."""
    server = with_grants("GRANT SELECT, RELOAD ON *.* TO `ingest`@`10.%`")
    remedies = [f.remedy for f in grants("c", "mariadb", server, {}) if f.remedy]
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
        ({"database.include.list": "s(hop|h)"}, ["`shop`"]),
        ({"database.include.list": "h(r|q)"}, ["*"]),
        ({"database.include.list": "SHOP,my-hr"}, ["`my-hr`", "`shop`"]),
    ],
)
def test_read_privilege_is_for_the_captured_databases_when_they_are_named(config, databases):
    """No more is asked for than is needed."""
    server = with_grants("GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD ON *.* TO `u`@`%`")
    remedies = [f.remedy for f in grants("c", "mysql", server, config) if f.remedy]
    assert remedies == [f"GRANT SELECT ON {name}.* TO 'ingest'@'10.%';" for name in databases]


REPLICATION = "GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD ON *.* TO `u`@`%`"


@pytest.mark.parametrize(
    ("config", "granted", "level"),
    [
        ({"table.include.list": "shop.orders"}, "`shop`.*", None),
        ({"table.include.list": "shop.orders"}, "`sh%`.*", None),
        ({"table.include.list": "shop.orders"}, "`shop`.`orders`", None),
        ({"table.include.list": "shop.orders"}, "`hr`.*", Level.PROBLEM),
        ({"table.include.list": "shop.orders,shop.lines"}, "`shop`.`orders`", Level.PROBLEM),
        ({"table.include.list": r"sh.*\.ord.*"}, "`shop`.`orders`", None),
        ({"database.include.list": "shop"}, "`shop`.`orders`", Level.WARNING),
        ({"database.include.list": "shop"}, r"`s\_op`.*", Level.PROBLEM),
        ({"database.include.list": "shop"}, "`s_op`.*", None),
        ({}, "*.*", None),
        ({}, "`shop`.*", Level.WARNING),
        ({"database.exclude.list": "hr"}, "`shop`.*", None),
    ],
)
def test_read_privilege_must_cover_what_is_captured(config, granted, level):
    """A part of it is a warning: what changes in the rest is unknown to the connector."""
    server = with_grants(REPLICATION, f"GRANT SELECT ON {granted} TO `ingest`@`10.%`")
    found = [f.level for f in grants("c", "mysql", server, config) if f.level is not Level.OK]
    assert found == ([] if level is None else [level])


def test_privilege_on_columns_is_none_on_the_table():
    """A snapshot reads all of them."""
    server = with_grants(REPLICATION, "GRANT SELECT (`id`, `n`) ON `shop`.`orders` TO `u`@`%`")
    found = list(grants("c", "mysql", server, {"table.include.list": "shop.orders"}))
    assert [f.level for f in found] == [Level.PROBLEM]


def test_replication_is_missing_when_another_privilege_begins_with_its_name():
    """MariaDB's REPLICATION SLAVE ADMIN is to administer replicas, not to be one."""
    server = with_grants(
        "GRANT SELECT, RELOAD, BINLOG MONITOR, REPLICATION SLAVE ADMIN ON *.* TO `u`@`%`"
    )
    found = [f.remedy for f in grants("c", "mariadb", server, {})]
    assert found == ["GRANT REPLICATION SLAVE ON *.* TO 'ingest'@'10.%';"]


def test_role_counts_when_it_is_active():
    """MariaDB lists its grants either way."""
    rows = (
        "GRANT `reader` TO `ingest`@`10.%`",
        "GRANT USAGE ON *.* TO `ingest`@`10.%` IDENTIFIED BY PASSWORD '*AB'",
        "GRANT SELECT, RELOAD, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO `reader`",
    )
    server = with_grants(*rows)
    server.answers["SELECT CURRENT_ROLE()"] = [("reader",)]
    assert exit_code(list(grants("c", "mariadb", server, {}))) == 0
    server.answers["SELECT CURRENT_ROLE()"] = [(None,)]
    found = list(grants("c", "mariadb", server, {}))
    assert found[0].remedy == "SET DEFAULT ROLE `reader` FOR 'ingest'@'10.%';"
    assert exit_code(found) == 1


@pytest.mark.parametrize(
    ("more", "config", "code"),
    [
        ("", {}, 1),
        ("", {"snapshot.locking.mode": "none"}, 0),
        ("", {"snapshot.mode": "never"}, 0),
        (", LOCK TABLES", {}, 0),
        (", RELOAD", {}, 0),
        (", FLUSH_TABLES", {}, 0),
    ],
)
def test_snapshot_must_be_able_to_lock(more, config, code):
    """Everything at once, or else table by table; with mode none it locks nothing."""
    server = with_grants(
        f"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT{more} ON *.* TO `u`@`%`"
    )
    assert exit_code(list(grants("c", "mysql", server, config))) == code
    # one that has its snapshot needs it for another one alone
    assert exit_code(list(grants("c", "mysql", server, config, streaming=True))) == 2 * code


def test_both_statements_are_told_when_a_snapshot_cannot_lock():
    """The second one is narrower, and slower for those who write."""
    server = with_grants(
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `u`@`%`",
        "GRANT LOCK TABLES ON `hr`.* TO `u`@`%`",
    )
    config = {"table.include.list": "shop.orders,hr.people"}
    (found,) = grants("c", "mysql", server, config)
    assert found.remedy.startswith("GRANT RELOAD ON *.* TO 'ingest'@'10.%';")
    assert "GRANT LOCK TABLES ON `shop`.* TO 'ingest'@'10.%';" in found.remedy
    assert "hr" not in found.remedy


def test_steps_are_statements_when_gtid_mode_is_off():
    """One after the other, as the server wants them; those that are done are not told."""
    off = {"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}
    (found,) = (f for f in settings("c", "mysql", FakeServer(off)) if f.remedy)
    words = [line.partition(";")[0] for line in found.remedy.splitlines()]
    assert words == [
        "SET PERSIST enforce_gtid_consistency=ON",
        "SET PERSIST gtid_mode=OFF_PERMISSIVE",
        "SET PERSIST gtid_mode=ON_PERMISSIVE",
        "SET PERSIST gtid_mode=ON",
    ]
    half = {"gtid_mode": "ON_PERMISSIVE", "enforce_gtid_consistency": "ON"}
    (found,) = (f for f in settings("c", "mysql", FakeServer(half)) if f.remedy)
    assert found.remedy.startswith("SET PERSIST gtid_mode=ON;")


@pytest.mark.parametrize(
    ("last", "state", "told"),
    [
        ("0-2-90", "0-1-100,0-2-90", True),
        ("0-2-101,1-2-5", "0-1-100,0-2-101,1-2-5", False),
        ("", "", False),
    ],
)
def test_domain_is_told_of_when_its_numbers_went_backwards(last, state, told):
    """That strict mode is off is no fault by itself."""
    variables = {
        "gtid_binlog_pos": last,
        "gtid_binlog_state": state,
        "gtid_strict_mode": "OFF",
        "gtid_mode": None,
    }
    found = [f for f in settings("c", "mariadb", FakeServer(variables)) if f.remedy]
    assert [f.remedy.startswith("SET GLOBAL gtid_strict_mode=ON;") for f in found] == [True] * told


class Kept(FakeServer):
    """A server with files 5 to 7; `floor`: the GTIDs before the first of them."""

    def __init__(self, floor="") -> None:
        super().__init__(**{"SELECT BINLOG_GTID_POS('binlog.000005', 4)": [(floor,)]})

    def binlogs(self):
        return [f"binlog.00000{n}" for n in (5, 6, 7)]

    def has_position(self, offset):
        return offset["file"] in self.binlogs()


@pytest.mark.parametrize(
    ("offset", "config", "level"),
    [
        (None, {}, None),
        ({"file": "binlog.000002", "pos": 4, "snapshot": "INITIAL"}, {}, None),
        ({"file": "binlog.000006", "pos": 4}, {}, Level.OK),
        ({"file": "binlog.000002", "pos": 4}, {}, Level.PROBLEM),
        ({"file": "binlog.000002", "pos": 4}, {"snapshot.mode": "when_needed"}, Level.WARNING),
        ({"file": "binlog.000006", "pos": 4, "gtids": "0-1-50"}, {}, Level.OK),
        ({"file": "binlog.000006", "pos": 4, "gtids": "0-1-9"}, {}, Level.PROBLEM),
        (
            {"file": "binlog.000006", "pos": 4, "gtids": "0-1-9"},
            {"gtid.ignore.on.recovery": "true"},
            Level.OK,
        ),
    ],
)
def test_stored_offset_is_compared_with_what_the_server_has(offset, config, level):
    """What has been purged is found before the start that would fail for it."""
    found = [f.level for f in position("c", Kept("0-1-40"), config, offset)]
    assert found == ([] if level is None else [level])


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
