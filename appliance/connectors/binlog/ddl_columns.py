"""Column definitions: type, attributes and default of a column as a statement writes them.

Semantics: the listeners of Debezium's MySQL and MariaDB DDL parsers, MariaDB's and MySQL's own grammar
where those have gaps (INET types, VECTOR, COMPRESSED, periods).
"""

from __future__ import annotations

import dataclasses
from typing import Final

from appliance.connectors.binlog.defaults import EPOCH_TEXT
from appliance.connectors.binlog.sqltokens import DdlError, Dialect, Token
from appliance.connectors.binlog.tables import Column, TableId

_LENGTHS_ONLY: Final = frozenset(
    [
        "BIT",
        "TINYINT",
        "SMALLINT",
        "MEDIUMINT",
        "INT",
        "INTEGER",
        "BIGINT",
        "INT1",
        "INT2",
        "INT3",
        "INT4",
        "INT8",
        "MIDDLEINT",
        "CHAR",
        "VARCHAR",
        "TEXT",
        "BLOB",
        "TINYTEXT",
        "TINYBLOB",
        "MEDIUMTEXT",
        "MEDIUMBLOB",
        "LONGTEXT",
        "LONGBLOB",
        "BINARY",
        "VARBINARY",
        "TIME",
        "TIMESTAMP",
        "DATETIME",
        "DATE",
        "YEAR",
        "JSON",
        "GEOMETRY",
        "POINT",
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
        "GEOMETRYCOLLECTION",
        "GEOMCOLLECTION",
        "UUID",
        "INET4",
        "INET6",
        "VECTOR",
        "BOOL",
        "BOOLEAN",
        "SERIAL",
        "NVARCHAR",
        "VARCHARACTER",
        "DOUBLE",
        "FLOAT",
        "REAL",
        "FLOAT4",
        "FLOAT8",
        "DECIMAL",
        "DEC",
        "FIXED",
        "NUMERIC",
        "NUMBER",
    ]
)
_CHARACTER: Final = (
    frozenset(
        [
            "CHAR",
            "VARCHAR",
            "TINYTEXT",
            "TEXT",
            "MEDIUMTEXT",
            "LONGTEXT",
            "NCHAR",
            "NVARCHAR",
            "CHARACTER",
            "LONG",
            "ENUM",
            "SET",
            "VARCHARACTER",
        ]
    )
    | {"LONG VARCHAR", "NATIONAL CHAR", "NATIONAL CHARACTER", "NATIONAL VARCHAR", "NCHAR VARCHAR"}
    | {
        "CHAR VARYING",
        "CHARACTER VARYING",
        "NCHAR VARYING",
        "NATIONAL CHAR VARYING",
        "NATIONAL CHARACTER VARYING",
    }
)
_TEN_DIGITS: Final = frozenset({"DECIMAL", "DEC", "FIXED", "NUMERIC", "NUMBER"})
_NOW: Final = frozenset({"CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"})
_NATIONAL: Final = ("NATIONAL", "NCHAR", "NVARCHAR")


def is_character(type_name: str) -> bool:
    """Say whether values of the type are text with a character set."""
    return type_name.removesuffix(" BINARY") in _CHARACTER


