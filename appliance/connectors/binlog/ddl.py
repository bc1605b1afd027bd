"""The effect of a DDL statement on tables: own tokenizer and recursive descent, no full grammar.

Statements that shape columns or keys are read completely; statements that cannot (views, grants, DML …)
are passed over by a positive list; anything else raises DdlError with the statement in it, so that no
column is ever mapped wrongly in silence. Semantics: Debezium's MySQL and MariaDB DDL listeners (which
unique key stands in for a primary key, what a change record says), the server's own rules elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from appliance.connectors.binlog.catalog import Catalog, Change, ChangeKind
from appliance.connectors.binlog.ddl_columns import (
    Cursor,
    Definition,
    is_character,
    parse_column,
    parse_default,
    skip_references,
    unescape,
)
from appliance.connectors.binlog.sqltokens import DdlError, Dialect, tokenize
from appliance.connectors.binlog.tables import Column, Table, TableId

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
_MODIFIERS: Final = frozenset({"ONLINE", "OFFLINE", "IGNORE", "AGGREGATE"})


@dataclasses.dataclass(slots=True)
class _Parser:
    """One pass over a text of statements; `edited` holds tables that earlier statements changed."""

    cursor: Cursor
    database: str
    catalog: Catalog
    comments: bool
    changes: list[Change] = dataclasses.field(default_factory=list)
    edited: dict[TableId, Table | None] = dataclasses.field(default_factory=dict)
    start: int = 0

    def table(self, id_: TableId) -> Table | None:
        return self.edited[id_] if id_ in self.edited else self.catalog.get(id_)

    def statement(self) -> str:
        """Give the text from the statement's first token to the last one read."""
        tokens = self.cursor.tokens
        last = max(self.start, self.cursor.index - 1)
        return self.cursor.sql[tokens[self.start].start : tokens[last].end]

    def add(
        self,
        kind: ChangeKind,
        table: Table | None,
        id_: TableId,
        statement: str,
        previous: TableId | None = None,
    ) -> None:
        self.changes.append(Change(kind, id_.catalog, statement, id_, table, previous))
        if kind != "TRUNCATE":
            self.edited[id_] = table
        if previous is not None and previous != id_:
            self.edited[previous] = None

    def table_id(self) -> TableId:
        cursor = self.cursor
        cursor.skip(".")
        name = cursor.name()
        id_ = TableId(self.database, name)
        if cursor.skip("."):
            id_ = TableId(name, cursor.name())
        if self.catalog.ignore_case:
            id_ = TableId(id_.catalog.lower(), id_.table.lower())
        cursor.target = cursor.target or id_
        return id_


def parse_ddl(
    sql: str, database: str, catalog: Catalog, dialect: Dialect, *, comments: bool = False
) -> list[Change]:
    """Give what the statements in `sql`, run in `database`, change; `catalog` itself stays as it is.

    `comments` keeps table and column comments (MariaDB's are always kept, as in the peer's records).
    Raises DdlError; its `target` is the table concerned, where the statement got that far.
    """
    cursor = Cursor(tokenize(sql, dialect), sql, dialect)
    parser = _Parser(cursor, database, catalog, comments or dialect == "mariadb")
    try:
        while cursor.token.kind != "end":
            if cursor.skip(";"):
                continue
            parser.start = cursor.index
            _statement(parser)
            if not cursor.at_end():
                raise cursor.error("expected the end of the statement")
    except DdlError as error:
        error.target = cursor.target
        raise
    return parser.changes


def _statement(parser: _Parser) -> None:
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
        _pass_over(cursor)
    else:
        raise cursor.error("expected a statement")


def _pass_over(cursor: Cursor) -> None:
    while not cursor.at_end():
        cursor.advance()


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


def _create(parser: _Parser) -> None:
    cursor = parser.cursor
    cursor.expect("CREATE")
    if _pass_over_object(cursor):
        return
    replace = cursor.skip("OR", "REPLACE")
    temporary = cursor.skip("TEMPORARY")
    if cursor.skip("TABLE"):
        if temporary:
            _pass_over(cursor)
        else:
            _create_table(parser, replace=replace)
    elif cursor.at_any("DATABASE", "SCHEMA"):
        _database(parser)
    else:
        _create_index(parser)


