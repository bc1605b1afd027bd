"""Names of topics and schemas, filters, keys, column rules and the file of their history."""

from __future__ import annotations

import hashlib
import json

import pytest

from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.history import FileHistory, MemoryHistory
from appliance.connectors.binlog.names import ADJUSTERS, TopicNames, sanitized
from appliance.connectors.binlog.order import at_or_before
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.connectors.binlog.sqltokens import DdlError
from appliance.connectors.binlog.tables import TableId
from appliance.data import Type
from appliance.errors import ConfigError, ConnectError
from tests.fulldisk import largest_file

SQL = "create table d.t (id int primary key, a varchar(9), b varchar(20), c int not null, e blob)"


def schemas(*statements, history=None, **changes):
    """Give schemas after statements, under changed options."""
    config = {
        "topic.prefix": "p",
        "database.hostname": "h",
        "database.user": "u",
        "database.server.id": "1",
        **changes,
    }
    found = TableSchemas("mysql", config, parse("mysql", config), history or MemoryHistory())
    for statement in statements or (SQL,):
        found.apply_ddl({"file": "b.1", "pos": 1}, "d", statement, lambda *_: ())
    return found


def value_names(version):
    """Give the columns of values."""
    return [field.name for field in version.value_schema.fields]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a b", "a_b"), ("ü.x-1_", "_.x-1_"), ("..", "__"), (".", "_"), ("x" * 300, "x" * 249)],
)
def test_topic_name_is_valid_when_a_table_name_is_not(name, expected):
    """Whatever Kafka refuses becomes an underscore, what is too long is cut."""
    assert sanitized(name) == expected


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [
        ("none", "a-b.1c", "a-b.1c"),
        ("avro", "a-b.c d", "a_b.c_d"),
        ("avro", "1a", "_1a"),
        ("avro_unicode", "a-b_c", "a_u002db_u005fc"),
        ("avro_unicode", "ā", "_u0101"),
    ],
)
def test_schema_name_is_adjusted_when_a_mode_asks_for_it(mode, name, expected):
    """Avro's rules replace or escape what they do not allow."""
    assert ADJUSTERS[mode](name) == expected


def test_topics_follow_options_when_named_otherwise():
    """Delimiter, heartbeat and transaction options take effect."""
    names = TopicNames("p", "-", "tx", "hb", None)
    assert names.of_table(TableId("d", "t")) == "p-d-t"
    assert (names.heartbeat, names.transactions, names.schema_changes) == ("hb-p", "p-tx", "p")


@pytest.mark.parametrize(
    ("changes", "captured"),
    [
        ({}, True),
        ({"database.include.list": "D"}, True),
        ({"database.include.list": "x, y"}, False),
        ({"database.exclude.list": "d"}, False),
        ({"table.include.list": "d\\.t,d\\.u"}, True),
        ({"table.include.list": "t"}, False),
        ({"table.exclude.list": "d.*"}, False),
        ({"table.exclude.list": "d.*", "signal.data.collection": "d.t"}, True),
        ({"table.include.list": "d\\.[a-z]{1\\,2}"}, True),
    ],
)
def test_table_is_captured_when_the_lists_let_it_in(changes, captured):
    """Patterns match whole names without case; the signal table always passes."""
    found = schemas(**changes)
    assert (found.get("d", "t") is not None) is captured
    assert found.captures("d", "t") is captured


def test_key_column_stays_in_the_key_when_it_is_left_out_of_values():
    """column.exclude.list shapes values only."""
    version = schemas(**{"column.exclude.list": "d.t.id,d.t.e"}).get("d", "t")
    assert value_names(version) == ["a", "b", "c"]
    assert [c.column.name for c in version.columns] == ["id", "a", "b", "c"]
    row = (1, "x", "y", 2)
    assert (version.key_of(row), version.value_of(row)) == ((1,), ("x", "y", 2))


def test_key_is_the_configured_one_when_message_key_columns_match():
    """The order of the option counts; without a match the primary key does."""
    version = schemas(**{"message.key.columns": "d.t:c,a;d.u:x"}).get("d", "t")
    assert [field.name for field in version.key_schema.fields] == ["c", "a"]
    assert version.key_of((1, "x", "y", 2, None)) == (2, "x")
    version = schemas(**{"message.key.columns": "d.u:x"}).get("d", "t")
    assert [field.name for field in version.key_schema.fields] == ["id"]


