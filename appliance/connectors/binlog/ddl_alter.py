"""The actions of ALTER TABLE, one function each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from appliance.connectors.binlog.ddl_columns import Cursor, Definition, parse_column, parse_default
from appliance.connectors.binlog.ddl_tables import (
    TableEditor,
    charset_option,
    charset_table_option,
    comment_option,
    element,
    key_element,
    pass_over,
)
from appliance.connectors.binlog.tables import Column, TableId


def skip_wait(cursor: Cursor) -> None:
    """Step over MariaDB's `WAIT n` or `NOWAIT`."""
    if cursor.skip("WAIT"):
        cursor.advance()
    else:
        cursor.skip("NOWAIT")


def alteration(editor: TableEditor) -> TableId | None:
    """Read one action of an ALTER TABLE; give the table's new name where it is renamed."""
    cursor = editor.cursor
    action = _ACTIONS.get(cursor.token.upper)
    if action is not None:
        cursor.advance()
        return action(editor)
    if charset_table_option(editor) or comment_option(editor):
        return None
    if cursor.token.kind != "word" or cursor.token.upper not in _OPTIONS:
        raise cursor.error("expected a change of the table")
    if cursor.token.upper in _LISTS:
        pass_over(cursor)
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


def _added(editor: TableEditor) -> None:
    cursor = editor.cursor
    if cursor.at("PARTITION"):
        pass_over(cursor)
        return
    if cursor.skip("SYSTEM", "VERSIONING"):
        return
    explicit = cursor.skip("COLUMN")
    only_new = cursor.skip("IF", "NOT", "EXISTS")
    if cursor.skip("("):
        while True:
            element(editor)
            if cursor.skip(")"):
                return
            cursor.expect(",")
    if not explicit and not only_new and key_element(editor):
        return
    definition = parse_column(cursor)
    exists = editor.find(definition.column.name) is not None
    if cursor.skip("FIRST"):
        index: int | None = 0
    else:
        index = editor.place(cursor.name()) + 1 if cursor.skip("AFTER") else None
    if not (only_new and exists):
        editor.add(definition, index)


def _dropped(editor: TableEditor) -> None:
    cursor = editor.cursor
    if cursor.skip("PRIMARY", "KEY"):
        editor.key = []
        return
    if cursor.at("PARTITION"):
        pass_over(cursor)
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


def _modified(editor: TableEditor) -> None:
    cursor = editor.cursor
    cursor.skip("COLUMN")
    lenient = cursor.skip("IF", "EXISTS")
    definition = parse_column(cursor)
    _redefine(editor, definition.column.name, definition, lenient=lenient)


def _changed(editor: TableEditor) -> None:
    cursor = editor.cursor
    cursor.skip("COLUMN")
    lenient = cursor.skip("IF", "EXISTS")
    name = cursor.name()
    definition = parse_column(cursor)
    if (index := editor.find(name)) is not None:
        _keep(definition, editor.columns[index])
    _redefine(editor, name, definition, lenient=lenient)


def _keep(definition: Definition, old: Column) -> None:
    """Leave what CHANGE, unlike MODIFY, does not take away in the peer."""
    new = definition.column
    definition.column = dataclasses.replace(
        new,
        comment=old.comment if new.comment is None else new.comment,
        enum_values=new.enum_values or old.enum_values,
        auto_increment=new.auto_increment or old.auto_increment,
        generated=new.generated or old.generated,
    )


def _redefine(editor: TableEditor, name: str, definition: Definition, *, lenient: bool) -> None:
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


def _altered(editor: TableEditor) -> None:
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


def _renamed(editor: TableEditor) -> TableId | None:
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


def _converted(editor: TableEditor) -> None:
    cursor = editor.cursor
    if cursor.at("PARTITION") or cursor.at("TABLE"):
        raise cursor.error(
            "tables made from partitions cannot be followed: expected CHARACTER SET"
        )
    cursor.expect("TO")
    found, charset = charset_option(cursor)
    if not found:
        raise cursor.error("expected CHARACTER SET")
    if cursor.at("COLLATE"):
        _, of_collation = charset_option(cursor)
        charset = charset or of_collation
    editor.convert(charset)


_ACTIONS: Final[dict[str, Callable[[TableEditor], TableId | None]]] = {
    "ADD": _added,
    "DROP": _dropped,
    "MODIFY": _modified,
    "CHANGE": _changed,
    "ALTER": _altered,
    "RENAME": _renamed,
    "CONVERT": _converted,
}