def _create_index(parser: _Parser) -> None:
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
    columns = _key_columns(cursor)
    _pass_over(cursor)
    table = parser.table(id_)
    if table is None:
        return
    editor = _Editor(parser, table)
    if unique:
        editor.unique_key(columns)
    parser.add("ALTER", editor.build(), id_, parser.statement())


def _key_columns(cursor: Cursor) -> list[str] | None:
    """Read a key's column list; None when it indexes an expression."""
    columns: list[str] | None = []
    cursor.expect("(")
    while not cursor.skip(")"):
        if cursor.at("("):
            cursor.skip_parentheses()
            columns = None
        else:
            name = cursor.name()
            if cursor.at("("):
                cursor.skip_parentheses()
            if columns is not None:
                columns.append(name)
        cursor.skip("ASC") or cursor.skip("DESC")
        if cursor.skip("WITHOUT", "OVERLAPS"):
            columns = None
        if not cursor.at(")"):
            cursor.expect(",")
    return columns


def _create_table(parser: _Parser, *, replace: bool) -> None:
    cursor = parser.cursor
    only_new = cursor.skip("IF", "NOT", "EXISTS")
    id_ = parser.table_id()
    if only_new and not replace and parser.table(id_) is not None:
        _pass_over(cursor)
        return
    if cursor.skip("LIKE") or cursor.skip("(", "LIKE"):
        _create_like(parser, id_)
        return
    editor = _Editor(parser, Table(id_.catalog, id_.table, ()))
    if not cursor.at("(") or cursor.ahead().upper in ("SELECT", "WITH", "VALUES"):
        raise cursor.error("expected the columns of the new table: it is made by a query")
    cursor.expect("(")
    while True:
        _element(editor)
        if cursor.skip(")"):
            break
        cursor.expect(",")
    _table_options(editor)
    editor.settle_charsets()
    parser.add("CREATE", editor.build(), id_, parser.statement())


def _create_like(parser: _Parser, id_: TableId) -> None:
    cursor = parser.cursor
    source_id = parser.table_id()
    _pass_over(cursor)
    source = parser.table(source_id)
    if source is not None:
        table = dataclasses.replace(source, catalog=id_.catalog, name=id_.table)
        parser.add("CREATE", table, id_, parser.statement())


def _element(editor: _Editor) -> None:
    """Read one element of a CREATE TABLE's list or of an ADD: a key, a constraint or a column."""
    cursor = editor.cursor
    if not _key_element(editor):
        definition = parse_column(cursor)
        editor.add(definition)


def _key_element(editor: _Editor) -> bool:
    cursor = editor.cursor
    if cursor.skip("CONSTRAINT"):
        if not cursor.at_any("PRIMARY", "UNIQUE", "FOREIGN", "CHECK"):
            cursor.skip("IF", "NOT", "EXISTS")
            cursor.name()
        if not cursor.at_any("PRIMARY", "UNIQUE", "FOREIGN", "CHECK"):
            raise cursor.error("expected a constraint")
    if cursor.at("PRIMARY", "KEY"):
        cursor.skip("PRIMARY", "KEY")
        editor.primary_key(_named_key(cursor) or [])
    elif cursor.at("UNIQUE"):
        cursor.skip("UNIQUE")
        cursor.skip("KEY") or cursor.skip("INDEX")
        editor.unique_key(_named_key(cursor))
    elif cursor.at("FOREIGN", "KEY"):
        cursor.skip("FOREIGN", "KEY")
        cursor.skip("IF", "NOT", "EXISTS")
        _named_key(cursor)
        cursor.expect("REFERENCES")
        skip_references(cursor)
    elif cursor.at("CHECK", "("):
        cursor.skip("CHECK")
        cursor.skip_parentheses()
        cursor.skip_item()
    elif cursor.at("PERIOD", "FOR"):
        cursor.skip_item()
    elif cursor.at_any("KEY", "INDEX") or (
        cursor.at_any("FULLTEXT", "SPATIAL", "VECTOR")
        and (cursor.ahead().upper in ("KEY", "INDEX") or cursor.token.upper != "VECTOR")
    ):
        cursor.advance()
        cursor.skip("KEY") or cursor.skip("INDEX")
        _named_key(cursor)
    else:
        return False
    return True


