"""The effect of a DDL statement on tables: own tokenizer and recursive descent, no full grammar.

Statements that shape columns or keys are read completely; statements that cannot (views, grants, DML …)
are passed over by a positive list; anything else raises DdlError with the statement in it, so that no
column is ever mapped wrongly in silence. Semantics: Debezium's MySQL and MariaDB DDL listeners (which
unique key stands in for a primary key, what a change record says), the server's own rules elsewhere.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Final

from appliance.connectors.binlog.catalog import Catalog, Change
from appliance.connectors.binlog.ddl_alter import alteration, skip_wait
from appliance.connectors.binlog.ddl_columns import Cursor
from appliance.connectors.binlog.ddl_tables import (
    Parser,
    TableEditor,
    charset_of_collation,
    charset_option,
    element,
    key_columns,
    pass_over,
    table_options,
)
from appliance.connectors.binlog.sqltokens import DdlError, Dialect, tokenize
from appliance.connectors.binlog.tables import Table, TableId

__all__ = ["DdlError", "parse_ddl"]

_PASSED_OVER: Final = frozenset(
    {
        "INSERT", "UPDATE", "DELETE", "REPLACE", "SELECT", "WITH", "VALUES", "TABLE", "CALL", "DO",
        "LOAD", "HANDLER", "IMPORT", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "START",
        "STOP", "XA", "LOCK", "UNLOCK", "GRANT", "REVOKE", "FLUSH", "ANALYZE", "OPTIMIZE", "REPAIR",
        "CHECK", "CHECKSUM", "CACHE", "RESET", "PURGE", "KILL", "SHOW", "EXPLAIN", "DESCRIBE", "DESC",
        "HELP", "SIGNAL", "RESIGNAL", "INSTALL", "UNINSTALL", "CLONE", "PREPARE", "EXECUTE",
        "DEALLOCATE", "CHANGE", "BACKUP", "BINLOG", "SHUTDOWN", "RESTART", "GET", "END", "(",
    }
)  # fmt: skip
_OBJECTS: Final = frozenset(
    {
        "VIEW", "FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "SERVER", "USER", "ROLE", "TABLESPACE",
        "LOGFILE", "SEQUENCE", "PACKAGE", "RESOURCE", "UNDO", "INSTANCE", "LIBRARY", "PREPARE",
    }
)  # fmt: skip
_ROUTINES: Final = frozenset({"FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "PACKAGE"})
_UNKEPT: Final = re.compile(
    r"(GRANT|REVOKE|(ANALYZE|OPTIMIZE|REPAIR)\s+(NO_WRITE_TO_BINLOG\s+|LOCAL\s+)?TABLE|SAVEPOINT|REPLACE|"
    r"FLUSH\s+RELAY|(CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+)?(IF\s+(NOT\s+)?EXISTS\s+)?"
    r"(ALGORITHM\s*=\s*\S+\s+)?(DEFINER\s*=\s*\S+\s+)?(SQL\s+SECURITY\s+\S+\s+)?"
    r"(USER|ROLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|AGGREGATE|TEMPORARY)|INSERT|UPDATE|DELETE)\b",
    re.IGNORECASE,
)
"""Statements without effect on tables that leave no record; other ones do."""
_MODIFIERS: Final = frozenset({"ONLINE", "OFFLINE", "IGNORE", "AGGREGATE"})


def parse_ddl(
    sql: str, database: str, catalog: Catalog, dialect: Dialect, *, comments: bool = False
) -> list[Change]:
    """Give what the statements in `sql`, run in `database`, change; `catalog` itself stays as it is.

    `comments` keeps table and column comments (MariaDB's are always kept, as in the peer's records).
    Raises DdlError; its `target` is the table concerned, where the statement got that far.
    """
    cursor = Cursor(tokenize(sql, dialect), sql, dialect)
    parser = Parser(cursor, database, catalog, comments or dialect == "mariadb")
    try:
        while cursor.token.kind != "end":
            if cursor.skip(";"):
                continue
            parser.start = cursor.index
            count, parser.unknown = len(parser.changes), False
            _statement(parser)
            if not cursor.at_end():
                raise cursor.error("expected the end of the statement")
            silent = len(parser.changes) == count and not parser.unknown
            if silent and not _UNKEPT.match(parser.statement()):
                parser.changes.append(Change("OTHER", database, parser.statement()))
    except DdlError as error:
        error.target = cursor.target
        raise
    return parser.changes


def _statement(parser: Parser) -> None:
    cursor = parser.cursor
    if cursor.at("SET", "STATEMENT"):
        while not cursor.at_end() and not cursor.skip("FOR"):
            cursor.advance()
        parser.start = cursor.index
    word = cursor.token.upper or cursor.token.text
    handler = _STATEMENTS.get(word)
    if handler is not None:
        handler(parser)
    elif word in _PASSED_OVER:
        pass_over(cursor)
    else:
        raise cursor.error("expected a statement")


def _pass_over_object(cursor: Cursor) -> bool:
    """Step over a statement about something that is no table, if this is one."""
    offset = 0
    while True:
        token = cursor.ahead(offset)
        if token.upper in _OBJECTS or token.upper in ("SPATIAL", "DEFINER", "ALGORITHM", "SQL"):
            break
        if token.upper not in _MODIFIERS and token.upper not in ("OR", "REPLACE", "TEMPORARY"):
            return False
        offset += 1
    if cursor.ahead(offset).upper == "SPATIAL" and cursor.ahead(offset + 1).upper != "REFERENCE":
        return False
    routine = False
    while not cursor.at_end():
        routine = cursor.advance().upper in _ROUTINES or routine
    while routine and cursor.token.kind != "end":
        cursor.advance()
    return True


def _create(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.expect("CREATE")
    if _pass_over_object(cursor):
        return
    replace = cursor.skip("OR", "REPLACE")
    temporary = cursor.skip("TEMPORARY")
    if cursor.skip("TABLE"):
        if temporary:
            pass_over(cursor)
        else:
            _create_table(parser, replace=replace)
    elif cursor.at_any("DATABASE", "SCHEMA"):
        _database(parser)
    else:
        _create_index(parser)


def _create_index(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.skip("ONLINE") or cursor.skip("OFFLINE")
    unique = cursor.skip("UNIQUE")
    cursor.skip("FULLTEXT") or cursor.skip("SPATIAL") or cursor.skip("VECTOR")
    cursor.expect("INDEX")
    cursor.skip("IF", "NOT", "EXISTS")
    cursor.name()
    if cursor.skip("USING"):
        cursor.name()
    cursor.expect("ON")
    id_ = parser.table_id()
    columns = key_columns(cursor)
    pass_over(cursor)
    table = parser.table(id_)
    if table is None:
        return
    editor = TableEditor(parser, table)
    if unique:
        editor.unique_key(columns)
        parser.add("ALTER", editor.build(), id_, parser.statement())


def _create_table(parser: Parser, *, replace: bool) -> None:
    cursor = parser.cursor
    only_new = cursor.skip("IF", "NOT", "EXISTS")
    id_ = parser.table_id()
    if only_new and not replace and parser.table(id_) is not None:
        pass_over(cursor)
        return
    if cursor.skip("LIKE") or cursor.skip("(", "LIKE"):
        _create_like(parser, id_)
        return
    editor = TableEditor(parser, Table(id_.catalog, id_.table, ()))
    if not cursor.at("(") or cursor.ahead().upper in ("SELECT", "WITH", "VALUES"):
        raise cursor.error("expected the columns of the new table: it is made by a query")
    cursor.expect("(")
    while True:
        element(editor)
        if cursor.skip(")"):
            break
        cursor.expect(",")
    table_options(editor)
    editor.settle_charsets()
    parser.add("CREATE", editor.build(), id_, parser.statement())


def _create_like(parser: Parser, id_: TableId) -> None:
    cursor = parser.cursor
    source_id = parser.table_id()
    pass_over(cursor)
    source = parser.table(source_id)
    if source is not None:
        table = dataclasses.replace(source, catalog=id_.catalog, name=id_.table)
        parser.add("CREATE", table, id_, parser.statement())


def _alter(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.expect("ALTER")
    if _pass_over_object(cursor):
        return
    if cursor.at_any("DATABASE", "SCHEMA"):
        _database(parser)
        return
    while cursor.token.upper in _MODIFIERS:
        cursor.advance()
    cursor.expect("TABLE")
    cursor.skip("IF", "EXISTS")
    id_ = parser.table_id()
    skip_wait(cursor)
    table = parser.table(id_)
    if table is None:
        pass_over(cursor)
        return
    editor = TableEditor(parser, table)
    new_id: TableId | None = None
    while not cursor.at_end():
        new_id = alteration(editor) or new_id
        if not cursor.at_end() and not cursor.skip(",") and not cursor.at("PARTITION"):
            raise cursor.error("expected a comma")
    _finish_alter(parser, editor, id_, new_id)


def _finish_alter(
    parser: Parser, editor: TableEditor, id_: TableId, new_id: TableId | None
) -> None:
    table = editor.build()
    if new_id is None:
        parser.add("ALTER", table, id_, parser.statement())
        return
    table = dataclasses.replace(table, catalog=new_id.catalog, name=new_id.table)
    parser.add("ALTER", table, new_id, parser.statement(), id_)


def _drop(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.expect("DROP")
    if _pass_over_object(cursor):
        return
    if cursor.at_any("DATABASE", "SCHEMA"):
        _drop_database(parser)
        return
    if cursor.skip("TEMPORARY"):
        pass_over(cursor)
        return
    cursor.skip("ONLINE") or cursor.skip("OFFLINE")
    if cursor.skip("INDEX"):
        _drop_index(parser)
        return
    if not (cursor.skip("TABLE") or cursor.skip("TABLES")):
        raise cursor.error("expected TABLE")
    cursor.skip("IF", "EXISTS")
    first = cursor.token
    prefix = cursor.sql[cursor.tokens[parser.start].start : first.start]
    ids = [parser.table_id()]
    while cursor.skip(","):
        ids.append(parser.table_id())
    skip_wait(cursor)
    behind = ""
    if cursor.at_any("RESTRICT", "CASCADE"):
        behind = " " + cursor.advance().text
    for id_ in ids:
        parser.add("DROP", None, id_, prefix + id_.sql + behind)


def _drop_index(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.skip("IF", "EXISTS")
    name = cursor.name()
    cursor.expect("ON")
    id_ = parser.table_id()
    pass_over(cursor)
    table = parser.table(id_)
    if table is not None and name.upper() == "PRIMARY":
        table = dataclasses.replace(table, primary_key=())
        parser.add("ALTER", table, id_, parser.statement())


def _rename(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.expect("RENAME")
    if cursor.at("USER"):
        pass_over(cursor)
        return
    if not (cursor.skip("TABLE") or cursor.skip("TABLES")):
        raise cursor.error("expected TABLE")
    cursor.skip("IF", "EXISTS")
    prefix = cursor.sql[cursor.tokens[parser.start].start : cursor.token.start]
    while True:
        first = cursor.token
        old = parser.table_id()
        skip_wait(cursor)
        cursor.expect("TO")
        new = parser.table_id()
        last = cursor.tokens[cursor.index - 1]
        table = parser.table(old)
        if table is not None:
            table = dataclasses.replace(table, catalog=new.catalog, name=new.table)
            statement = prefix + cursor.sql[first.start : last.end]
            parser.add("ALTER", table, new, statement, old)
        if not cursor.skip(","):
            return


def _truncate(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.expect("TRUNCATE")
    cursor.skip("TABLE")
    id_ = parser.table_id()
    pass_over(cursor)
    parser.add("TRUNCATE", parser.table(id_), id_, parser.statement())


def _database(parser: Parser) -> None:
    """Read what follows CREATE or ALTER: `DATABASE [name] options`."""
    cursor = parser.cursor
    cursor.advance()
    cursor.skip("IF", "NOT", "EXISTS")
    options = ("CHARACTER", "CHARSET", "COLLATE", "DEFAULT", "ENCRYPTION", "READ", "COMMENT")
    named = not cursor.at_any(*options) and not cursor.at_end()
    database = cursor.name() if named else parser.database
    charset: str | None = None
    while not cursor.at_end():
        found, value = charset_option(cursor)
        charset = charset or value
        if not found:
            cursor.advance()
    parser.changes.append(Change("DATABASE", database, parser.statement(), charset=charset))


def _drop_database(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.advance()
    cursor.skip("IF", "EXISTS")
    database = cursor.name()
    parser.changes.append(Change("DROP DATABASE", database, parser.statement()))


def _set(parser: Parser) -> None:
    cursor = parser.cursor
    charset: str | None = None
    while not cursor.at_end():
        word = cursor.advance().upper
        if word in ("CHARACTER_SET_SERVER", "COLLATION_SERVER") and (
            cursor.skip("=") or cursor.skip(":", "=")
        ):
            value = cursor.advance().value
            charset = charset or (
                value if word == "CHARACTER_SET_SERVER" else charset_of_collation(value)
            )
    if charset is not None:
        parser.changes.append(Change("SET", "", parser.statement(), charset=charset))


def _use(parser: Parser) -> None:
    cursor = parser.cursor
    cursor.expect("USE")
    parser.database = cursor.name()
    parser.changes.append(Change("USE", parser.database, parser.statement()))


_STATEMENTS: Final[dict[str, Callable[[Parser], None]]] = {
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
    "RENAME": _rename,
    "TRUNCATE": _truncate,
    "SET": _set,
    "USE": _use,
}
