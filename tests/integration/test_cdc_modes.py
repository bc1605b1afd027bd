"""The recorded table under every recorded handling mode, on real servers: snapshot and stream."""

from __future__ import annotations

import json

import pytest

from tests.golden.cdc_recordings import recording
from tests.integration.cdc_replay import Replay, statements

MODES = sorted(recording("mariadb")["modes"])
_CLOCKS = {"ts_ms", "ts_us", "ts_ns", "c_dt_cur", "c_ts_cur"}
_PLACES = {"file", "pos", "server_id", "gtid", "thread"}

# what the peer sends -> what is sent here, where that is meant (tests/golden/cdc/differences.toml)
MEANT = {
    # a zero TIMESTAMP of a nullable column is null in snapshot and stream
    ("mariadb", "c_ts", "1970-01-01T00:00:00Z"): None,
    # UUIDs whose last bytes are zero keep their digits in place
    ("mariadb", "c_uuid", "0000123e-4567-e89b-12d3-a45642665544"): (
        "123e4567-e89b-12d3-a456-426655440000"
    ),
    # times beyond 64 bits of nanoseconds are null, as MySQL's connector shows them, instead of wrapping
    ("mariadb", "c_dt3", 6283264147542103232): None,
    ("mariadb", "c_dt6", -4852116231933723624): None,
}


def _cleaned(database, form):
    """Give a part of a record without clocks and places, the peer's defects repaired."""
    if isinstance(form, list):
        return [_cleaned(database, item) for item in form]
    if not isinstance(form, dict):
        return form
    hidden = _CLOCKS | (_PLACES if "pos" in form else set())
    repaired = {
        key: MEANT.get((database, key, value), value) if isinstance(value, str | int) else value
        for key, value in form.items()
    }
    return {key: _cleaned(database, v) for key, v in repaired.items() if key not in hidden}


def _parts(database, key, value, headers):
    texts = [text and _cleaned(database, json.loads(text)) for text in (key, value)]
    shown = [[k, v if not k.endswith("runId") else "…"] for k, v in headers]
    return [*texts, shown]


def _masked_text(mode, form):
    """Apply to the peer's record the mask that its propagated types switch off."""
    if not mode.startswith("F") or not isinstance(form, dict):
        return form
    for image in form["schema"]["fields"][:2]:
        for field in image["fields"]:
            if field["field"] == "c_text":
                field["parameters"] = {"masked": "true"}
    for name in ("before", "after"):
        image = form["payload"][name]
        if image and image["c_text"] is not None:
            # SHA-256 of the salt `abc` and the text
            image["c_text"] = "…"
    return form


def _hide_hash(mode, form):
    if mode.startswith("F") and isinstance(form, dict):
        for name in ("before", "after"):
            image = form["payload"][name]
            if image and image["c_text"] is not None:
                assert len(image["c_text"]) == 64
                image["c_text"] = "…"
    return form


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def table(request):
    """The table `smp.types` as it was when the modes were recorded; gives database and address."""
    database = request.param
    address = request.getfixturevalue(database)
    connection = address.connect(None, charset="utf8mb4")
    with connection.cursor() as cursor:
        cursor.execute("drop database if exists smp")
        if database == "mysql":  # MariaDB logs the statements anyway
            cursor.execute("set session binlog_rows_query_log_events = on")
        for statement in statements(recording(database)["statements"]):
            if statement.startswith(("create database smp ", "use smp", "set ")) or (
                " types " in statement[:20]
            ):
                cursor.execute(statement)
        cursor.execute(
            "select column_name from information_schema.columns where table_schema = 'smp' "
            "and table_name = 'types' and extra not like '%GENERATED' order by ordinal_position"
        )
        names = [row[0] for row in cursor.fetchall() if row[0] != "id"]
    yield database, address, connection, names
    connection.close()