def test_text_is_masked_when_a_rule_matches_even_if_source_types_are_propagated():
    """No other option switches a mask off; a mask replaces null too; other columns stay."""
    version = schemas(
        **{
            "column.propagate.source.type": ".*",
            "column.mask.with.3.chars": "d.t.a",
            "column.mask.hash.v2.SHA-256.with.salt.pepper": "d.t.b",
        }
    ).get("d", "t")
    digest = hashlib.sha256(b"pepper" + "é".encode()).hexdigest()[:20]
    assert version.value_of((1, None, "é", 2, b"")) == (1, "***", digest, 2, b"")
    assert version.value_of((1, "x", None, 2, b""))[2] is None
    masked, plain = version.value_schema.field("b"), version.value_schema.field("c")
    assert masked.schema.parameters == {"masked": "true"}
    assert plain.schema.parameters == {
        "__debezium.source.column.type": "INT",
        "__debezium.source.column.name": "c",
    }


def test_text_is_hashed_as_java_writes_it_when_the_first_version_is_asked_for():
    """The digest is over salt and the serialised string."""
    version = schemas(**{"column.mask.hash.MD5.with.salt.s": "d.t.b"}).get("d", "t")
    serialized = b"s\xac\xed\x00\x05t\x00\x02\xc3\xa9"
    assert version.value_of((1, None, "é", 2, None))[2] == hashlib.md5(serialized).hexdigest()[:20]


def test_text_is_cut_when_its_column_is_longer():
    """Characters count as Java's, a column that cannot be longer is left alone."""
    version = schemas(**{"column.truncate.to.9.chars": "d.t.a,d.t.b"}).get("d", "t")
    assert version.value_schema.field("a").schema.parameters is None
    assert version.value_schema.field("b").schema.parameters == {"truncateLength": "9"}
    assert version.value_of((1, "x", "12345678😀", 2, None))[2].encode(
        "utf-16-le", "surrogatepass"
    )[:16] == ("12345678".encode("utf-16-le"))


def test_version_is_a_new_one_when_a_table_changes():
    """After a statement get gives the new shape, before it the same object."""
    found = schemas()
    before = found.get("d", "t")
    assert found.get("d", "t") is before
    found.apply_ddl({}, "d", "alter table t drop column e", lambda *_: ())
    assert value_names(found.get("d", "t")) == ["id", "a", "b", "c"]
    assert value_names(before) == ["id", "a", "b", "c", "e"]
    found.apply_ddl({}, "d", "drop table t", lambda *_: ())
    assert found.get("d", "t") is None


def test_statement_of_an_uncaptured_table_is_passed_over_when_it_is_not_understood():
    """Only captured tables stop the task, and not even those when told to skip."""
    odd = "alter table {} frobnicate"
    found = schemas(SQL, "create table u (id int)", **{"table.include.list": "d.t"})
    assert found.apply_ddl({}, "d", odd.format("u"), lambda *_: ()).changes == ()
    with pytest.raises(DdlError, match="frobnicate"):
        found.apply_ddl({}, "d", odd.format("t"), lambda *_: ())
    lenient = schemas(**{"schema.history.internal.skip.unparseable.ddl": "true"})
    assert lenient.apply_ddl({}, "d", odd.format("t"), lambda *_: ()).changes == ()
    assert lenient.get("d", "t") is None


def test_history_keeps_captured_tables_only_when_told_to():
    """store.only.captured.tables.ddl leaves other tables out of history and topic."""
    kept = MemoryHistory()
    schemas(
        SQL,
        "create table u (id int)",
        history=kept,
        **{
            "table.include.list": "d.t",
            "schema.history.internal.store.only.captured.tables.ddl": "true",
        },
    )
    assert [record["ddl"] for record in kept.records] == [SQL]


def test_history_gives_the_same_tables_when_read_from_a_file(tmp_path):
    """What one run wrote, the next one restores."""
    path = str(tmp_path / "history")
    first = schemas(SQL, "create unique index i on t (b)", history=FileHistory(path))
    second = schemas("select 1", history=FileHistory(path))
    second.recover({"file": "b.1", "pos": 2})
    assert second.catalog.get(TableId("d", "t")) == first.catalog.get(TableId("d", "t"))


RECORD = {"position": {"file": "b.1", "pos": 1}, "ddl": "create table ä (id int)"}


def test_file_history_is_as_it_was_and_says_what_to_do_when_the_disk_is_full(tmp_path):
    """With room again the next run reads what was durable, and goes on behind it."""
    path = tmp_path / "history"
    history = FileHistory(str(path))
    history.append([RECORD])
    before = path.read_bytes()
    text = rf"writing the schema history {path}: File too large; raise .* and restart the task"
    with largest_file(len(before) + 20), pytest.raises(ConnectError, match=text):
        history.append([RECORD, RECORD])
    assert path.read_bytes() == before
    history.append([RECORD])
    assert list(FileHistory(str(path)).read()) == [RECORD, RECORD]