class Cursor:
    """A place in a list of tokens, and the questions that a parser asks there."""

    def __init__(self, tokens: list[Token], sql: str, dialect: Dialect) -> None:
        """Start at the first token."""
        self.tokens = tokens
        self.sql = sql
        self.dialect = dialect
        self.index = 0
        self.target: TableId | None = None

    @property
    def token(self) -> Token:
        """Give the token at the place."""
        return self.tokens[self.index]

    def ahead(self, count: int = 1) -> Token:
        """Give the token `count` further on."""
        return self.tokens[min(self.index + count, len(self.tokens) - 1)]

    def advance(self) -> Token:
        """Step over the token at the place and give it; the end stays."""
        token = self.tokens[self.index]
        if token.kind != "end":
            self.index += 1
        return token

    def at(self, *words: str) -> bool:
        """Whether the next tokens are these words or signs."""
        return all(
            (token := self.ahead(offset)).upper == word or token.text == word == token.value
            for offset, word in enumerate(words)
        )

    def at_any(self, *words: str) -> bool:
        """Whether the next token is one of these words or signs."""
        return any(self.at(word) for word in words)

    def skip(self, *words: str) -> bool:
        """Step over these words or signs if they are next."""
        if not self.at(*words):
            return False
        self.index += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Step over these words or signs. Raises DdlError when something else stands there."""
        if not self.skip(*words):
            raise self.error(f"expected {' '.join(words)}")

    def at_end(self) -> bool:
        """Whether the statement is over."""
        return self.token.kind == "end" or self.token.text == ";"

    def error(self, what: str) -> DdlError:
        """Give the error for this place."""
        found = self.token.text or "the end"
        return DdlError(
            f"Reading a DDL statement failed: {what} but found {found!r} at character "
            f"{self.token.start}. The statement is: {self.sql}"
        )

    def name(self) -> str:
        """Step over an identifier and give it. Raises DdlError."""
        token = self.token
        if token.kind in ("word", "name", "string") and token.value:
            self.index += 1
            return token.value
        if token.kind == "number" and token.text.isalnum():
            self.index += 1
            return token.text
        raise self.error("expected a name")

    def text(self) -> str:
        """Step over a string literal and give its inside. Raises DdlError."""
        if self.token.kind != "string":
            raise self.error("expected a text in quotes")
        return self.advance().value

    def skip_parentheses(self) -> None:
        """Step over a bracketed part, nested ones included. Raises DdlError when it does not close."""
        self.expect("(")
        depth = 1
        while depth:
            token = self.advance()
            if token.kind == "end":
                raise self.error("expected a closing bracket")
            if token.kind == "sign":
                depth += (token.text == "(") - (token.text == ")")

    def skip_item(self) -> None:
        """Step over the rest of an item of a list: up to a comma, closing bracket or the end."""
        while not self.at_end() and not self.at_any(",", ")"):
            if self.at("("):
                self.skip_parentheses()
            else:
                self.advance()


@dataclasses.dataclass(slots=True)
class Definition:
    """A column under construction, and what its definition says about the table's keys."""

    column: Column
    primary: bool = False
    unique: bool = False
    nullable: bool | None = None
    collation: str | None = None
    has_literal: bool = False
    row_period: bool = False

    def finished(self) -> Column:
        """Give the column with its nullability and default settled."""
        optional = self.nullable is not False and not self.primary
        return dataclasses.replace(
            self.column, optional=optional, has_default=self.has_literal or optional
        )


def parse_column(cursor: Cursor) -> Definition:
    """Read `name type attributes…`. Raises DdlError."""
    name = cursor.name()
    definition = Definition(Column(name, 0, ""))
    parse_type(cursor, definition)
    while _attribute(cursor, definition):
        pass
    return definition


def parse_type(cursor: Cursor, definition: Definition) -> None:
    """Read a data type with its own attributes (sign, character set)."""
    base = _type_name(cursor)
    column = definition.column
    if base == "SERIAL":
        base = "BIGINT UNSIGNED"
        column = dataclasses.replace(column, auto_increment=True, generated=True)
        definition.nullable, definition.unique = False, True
    length = scale = None
    members: tuple[str, ...] = ()
    if base in ("ENUM", "SET"):
        members = _members(cursor)
        length = 1 if base == "ENUM" else max(0, 2 * len(members) - 1)
    elif cursor.at("("):
        length, scale = _dimensions(cursor)
    if base in _TEN_DIGITS:
        length, scale = length or 10, scale or 0
    elif base == "BIT" and length is None:
        length = 1
    column = dataclasses.replace(
        column, type_name=base, length=length, scale=scale, enum_values=members
    )
    if base.startswith(_NATIONAL):
        column = dataclasses.replace(column, charset="utf8")
    definition.column = column
    while _sign(cursor, definition):
        pass


def _type_name(cursor: Cursor) -> str:
    word = cursor.advance().upper
    if word in ("ENUM", "SET", "SERIAL"):
        return word
    if word == "DOUBLE":
        return "DOUBLE PRECISION" if cursor.skip("PRECISION") else word
    if word == "LONG":
        second = next((w for w in ("VARCHAR", "VARBINARY", "VARCHARACTER") if cursor.skip(w)), "")
        if cursor.skip("CHAR", "VARYING"):
            second = "VARCHAR"
        return f"LONG {second}".strip()
    if word in ("NATIONAL", "NCHAR", "CHAR", "CHARACTER"):
        return _character_name(cursor, word)
    if word in _LENGTHS_ONLY:
        return word
    cursor.index = max(cursor.index - 1, 0)
    raise cursor.error("expected a data type")


def _character_name(cursor: Cursor, word: str) -> str:
    words = [word]
    if word == "NATIONAL":
        words.append(cursor.advance().upper)
        if words[1] not in ("CHAR", "CHARACTER", "VARCHAR", "VARCHARACTER"):
            raise cursor.error("expected CHAR or VARCHAR after NATIONAL")
    if cursor.at_any("VARYING", "VARCHAR") and words[-1] != "VARCHAR":
        words.append(cursor.advance().upper)
    return " ".join(words)


