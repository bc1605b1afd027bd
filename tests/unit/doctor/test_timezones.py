"""Time zones: what the server has, what a session is put into, and what names no zone."""

from __future__ import annotations

import pytest

from appliance.connectors.jdbc.url import parse_url
from appliance.doctor.findings import Level
from appliance.doctor.timezones import ASKED, binlog_time_zone, jdbc_time_zone, refused_zone

MARIADB = parse_url("jdbc:mariadb://db/shop", "u", "p")
STATEMENTS = "database.initial.statements"


class Zoned:
    """A server whose sessions are so many seconds east of UTC."""

    def __init__(self, seconds=0, session="+00:00") -> None:
        self.row = ("SYSTEM", "CET", session, seconds)

    def ask(self, statement):
        assert statement == ASKED
        return [self.row]


def test_zone_of_the_server_is_told():
    """With what SYSTEM stands for there."""
    (found,) = binlog_time_zone("c", Zoned().ask, {"database.connectionTimeZone": "Europe/Madrid"})
    assert found.level is Level.OK
    assert "SYSTEM (CET)" in found.text


@pytest.mark.parametrize("zone", ["LOCAL", "SERVER", "+02:00", "UTC", "GMT+2", "America/Havana"])
def test_zone_of_a_driver_passes_when_it_is_one(zone):
    """The words that drivers know are no names of zones."""
    found = list(binlog_time_zone("c", Zoned().ask, {"driver.connectionTimeZone": zone}))
    assert [f.level for f in found] == [Level.OK]


def test_zone_of_a_driver_is_told_of_when_there_is_none():
    """It has no effect here, and would end Debezium's start."""
    found = list(
        binlog_time_zone("c", Zoned().ask, {"database.connectionTimeZone": "Europe/Mdrid"})
    )
    assert [f.level for f in found] == [Level.OK, Level.WARNING]
    assert found[1].option == "database.connectionTimeZone"


def test_session_must_be_in_utc_when_rows_are_streamed_too():
    """A snapshot would give other TIMESTAMPs than the binlog."""
    (found,) = binlog_time_zone("c", Zoned(-18000, "America/Havana").ask, {})
    assert (found.level, found.option) == (Level.PROBLEM, STATEMENTS)
    assert "5:00 h west" in found.text


@pytest.mark.parametrize(
    ("seconds", "timezone", "level"),
    [
        (0, "UTC", Level.OK),
        (19800, "Asia/Kolkata", Level.OK),
        (7200, "UTC", Level.WARNING),
        (0, "Asia/Kolkata", Level.WARNING),
    ],
)
def test_database_is_read_in_the_zone_of_its_sessions(seconds, timezone, level):
    """Its times are without a zone: they would be off by so much."""
    ask = Zoned(seconds, "SYSTEM").ask
    (found,) = jdbc_time_zone("c", MARIADB, timezone, lambda sql: ask(sql)[0])
    assert (found.level, found.option) == (level, "db.timezone")


def test_tables_of_zones_are_loaded_when_a_known_name_is_refused():
    """A name that nobody knows is the option's fault."""
    refusal = "(1298, \"Unknown or incorrect time zone: 'Europe/Madrid'\")"
    found = refused_zone("c", "mariadb", refusal, "connection.url")
    assert found is not None
    assert found.remedy.startswith("mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql")
    found = refused_zone("c", "mysql", refusal, "connection.url")
    assert found is not None
    assert found.remedy.startswith("mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql")
    found = refused_zone("c", "mysql", refusal.replace("Madrid", "Mdrid"), "connection.url")
    assert found is not None
    assert "tzinfo" not in found.remedy
    assert refused_zone("c", "mariadb", "Access denied", "connection.url") is None