def _named_key(cursor: Cursor) -> list[str] | None:
    """Read `[name] [USING …] (columns) options` of a key."""
    cursor.skip("IF", "NOT", "EXISTS")
    while not cursor.at("("):
        if cursor.at_end() or cursor.at_any(",", ")"):
            raise cursor.error("expected the columns of a key")
        cursor.advance()
    columns = _key_columns(cursor)
    while not cursor.at_end() and not cursor.at_any(",", ")", "REFERENCES"):
        cursor.advance()
    return columns


_CHARSET_WORDS: Final = (("CHARACTER", "SET"), ("CHARSET",), ("CHAR", "SET"))


def _charset_option(cursor: Cursor) -> tuple[bool, str | None]:
    """Read a character set or collation option: whether there was one, and its character set."""
    default = cursor.at("DEFAULT")
    here = 1 if default else 0
    for words in _CHARSET_WORDS:
        if all(cursor.ahead(here + i).upper == word for i, word in enumerate(words)):
            cursor.index += here + len(words)
            cursor.skip("=")
            name = cursor.name()
            return True, None if name.upper() == "DEFAULT" else name
    if cursor.ahead(here).upper == "COLLATE":
        cursor.index += here + 1
        cursor.skip("=")
        return True, charset_of_collation(cursor.name())
    return False, None


def charset_of_collation(collation: str) -> str | None:
    """Give the character set that a collation's name begins with, None where it names none."""
    charset = collation.partition("_")[0]
    return None if charset.lower() in ("uca1400", "default") else charset


def _table_options(editor: _Editor) -> None:
    """Read what follows the list of columns: options, partitions, a query."""
    cursor = editor.cursor
    while not cursor.at_end():
        if cursor.at_any("PARTITION", "AS", "SELECT", "IGNORE", "REPLACE", "WITH", "START"):
            if cursor.at_any("AS", "SELECT", "REPLACE") or (
                cursor.at("IGNORE") and cursor.ahead().upper in ("AS", "SELECT", "(")
            ):
                raise cursor.error("expected table options: columns come from a query")
            _pass_over(cursor)
        elif cursor.skip(",") or _charset_table_option(editor) or _comment_option(editor):
            continue
        elif cursor.at("("):
            cursor.skip_parentheses()
        else:
            cursor.advance()


def _charset_table_option(editor: _Editor) -> bool:
    found, charset = _charset_option(editor.cursor)
    if charset is not None:
        editor.charset = charset
    return found


def _comment_option(editor: _Editor) -> bool:
    cursor = editor.cursor
    if not cursor.skip("COMMENT"):
        return False
    cursor.skip("=")
    comment = unescape(cursor.text())
    if editor.parser.comments:
        editor.comment = comment
    return True