def _dimensions(cursor: Cursor) -> tuple[int | None, int | None]:
    cursor.expect("(")
    numbers: list[int] = []
    while not cursor.skip(")"):
        token = cursor.advance()
        if token.kind != "number" or not token.text.isdigit():
            raise cursor.error("expected a length")
        numbers.append(int(token.text))
        cursor.skip(",")
    return (numbers[0] if numbers else None), (numbers[1] if len(numbers) > 1 else None)


def _members(cursor: Cursor) -> tuple[str, ...]:
    cursor.expect("(")
    members: list[str] = []
    while not cursor.skip(")"):
        token = cursor.advance()
        if token.kind in ("hex", "bits"):
            members.append("'" + bytes.fromhex(token.value).decode("utf-8", "replace") + "'")
        elif token.kind == "string":
            members.append(token.text)
        elif not (token.kind == "word" and token.text.startswith("_")) and token.text != ",":
            raise cursor.error("expected a member in quotes")
    return tuple(members)


def _sign(cursor: Cursor, definition: Definition) -> bool:
    """Read one attribute that belongs to the type."""
    column = definition.column
    if cursor.at_any("SIGNED", "UNSIGNED", "ZEROFILL"):
        word = cursor.advance().upper
        name = column.type_name
        if word == "ZEROFILL" and " UNSIGNED" not in name:
            name += " UNSIGNED"
        if f" {word}" not in name:
            name += f" {word}"
        definition.column = dataclasses.replace(column, type_name=name)
        return True
    return _charset(cursor, definition)


def _charset(cursor: Cursor, definition: Definition) -> bool:
    column = definition.column
    if cursor.skip("CHARACTER", "SET") or cursor.skip("CHARSET") or cursor.skip("CHAR", "SET"):
        cursor.skip("=")
        name = cursor.name()
        charset = None if name.upper() == "DEFAULT" else name
        if charset is not None and charset.lower() == "binary":
            column = dataclasses.replace(column, type_name=_as_binary(column.type_name))
        definition.column = dataclasses.replace(column, charset=charset)
        return True
    if cursor.skip("ASCII"):
        definition.column = dataclasses.replace(column, charset="latin1")
        return True
    if cursor.skip("UNICODE"):
        definition.column = dataclasses.replace(column, charset="ucs2")
        return True
    if cursor.skip("BYTE"):
        definition.column = dataclasses.replace(column, type_name=_as_binary(column.type_name))
        return True
    if cursor.skip("BINARY"):
        name = f"{column.type_name} BINARY"
        definition.column = dataclasses.replace(column, type_name=name)
        return True
    if cursor.skip("COLLATE"):
        cursor.skip("=")
        definition.collation = cursor.name()
        return True
    return False


def _as_binary(type_name: str) -> str:
    if type_name in ("CHAR", "CHARACTER"):
        return "BINARY"
    if type_name.endswith("TEXT"):
        return type_name.replace("TEXT", "BLOB")
    return (
        "VARBINARY" if is_character(type_name) and type_name not in ("ENUM", "SET") else type_name
    )


_SKIPPED_WORDS: Final = (
    ("VISIBLE",), ("INVISIBLE",), ("VIRTUAL",), ("STORED",), ("PERSISTENT",), ("COMPRESSED",),
    ("NOT", "SECONDARY"), ("NOT", "ENFORCED"), ("ENFORCED",), ("WITH", "SYSTEM", "VERSIONING"),
    ("WITHOUT", "SYSTEM", "VERSIONING"),
)  # fmt: skip
_SKIPPED_OPTIONS: Final = (
    "COLUMN_FORMAT", "STORAGE", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE", "SRID", "REF_SYSTEM_ID",
)  # fmt: skip


def _attribute(cursor: Cursor, definition: Definition) -> bool:
    """Read one attribute; False where none stands."""
    return (
        _nullability(cursor, definition)
        or _default(cursor, definition)
        or _key(cursor, definition)
        or _sign(cursor, definition)
        or _generation(cursor, definition)
        or _constraint(cursor)
        or _skipped(cursor, definition)
    )


def _nullability(cursor: Cursor, definition: Definition) -> bool:
    if cursor.skip("NOT", "NULL"):
        definition.nullable = False
        return True
    if cursor.skip("NULL"):
        definition.nullable = True
        return True
    return False