def test_cut_last_line_of_a_file_history_is_left_out_with_a_warning(tmp_path, caplog):
    """A crash in the middle of an append keeps no later run from starting."""
    path = tmp_path / "history"
    history = FileHistory(str(path))
    history.append([RECORD])
    whole = path.read_bytes()
    # in the middle of a letter of two bytes
    path.write_bytes(whole + whole[: whole.index("ä".encode()) + 1])
    assert list(history.read()) == [RECORD]
    assert "was cut by a crash and is left out" in caplog.text
    history.append([RECORD])
    assert path.read_bytes() == whole * 2


def test_file_history_holds_nothing_when_its_only_line_was_cut(tmp_path):
    """A first run that crashed in its first append begins anew."""
    path = tmp_path / "history"
    path.write_bytes(b'{"position": {')
    assert not FileHistory(str(path)).exists()


def test_whole_last_line_of_a_file_history_counts_when_its_end_is_missing(tmp_path):
    """As the original reads it; the next record stands on a line of its own."""
    path = tmp_path / "history"
    path.write_text(json.dumps(RECORD))
    history = FileHistory(str(path))
    history.append([RECORD])
    assert list(history.read()) == [RECORD, RECORD]


def test_file_history_says_where_and_what_to_do_when_it_cannot_be_made(tmp_path):
    """A path that leads through a file is told as such."""
    (tmp_path / "file").touch()
    with pytest.raises(
        ConnectError, match=rf"making the schema history {tmp_path}/file/no/h: .*; .*"
    ):
        FileHistory(str(tmp_path / "file" / "no" / "h")).create()


@pytest.mark.parametrize(
    ("recorded", "desired", "expected"),
    [
        ({"file": "b.9", "pos": 5}, {"file": "b.10", "pos": 1}, True),
        ({"file": "b.10", "pos": 5}, {"file": "b.9", "pos": 9}, False),
        ({"file": "b.1", "pos": 5}, {"file": "b.1", "pos": 5}, True),
        ({"file": "b.1", "pos": 5, "event": 1}, {"file": "b.1", "pos": 5}, False),
        ({"file": "b.1", "pos": 5, "event": 1}, {"file": "b.1", "pos": 5, "event": 3}, True),
        ({"gtids": "0-1-5"}, {"gtids": "0-1-6"}, True),
        ({"gtids": "0-1-7"}, {"gtids": "0-1-6,1-1-9"}, False),
        ({"gtids": "0-1-6", "event": 1}, {"gtids": "0-1-6"}, False),
        ({"gtids": "0-1-6", "snapshot": "INITIAL"}, {"gtids": "0-1-6"}, True),
        ({"gtids": "a:1-5"}, {"gtids": "a:1-9:12,b:1"}, True),
        ({"gtids": "a:1-5:8"}, {"gtids": "a:1-7"}, False),
        ({"file": "b.5", "pos": 1}, {"gtids": "a:1"}, True),
        ({"gtids": "a:1"}, {"file": "b.5", "pos": 1}, False),
    ],
)  # fmt: skip
def test_change_counts_as_seen_when_its_position_is_not_later(recorded, desired, expected):
    """GTID sets are compared as sets, files by number, then positions and counts inside one."""
    assert at_or_before(recorded, desired) is expected


_BOOLEANS = {
    "converters": "flag",
    "flag.type": "io.debezium.connector.mysql.converters.TinyIntOneToBooleanConverter",
}
_FLAGS = "create table d.f (id int primary key, a tinyint(1) default 1, b tinyint(1), c tinyint)"


@pytest.mark.parametrize(
    ("more", "booleans"),
    [
        ({}, ["a", "b"]),
        ({"flag.selector": "d.f.b"}, ["b"]),
        ({"flag.length.checker": "false"}, ["a", "b", "c"]),
    ],
)
def test_tiny_integers_are_booleans_when_the_converter_says_so(more, booleans):
    """Length and selector decide; the default is converted as well."""
    found = schemas(**{**_BOOLEANS, **more})
    found.apply_ddl({}, "d", _FLAGS, lambda *_: ())
    version = found.get("d", "f")
    types = {field.name: field.schema for field in version.value_schema.fields}
    assert [name for name, schema in types.items() if schema.type is Type.BOOLEAN] == booleans
    assert types["a"].default == (True if "a" in booleans else 1)


def test_converter_is_refused_when_it_is_unknown():
    """A column never comes in another form than configured without a word."""
    with pytest.raises(ConfigError, match=r"com\.acme\.Own, which is not supported"):
        schemas(**{"converters": "own", "own.type": "com.acme.Own"})