class _Editor:
    """A table under change."""

    def __init__(self, parser: _Parser, table: Table) -> None:
        self.parser = parser
        self.cursor = parser.cursor
        self.table = table
        self.columns = list(table.columns)
        self.key = list(table.primary_key)
        self.charset = table.default_charset
        self.comment = table.comment
        self.plain: set[str] = set()

    def build(self) -> Table:
        """Give the table as it is now, columns numbered anew."""
        columns = tuple(
            dataclasses.replace(column, position=index)
            for index, column in enumerate(self.columns, 1)
        )
        return dataclasses.replace(
            self.table,
            columns=columns,
            primary_key=tuple(self.key),
            default_charset=self.charset,
            comment=self.comment,
        )

    def find(self, name: str) -> int | None:
        """Give the place of the column `name`, None where there is none."""
        folded = name.casefold()
        return next((i for i, c in enumerate(self.columns) if c.name.casefold() == folded), None)

    def place(self, name: str) -> int:
        """Give the place of the column `name`. Raises DdlError where there is none."""
        index = self.find(name)
        if index is None:
            raise self.cursor.error(f"table {self.table.id} has no column {name},")
        return index

    def add(self, definition: Definition, index: int | None = None) -> None:
        """Put a new column at a place (default: last) and take over its key."""
        column = self._with_charset(definition)
        if self.find(column.name) is not None:
            raise self.cursor.error(f"table {self.table.id} already has the column {column.name},")
        self.columns.insert(len(self.columns) if index is None else index, column)
        self._take_key(definition, column.name)

    def replace(self, name: str, definition: Definition) -> None:
        """Put a new definition in the place of the column `name`; its key stays."""
        index = self.place(name)
        old = self.columns[index]
        in_key = old.name in self.key
        if in_key and definition.nullable is None and not old.optional:
            definition.nullable = False
        column = self._with_charset(definition)
        self.columns[index] = column
        self.key = [column.name if part == old.name else part for part in self.key]
        self._take_key(definition, column.name)

    def move(self, name: str, after: str | None) -> None:
        """Move a column behind another one, or to the front."""
        column = self.columns.pop(self.place(name))
        self.columns.insert(0 if after is None else self.place(after) + 1, column)

    def remove(self, name: str) -> None:
        """Drop a column, from the key as well."""
        column = self.columns.pop(self.place(name))
        self.key = [part for part in self.key if part != column.name]

    def rename(self, name: str, new: str) -> None:
        """Give a column another name."""
        index = self.place(name)
        old = self.columns[index].name
        self.columns[index] = dataclasses.replace(self.columns[index], name=new)
        self.key = [new if part == old else part for part in self.key]

    def _take_key(self, definition: Definition, name: str) -> None:
        if definition.primary or (definition.unique and not self.key):
            self.key = [name]

    def primary_key(self, names: list[str]) -> None:
        """Set the primary key; its columns become NOT NULL."""
        key = []
        for name in names:
            index = self.find(name)
            if index is None:
                key.append(name)
                continue
            column = self.columns[index]
            if column.optional:
                has_default = column.has_default and column.default_expression is not None
                column = dataclasses.replace(column, optional=False, has_default=has_default)
                self.columns[index] = column
            key.append(column.name)
        self.key = key

    def unique_key(self, names: list[str] | None) -> None:
        """Let a unique key stand in for a missing primary key, if none of its columns can be null."""
        if self.key or names is None:
            return
        places = [self.find(name) for name in names]
        columns = [self.columns[place] for place in places if place is not None]
        if len(columns) == len(names) and not any(column.optional for column in columns):
            self.key = [column.name for column in columns]

    def _with_charset(self, definition: Definition) -> Column:
        column = definition.finished()
        if not self.parser.comments:
            column = dataclasses.replace(column, comment=None)
        if not is_character(column.type_name):
            return dataclasses.replace(column, charset=None)
        if column.charset is not None:
            return column
        charset = charset_of_collation(definition.collation) if definition.collation else None
        if charset is None:
            self.plain.add(column.name)
            charset = self.charset or self.parser.catalog.charset_of(self.table.catalog)
        return dataclasses.replace(column, charset=charset)

    def settle_charsets(self) -> None:
        """Give columns without a character set of their own the one of the new table."""
        self.charset = self.charset or self.parser.catalog.charset_of(self.table.catalog)
        self.columns = [
            dataclasses.replace(column, charset=self.charset)
            if column.name in self.plain
            else column
            for column in self.columns
        ]

    def convert(self, charset: str | None) -> None:
        """Convert all text, and the table's default, to a character set."""
        self.charset = charset or self.parser.catalog.charset_of(self.table.catalog)
        self.columns = [
            dataclasses.replace(column, charset=self.charset)
            if is_character(column.type_name)
            else column
            for column in self.columns
        ]


def _alter(parser: _Parser) -> None:
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
    _wait(cursor)
    table = parser.table(id_)
    if table is None:
        _pass_over(cursor)
        return
    editor = _Editor(parser, table)
    new_id: TableId | None = None
    while not cursor.at_end():
        new_id = _alteration(editor) or new_id
        if not cursor.at_end() and not cursor.skip(",") and not cursor.at("PARTITION"):
            raise cursor.error("expected a comma")
    _finish_alter(parser, editor, id_, new_id)