def _default(cursor: Cursor, definition: Definition) -> bool:
    if cursor.skip("ON", "UPDATE"):
        _function(cursor)
        if cursor.dialect == "mysql":
            _generate(definition)
        return True
    if not cursor.skip("DEFAULT"):
        return False
    parse_default(cursor, definition)
    return True


def parse_default(cursor: Cursor, definition: Definition) -> None:
    """Read the value behind DEFAULT: a literal counts, an expression only says that there is one."""
    definition.has_literal = True
    definition.column = dataclasses.replace(
        definition.column, default_expression=_default_text(cursor)
    )


def _default_text(cursor: Cursor) -> str | None:
    token = cursor.token
    if token.kind == "sign" and token.text == "(":
        cursor.skip_parentheses()
        return None
    if token.kind == "sign" and token.text in "+-":
        cursor.advance()
        number = cursor.advance()
        if number.kind != "number":
            raise cursor.error("expected a number")
        return token.text + number.text
    if token.kind == "word" and token.text.startswith("_") and cursor.ahead().kind == "string":
        cursor.advance()
    parts: list[str] = []
    while cursor.token.kind == "string":
        parts.append(cursor.advance().value)
    if parts:
        return "".join(parts)
    if token.kind in ("number", "bits"):
        return cursor.advance().value
    if token.kind == "hex":
        cursor.advance()
        return None
    return _default_word(cursor)


def _default_word(cursor: Cursor) -> str | None:
    word = cursor.token.upper
    if not word:
        raise cursor.error("expected a default value")
    if word in ("TRUE", "FALSE"):
        return cursor.advance().text
    if word == "NULL":
        cursor.advance()
        return None
    _function(cursor)
    return EPOCH_TEXT if word in _NOW else None


def _function(cursor: Cursor) -> None:
    """Step over a function's name (with its library, if any) and arguments."""
    cursor.name()
    while cursor.skip("."):
        cursor.name()
    if cursor.at("("):
        cursor.skip_parentheses()
    elif cursor.skip("VALUE", "FOR"):
        cursor.name()
        while cursor.skip("."):
            cursor.name()


def _generate(definition: Definition) -> None:
    definition.column = dataclasses.replace(definition.column, auto_increment=True, generated=True)


def _key(cursor: Cursor, definition: Definition) -> bool:
    if cursor.skip("AUTO_INCREMENT"):
        _generate(definition)
        return True
    if cursor.skip("SERIAL", "DEFAULT", "VALUE"):
        _generate(definition)
        definition.nullable, definition.unique = False, True
        return True
    if cursor.skip("UNIQUE"):
        cursor.skip("KEY")
        definition.unique = True
        return True
    if cursor.skip("PRIMARY", "KEY") or cursor.skip("KEY") or cursor.skip("PRIMARY"):
        definition.primary = True
        return True
    return False


def _generation(cursor: Cursor, definition: Definition) -> bool:
    always = cursor.skip("GENERATED", "ALWAYS")
    if not cursor.skip("AS"):
        if always:
            raise cursor.error("expected AS")
        return False
    if cursor.skip("ROW", "START") or cursor.skip("ROW", "END"):
        definition.nullable = False
        definition.row_period = True
        return True
    cursor.skip_parentheses()
    definition.column = dataclasses.replace(definition.column, computed=True)
    return True


def _constraint(cursor: Cursor) -> bool:
    if cursor.skip("CONSTRAINT"):
        if not cursor.at("CHECK"):
            cursor.name()
        return True
    if cursor.skip("CHECK"):
        cursor.skip_parentheses()
        return True
    if cursor.skip("REFERENCES"):
        skip_references(cursor)
        return True
    return False


def skip_references(cursor: Cursor) -> None:
    """Step over what stands behind REFERENCES."""
    cursor.name()
    while cursor.skip("."):
        cursor.name()
    if cursor.at("("):
        cursor.skip_parentheses()
    while cursor.at_any("MATCH", "ON"):
        if cursor.advance().upper == "MATCH":
            cursor.name()
            continue
        cursor.name()
        if cursor.at("SET") or cursor.at("NO"):
            cursor.advance()
        cursor.advance()


def _skipped(cursor: Cursor, definition: Definition) -> bool:
    if cursor.skip("COMMENT"):
        cursor.skip("=")
        comment = cursor.text()
        definition.column = dataclasses.replace(definition.column, comment=comment)
        return True
    if any(cursor.skip(*words) for words in _SKIPPED_WORDS):
        if cursor.skip("="):
            cursor.advance()
        return True
    if cursor.at_any(*_SKIPPED_OPTIONS):
        cursor.advance()
        cursor.skip("=")
        cursor.advance()
        return True
    return False
