"""The DDL parser: columns, keys and character sets after a statement."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.connectors.binlog.catalog import Catalog
from appliance.connectors.binlog.ddl import DdlError, parse_ddl
from appliance.connectors.binlog.tables import TableId


def run(*statements, dialect="mysql", database="d"):
    """Apply statements to an empty server and give its catalog."""
    catalog = Catalog(server_charset="utf8mb4")
    for statement in statements:
        for change in parse_ddl(statement, database, catalog, dialect):
            catalog.apply(change)
    return catalog


def columns(catalog, name, database="d"):
    """Give the column names of a table."""
    return [c.name for c in catalog.get(TableId(database, name)).columns]


BASE = "create table t (a int not null, b varchar(10), c int, primary key (a))"


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        ("add d int", ["a", "b", "c", "d"]),
        ("add column d int first", ["d", "a", "b", "c"]),
        ("add d int after a, add e int after d", ["a", "d", "e", "b", "c"]),
        ("add (d int, index (d), e int)", ["a", "b", "c", "d", "e"]),
        ("drop b, drop column c", ["a"]),
        ("modify c bigint first", ["c", "a", "b"]),
        ("change b bb text after c", ["a", "c", "bb"]),
        ("rename column b to x, algorithm=instant", ["a", "x", "c"]),
        ("add index i (b), engine=innodb, comment 'x,y'", ["a", "b", "c"]),
        ("/*!80000 add d int */", ["a", "b", "c", "d"]),
        ("/*M! add d int */ add e int", ["a", "b", "c", "e"]),
        ("add key k (c) using btree comment 'a, b', lock = none", ["a", "b", "c"]),
        ("partition by range (a) (partition p values less than (1), partition q values less than (2))",
         ["a", "b", "c"]),
        ("add constraint f foreign key (c) references x (y) on delete set null on update cascade",
         ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_columns_follow_when_a_table_is_altered(alter, expected):
    """Each kind of change leaves the columns that the server has, in its order."""
    assert columns(run(BASE, f"alter table t {alter}"), "t") == expected


@pytest.mark.parametrize(
    ("statements", "key"),
    [
        (["create table t (a int unique, b int)"], ("a",)),
        (["create table t (a int, b int not null, unique (a), unique (b))"], ("b",)),
        (["create table t (a int not null, b int, unique (a), primary key (b))"], ("b",)),
        (["create table t (a int not null)", "create unique index i on t (a)"], ("a",)),
        (["create table t (a int)", "create unique index i on t (a)"], ()),
        (["create table t (a int not null, unique ((a + 1)))"], ()),
        ([BASE, "alter table t drop primary key, add primary key (c, b)"], ("c", "b")),
        ([BASE, "alter table t change a k int"], ("k",)),
        ([BASE, "alter table t drop primary key"], ()),
    ],
)
def test_key_is_the_one_events_carry_when_keys_change(statements, key):
    """The primary key, or the first unique key that cannot be null, is the table's key."""
    assert run(*statements).get(TableId("d", "t")).primary_key == key


@pytest.mark.parametrize(
    ("definition", "charset"),
    [
        ("varchar(3)", "utf8mb3"),
        ("varchar(3) character set latin1", "latin1"),
        ("varchar(3) collate latin2_bin", "latin2"),
        ("enum('a')", "utf8mb3"),
        ("char(3) ascii", "latin1"),
        ("varbinary(3)", None),
        ("int", None),
        ("varchar(3) charset binary", None),
    ],
)
def test_character_set_is_inherited_when_a_column_names_none(definition, charset):
    """A column's own character set or collation counts, else the table's default."""
    catalog = run(f"create table t (x {definition}) default charset=utf8mb3")
    assert catalog.get(TableId("d", "t")).columns[0].charset == charset


def test_text_is_converted_when_a_table_is():
    """CONVERT TO changes the text columns; a new default alone does not."""
    catalog = run(BASE, "alter table t default charset latin2")
    assert catalog.get(TableId("d", "t")).columns[1].charset == "utf8mb4"
    catalog = run(BASE, "alter table t convert to character set latin1 collate latin1_bin")
    assert catalog.get(TableId("d", "t")).columns[1].charset == "latin1"


def test_tables_move_when_renamed_across_databases():
    """RENAME TABLE of several pairs takes place in order, a swap included."""
    catalog = run(
        "create table a (x int)",
        "create table b (y int)",
        "rename table a to tmp, b to a, tmp to other.b",
    )
    assert columns(catalog, "a") == ["y"]
    assert columns(catalog, "b", "other") == ["x"]
    assert catalog.get(TableId("d", "b")) is None


