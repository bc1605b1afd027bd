"""A table under change, and the elements that definitions of tables are made of.

Which unique key stands in for a primary key, and what happens to keys as columns change, is decided here.
Semantics: Debezium's MySQL and MariaDB DDL listeners.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from appliance.connectors.binlog.catalog import Catalog, Change, ChangeKind
from appliance.connectors.binlog.ddl_columns import (
    Cursor,
    Definition,
    is_character,
    parse_column,
    skip_references,
)
from appliance.connectors.binlog.tables import Column, Table, TableId


@dataclasses.dataclass(slots=True)
class Parser:
    """One pass over a text of statements; `edited` holds tables that earlier statements changed."""

    cursor: Cursor
    database: str
    catalog: Catalog
    comments: bool
    changes: list[Change] = dataclasses.field(default_factory=list)
    edited: dict[TableId, Table | None] = dataclasses.field(default_factory=dict)
    start: int = 0
    unknown: bool = False

    def table(self, id_: TableId) -> Table | None:
        """Give a table that a statement is about; None, and `unknown` set, where it was never seen."""
        found = self.edited[id_] if id_ in self.edited else self.catalog.get(id_)
        self.unknown = self.unknown or found is None
        return found

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


def pass_over(cursor: Cursor) -> None:
    """Step over the rest of the statement."""
    while not cursor.at_end():
        cursor.advance()


class TableEditor:
    """A table under change."""

    def __init__(self, parser: Parser, table: Table) -> None:
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
        """Put a new definition in the place of the column `name`; its key stays.

        It may be null, in the key too, unless the definition says otherwise: so in the peer.
        """
        index = self.place(name)
        old = self.columns[index]
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
        # where the peer for MySQL alters a table, UNIQUE at a column makes no key
        stands_in = not self.table.columns or self.cursor.dialect != "mysql"
        if definition.primary or (definition.unique and stands_in and not self.key):
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


def element(editor: TableEditor) -> None:
    """Read one element of a CREATE TABLE's list or of an ADD: a key, a constraint or a column."""
    cursor = editor.cursor
    if not key_element(editor):
        definition = parse_column(cursor)
        editor.add(definition)


def key_element(editor: TableEditor) -> bool:
    """Read a key or constraint; False where a column stands."""
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
    columns = key_columns(cursor)
    while not cursor.at_end() and not cursor.at_any(",", ")", "REFERENCES"):
        cursor.advance()
    return columns


_CHARSET_WORDS: Final = (("CHARACTER", "SET"), ("CHARSET",), ("CHAR", "SET"))


def charset_option(cursor: Cursor) -> tuple[bool, str | None]:
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


def table_options(editor: TableEditor) -> None:
    """Read what follows the list of columns: options, partitions, a query."""
    cursor = editor.cursor
    while not cursor.at_end():
        if cursor.at_any("PARTITION", "AS", "SELECT", "IGNORE", "REPLACE", "WITH", "START"):
            if cursor.at_any("AS", "SELECT", "REPLACE") or (
                cursor.at("IGNORE") and cursor.ahead().upper in ("AS", "SELECT", "(")
            ):
                raise cursor.error("expected table options: columns come from a query")
            pass_over(cursor)
        elif cursor.skip(",") or charset_table_option(editor) or comment_option(editor):
            continue
        elif cursor.at("("):
            cursor.skip_parentheses()
        else:
            cursor.advance()


def charset_table_option(editor: TableEditor) -> bool:
    """Read the table's default character set; False where another option stands."""
    found, charset = charset_option(editor.cursor)
    if charset is not None:
        editor.charset = charset
    return found


def comment_option(editor: TableEditor) -> bool:
    """Read the table's comment; False where another option stands."""
    cursor = editor.cursor
    if not cursor.skip("COMMENT"):
        return False
    cursor.skip("=")
    comment = cursor.text()
    if editor.parser.comments:
        editor.comment = comment
    return True


def key_columns(cursor: Cursor) -> list[str] | None:
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