def _finish_alter(parser: _Parser, editor: _Editor, id_: TableId, new_id: TableId | None) -> None:
    table = editor.build()
    if new_id is None:
        parser.add("ALTER", table, id_, parser.statement())
        return
    table = dataclasses.replace(table, catalog=new_id.catalog, name=new_id.table)
    parser.add("ALTER", table, new_id, parser.statement(), id_)


def _wait(cursor: Cursor) -> None:
    if cursor.skip("WAIT"):
        cursor.advance()
    else:
        cursor.skip("NOWAIT")


def _alteration(editor: _Editor) -> TableId | None:
    """Read one action of an ALTER TABLE; give the table's new name where it is renamed."""
    cursor = editor.cursor
    action = _ACTIONS.get(cursor.token.upper)
    if action is not None:
        cursor.advance()
        return action(editor)
    if _charset_table_option(editor) or _comment_option(editor):
        return None
    if cursor.token.kind != "word" or cursor.token.upper not in _OPTIONS:
        raise cursor.error("expected a change of the table")
    if cursor.token.upper in _LISTS:
        _pass_over(cursor)
        return None
    cursor.skip_item()
    return None


_LISTS: Final = frozenset({"ORDER", "PARTITION", "REORGANIZE", "EXCHANGE", "UNION"})
"""Options whose values may hold commas, or that stand last."""

_OPTIONS: Final = _LISTS | {
    "ENGINE", "TYPE", "AUTO_INCREMENT", "AVG_ROW_LENGTH", "CHECKSUM", "TABLE_CHECKSUM", "COMPRESSION",
    "CONNECTION", "DATA", "DELAY_KEY_WRITE", "ENCRYPTION", "ENGINE_ATTRIBUTE", "INDEX", "INSERT_METHOD",
    "KEY_BLOCK_SIZE", "MAX_ROWS", "MIN_ROWS", "PACK_KEYS", "PASSWORD", "ROW_FORMAT", "TABLESPACE",
    "SECONDARY_ENGINE", "SECONDARY_ENGINE_ATTRIBUTE", "STATS_AUTO_RECALC", "STATS_PERSISTENT", "STORAGE",
    "STATS_SAMPLE_PAGES", "START", "AUTOEXTEND_SIZE", "ALGORITHM", "LOCK", "FORCE", "ENABLE", "DISABLE",
    "DISCARD", "IMPORT", "WITH", "WITHOUT", "COALESCE", "ANALYZE", "OPTIMIZE", "REBUILD", "REPAIR",
    "REMOVE", "UPGRADE", "TRUNCATE", "CHECK", "SECONDARY_LOAD", "SECONDARY_UNLOAD", "TRANSACTIONAL",
    "PAGE_CHECKSUM", "PAGE_COMPRESSED", "PAGE_COMPRESSION_LEVEL", "ENCRYPTED", "ENCRYPTION_KEY_ID",
    "IETF_QUOTES", "SEQUENCE", "RAID_TYPE", "ITEF_QUOTES", "NOWAIT", "WAIT", "DEFAULT", "VALIDATION",
}  # fmt: skip


def _added(editor: _Editor) -> None:
    cursor = editor.cursor
    if cursor.at("PARTITION"):
        _pass_over(cursor)
        return
    if cursor.skip("SYSTEM", "VERSIONING"):
        return
    explicit = cursor.skip("COLUMN")
    only_new = cursor.skip("IF", "NOT", "EXISTS")
    if cursor.skip("("):
        while True:
            _element(editor)
            if cursor.skip(")"):
                return
            cursor.expect(",")
    if not explicit and not only_new and _key_element(editor):
        return
    definition = parse_column(cursor)
    exists = editor.find(definition.column.name) is not None
    if cursor.skip("FIRST"):
        index: int | None = 0
    else:
        index = editor.place(cursor.name()) + 1 if cursor.skip("AFTER") else None
    if not (only_new and exists):
        editor.add(definition, index)