def test_tables_go_when_their_database_is_dropped():
    """DROP DATABASE forgets the tables of that database only."""
    catalog = run("create table d.a (x int)", "create table e.a (x int)", "drop database d")
    assert [str(t.id) for t in catalog] == ["e.a"]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into t values (1)",
        "create view v as select 1",
        "create definer=`r`@`%` procedure p() begin drop table t; end",
        "create trigger g before insert on t for each row begin set new.a = 1; drop table t; end",
        "grant all on *.* to x",
        "create temporary table t (x int)",
        "drop temporary table t",
        "drop view t",
        "analyze table t",
        "alter event t disable",
        "create sequence s",
        "create table if not exists t (x int)",
        "alter table unknown add x int",
    ],
)
def test_tables_stay_when_a_statement_does_not_shape_them(statement):
    """Views, routines, grants and the like are passed over."""
    assert columns(run(BASE, statement), "t") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "statement",
    [
        "create table x as select 1",
        "create table x (a int) select 2 as b",
        "create table x (a nosuchtype)",
        "alter table t add (d int",
        "alter table t frobnicate d",
        "alter table t drop nosuch",
        "alter table t add a int",
        "frobnicate table t",
        "create table x (a varchar(10) default 'open",
    ],
)
def test_statement_is_refused_when_it_is_not_understood(statement):
    """What cannot be read raises an error that holds the statement, and changes nothing."""
    with pytest.raises(DdlError) as caught:
        run(BASE, statement)
    assert statement in str(caught.value)


def test_dialect_decides_when_an_executable_comment_names_a_version():
    """MariaDB runs `/*M!` and leaves MySQL 5.7 and later to MySQL; MySQL the other way round."""
    sql = "create table t (a int /*!80023 , b int */ /*M!100100 , c int */ /*!50001 , e int */)"
    assert columns(run(sql, dialect="mysql"), "t") == ["a", "b", "e"]
    assert columns(run(sql, dialect="mariadb"), "t") == ["a", "c", "e"]


_WORDS = st.sampled_from(
    [
        "create",
        "alter",
        "drop",
        "rename",
        "table",
        "database",
        "index",
        "unique",
        "key",
        "primary",
        "add",
        "column",
        "modify",
        "change",
        "if",
        "exists",
        "not",
        "null",
        "default",
        "int",
        "varchar",
        "(",
        ")",
        ",",
        ";",
        "'",
        '"',
        "`",
        "`t`",
        "t",
        "a",
        "10",
        "1.5",
        "'x'",
        "x'0f'",
        "b'1'",
        ".",
        "=",
        "@",
        "/*",
        "*/",
        "/*!",
        "/*M!",
        "--",
        "#",
        "enum",
        "set",
        "as",
        "select",
        "like",
        "partition",
        "convert",
        "to",
        "character",
        "collate",
        "first",
        "after",
        "on",
        "update",
        "current_timestamp",
        "generated",
        "always",
        "constraint",
        "check",
        "references",
        "truncate",
        "use",
        "statement",
        "for",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_WORDS, max_size=25).map(" ".join) | st.text(max_size=40),
    st.sampled_from(["create table t (", "alter table t ", "", "rename table "]),
    st.sampled_from(["mysql", "mariadb"]),
)
def test_parser_answers_or_refuses_when_given_any_text(soup, start, dialect):
    """Whatever the text, there is a list of changes or a DdlError, never another exception."""
    catalog = Catalog()
    for change in parse_ddl(BASE, "d", catalog, "mysql"):
        catalog.apply(change)
    try:
        changes = parse_ddl(start + soup, "d", catalog, dialect)
    except DdlError:
        return
    for change in changes:
        catalog.apply(change)


@pytest.mark.parametrize(
    ("dialect", "column", "expected"),
    [
        ("mysql", "c char(0)", (0, True)),
        ("mariadb", "c char(0) not null", (0, False)),
        ("mysql", "c varbinary(0) not null default ''", (0, False)),
        ("mysql", "c point srid 4326 not null", (None, False)),
        ("mysql", "c point /*!80003 srid 4326 */ not null", (None, False)),
        ("mysql", "c geometry not null srid 0 comment 'x'", (None, False)),
        ("mariadb", "c point ref_system_id=4326 not null", (None, False)),
    ],
)
def test_what_stands_around_a_length_or_a_reference_system_counts(dialect, column, expected):
    """A length of 0 stays one, and NOT NULL is seen on either side of a reference system."""
    catalog = run(f"create table t ({column})", dialect=dialect)
    (found,) = catalog.get(TableId("d", "t")).columns
    assert (found.length, found.optional) == expected