@pytest.mark.parametrize("mode", MODES)
def test_records_are_the_recorded_ones_when_handling_modes_differ(
    mode, table, broker, unique_name
):
    """Keys, schemas, values and headers equal the peer's under every mode, read and streamed."""
    database, address, connection, names = table
    recorded = recording(database)["modes"][mode]
    config = {
        **recorded["config"],
        "database.port": str(address.port),
        "database.user": address.user,
        "database.password": address.password,
        "database.server.id": "21978",
        "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
        "schema.history.internal.kafka.topic": f"{unique_name}-history",
    }
    running = Replay(database, config)
    running.catch_up()
    columns = ", ".join(names)
    with connection.cursor() as cursor:
        for id_ in (1, 2, 3):
            cursor.execute(
                f"insert into types (id, {columns}) select {200 + id_}, {columns} from types "
                f"where id = {id_}"
            )
        cursor.execute("update types set c_int = c_int + 1 where id = 201")
        cursor.execute("delete from types where id = 203")
    running.catch_up()
    running.close()
    with connection.cursor() as cursor:
        cursor.execute("delete from types where id > 200")
    found = running.topics[f"{config['topic.prefix']}.smp.types"]
    assert len(found) == len(recorded["records"])
    for ours, theirs in zip(found, recorded["records"], strict=True):
        key, value, headers = _parts(database, *ours[:3])
        expected_key, expected, expected_headers = _parts(
            database, theirs["key"], theirs["value"], theirs["headers"]
        )
        if isinstance(value, dict) and mode.startswith("F"):
            # the text of the statement is another one here
            source, expected_source = value["payload"]["source"], expected["payload"]["source"]
            assert (source.pop("query") is None) == (expected_source.pop("query") is None)
        assert key == expected_key
        assert _hide_hash(mode, value) == _masked_text(mode, expected)
        assert headers == expected_headers


RECORDED_YEARS = {
    # (date, days, microseconds of it at 01:02:03.5) as Debezium 3.6.1 gives them with the adjuster off
    "0012-03-04": (-715082, -61783081076500000),
    "0069-12-31": (-693961, -59958226676500000),
    "0099-12-31": (-683004, -59011541876500000),
    "0100-01-01": (-683003, -59011455476500000),
    "2020-02-29": (18321, 1582938123500000),
}


@pytest.mark.parametrize("database", ["mariadb", "mysql"])
def test_years_of_two_digits_stay_when_the_adjuster_is_off(database, request, broker, unique_name):
    """Read, streamed and as a default, a date of the first century is of the first century."""
    address = request.getfixturevalue(database)
    config = {
        "topic.prefix": "years",
        "database.hostname": "127.0.0.1",
        "database.port": str(address.port),
        "database.user": address.user,
        "database.password": address.password,
        "database.server.id": "21979",
        "database.include.list": "years",
        "include.schema.changes": "false",
        "enable.time.adjuster": "false",
        "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
        "schema.history.internal.kafka.topic": f"{unique_name}-history",
    }
    rows = [f"('{day}', '{day} 01:02:03.5')" for day in RECORDED_YEARS]
    insert = f"insert into years.t (d, m) values {', '.join(rows)}"
    with address.connect(None) as connection, connection.cursor() as cursor:
        cursor.execute("drop database if exists years")
        cursor.execute("create database years")
        cursor.execute(
            "create table years.t (id int primary key auto_increment, d date, m datetime(6), "
            "e date not null default '0012-03-04')"
        )
        cursor.execute(insert)
        running = Replay(database, config)
        running.catch_up()
        cursor.execute(insert)
        running.catch_up()
        running.close()
        cursor.execute("drop database years")

    images = [
        json.loads(value)["payload"]["after"] for _, value, *_ in running.topics["years.years.t"]
    ]
    found = [(image["d"], image["m"]) for image in images]
    assert found == 2 * list(RECORDED_YEARS.values())
    assert {image["e"] for image in images} == {-715082}