def _dropped(editor: _Editor) -> None:
    cursor = editor.cursor
    if cursor.skip("PRIMARY", "KEY"):
        editor.key = []
        return
    if cursor.at("PARTITION"):
        _pass_over(cursor)
        return
    if cursor.skip("SYSTEM", "VERSIONING"):
        return
    if cursor.at("PERIOD", "FOR"):
        cursor.skip_item()
        return
    if cursor.at("FOREIGN", "KEY") or (
        cursor.at_any("INDEX", "KEY", "CONSTRAINT", "CHECK") and not _ends(cursor, 1)
    ):
        cursor.skip("FOREIGN")
        cursor.advance()
        cursor.skip("IF", "EXISTS")
        if cursor.name().upper() == "PRIMARY":
            editor.key = []
        return
    cursor.skip("COLUMN")
    lenient = cursor.skip("IF", "EXISTS")
    name = cursor.name()
    cursor.skip("RESTRICT") or cursor.skip("CASCADE")
    if not lenient or editor.find(name) is not None:
        editor.remove(name)


def _ends(cursor: Cursor, offset: int) -> bool:
    token = cursor.ahead(offset)
    return token.kind == "end" or token.text in (",", ";")


def _modified(editor: _Editor) -> None:
    cursor = editor.cursor
    cursor.skip("COLUMN")
    lenient = cursor.skip("IF", "EXISTS")
    definition = parse_column(cursor)
    _redefine(editor, definition.column.name, definition, lenient=lenient)


def _changed(editor: _Editor) -> None:
    cursor = editor.cursor
    cursor.skip("COLUMN")
    lenient = cursor.skip("IF", "EXISTS")
    name = cursor.name()
    _redefine(editor, name, parse_column(cursor), lenient=lenient)


def _redefine(editor: _Editor, name: str, definition: Definition, *, lenient: bool) -> None:
    cursor = editor.cursor
    exists = editor.find(name) is not None
    if exists or not lenient:
        editor.replace(name, definition)
    new = definition.column.name
    if cursor.skip("FIRST"):
        if exists:
            editor.move(new, None)
    elif cursor.skip("AFTER"):
        after = cursor.name()
        if exists:
            editor.move(new, after)


def _altered(editor: _Editor) -> None:
    cursor = editor.cursor
    if cursor.at_any("INDEX", "KEY", "CONSTRAINT", "CHECK") and cursor.ahead().upper not in (
        "SET",
        "DROP",
    ):
        cursor.skip_item()
        return
    cursor.skip("COLUMN")
    lenient = cursor.skip("IF", "EXISTS")
    name = cursor.name()
    index = editor.find(name) if lenient else editor.place(name)
    definition = Definition(Column(name, 0, "") if index is None else editor.columns[index])
    if cursor.skip("DROP", "DEFAULT"):
        column = dataclasses.replace(
            definition.column,
            default_expression=None,
            has_default=definition.column.optional,
        )
    elif cursor.skip("SET", "DEFAULT"):
        parse_default(cursor, definition)
        column = dataclasses.replace(definition.column, has_default=True)
    else:
        cursor.expect("SET")
        if not cursor.skip("VISIBLE"):
            cursor.expect("INVISIBLE")
        column = definition.column
    if index is not None:
        editor.columns[index] = column


def _renamed(editor: _Editor) -> TableId | None:
    cursor = editor.cursor
    if cursor.at_any("INDEX", "KEY") and cursor.ahead(2).upper == "TO":
        cursor.skip_item()
        return None
    if cursor.skip("COLUMN"):
        lenient = cursor.skip("IF", "EXISTS")
        name = cursor.name()
        cursor.expect("TO")
        new = cursor.name()
        if not lenient or editor.find(name) is not None:
            editor.rename(name, new)
        return None
    cursor.skip("TO") or cursor.skip("AS") or cursor.skip("=")
    return editor.parser.table_id()


def _converted(editor: _Editor) -> None:
    cursor = editor.cursor
    if cursor.at("PARTITION") or cursor.at("TABLE"):
        raise cursor.error(
            "tables made from partitions cannot be followed: expected CHARACTER SET"
        )
    cursor.expect("TO")
    found, charset = _charset_option(cursor)
    if not found:
        raise cursor.error("expected CHARACTER SET")
    if cursor.at("COLLATE"):
        _, of_collation = _charset_option(cursor)
        charset = charset or of_collation
    editor.convert(charset)


_ACTIONS: Final[dict[str, Callable[[_Editor], TableId | None]]] = {
    "ADD": _added,
    "DROP": _dropped,
    "MODIFY": _modified,
    "CHANGE": _changed,
    "ALTER": _altered,
    "RENAME": _renamed,
    "CONVERT": _converted,
}


def _drop(parser: _Parser) -> None:
    cursor = parser.cursor
    cursor.expect("DROP")
    if _pass_over_object(cursor):
        return
    if cursor.at_any("DATABASE", "SCHEMA"):
        _drop_database(parser)
        return
    if cursor.skip("TEMPORARY"):
        _pass_over(cursor)
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
    _wait(cursor)
    behind = ""
    if cursor.at_any("RESTRICT", "CASCADE"):
        behind = " " + cursor.advance().text
    for id_ in ids:
        parser.add("DROP", None, id_, prefix + id_.sql + behind)


def _drop_index(parser: _Parser) -> None:
    cursor = parser.cursor
    cursor.skip("IF", "EXISTS")
    name = cursor.name()
    cursor.expect("ON")
    id_ = parser.table_id()
    _pass_over(cursor)
    table = parser.table(id_)
    if table is not None:
        if name.upper() == "PRIMARY":
            table = dataclasses.replace(table, primary_key=())
        parser.add("ALTER", table, id_, parser.statement())


def _rename(parser: _Parser) -> None:
    cursor = parser.cursor
    cursor.expect("RENAME")
    if cursor.at("USER"):
        _pass_over(cursor)
        return
    if not (cursor.skip("TABLE") or cursor.skip("TABLES")):
        raise cursor.error("expected TABLE")
    cursor.skip("IF", "EXISTS")
    prefix = cursor.sql[cursor.tokens[parser.start].start : cursor.token.start]
    while True:
        first = cursor.token
        old = parser.table_id()
        _wait(cursor)
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


def _truncate(parser: _Parser) -> None:
    cursor = parser.cursor
    cursor.expect("TRUNCATE")
    cursor.skip("TABLE")
    id_ = parser.table_id()
    _pass_over(cursor)
    parser.add("TRUNCATE", parser.table(id_), id_, parser.statement())


def _database(parser: _Parser) -> None:
    """Read what follows CREATE or ALTER: `DATABASE [name] options`."""
    cursor = parser.cursor
    cursor.advance()
    cursor.skip("IF", "NOT", "EXISTS")
    options = ("CHARACTER", "CHARSET", "COLLATE", "DEFAULT", "ENCRYPTION", "READ", "COMMENT")
    named = not cursor.at_any(*options) and not cursor.at_end()
    database = cursor.name() if named else parser.database
    charset: str | None = None
    while not cursor.at_end():
        found, value = _charset_option(cursor)
        charset = charset or value
        if not found:
            cursor.advance()
    parser.changes.append(Change("DATABASE", database, parser.statement(), charset=charset))


def _drop_database(parser: _Parser) -> None:
    cursor = parser.cursor
    cursor.advance()
    cursor.skip("IF", "EXISTS")
    database = cursor.name()
    parser.changes.append(Change("DROP DATABASE", database, parser.statement()))


def _set(parser: _Parser) -> None:
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


def _use(parser: _Parser) -> None:
    cursor = parser.cursor
    cursor.expect("USE")
    parser.database = cursor.name()
    parser.changes.append(Change("USE", parser.database, parser.statement()))


_STATEMENTS: Final[dict[str, Callable[[_Parser], None]]] = {
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
    "RENAME": _rename,
    "TRUNCATE": _truncate,
    "SET": _set,
    "USE": _use,
}
