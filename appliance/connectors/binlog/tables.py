"""What is known about a table at one position of the binlog: immutable columns and tables.

The names of types are those of the peer's history records: upper case, `UNSIGNED` and `ZEROFILL` behind
the name (`INT UNSIGNED ZEROFILL`). Literals of ENUM and SET members stay as SQL wrote them, quotes
included, for the same reason; `Column.options` are the members as they stand in events.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class TableId:
    """A table's name: database and table."""

    catalog: str
    table: str

    def __str__(self) -> str:
        """Give `database.table`, the form that filters and signals use."""
        return f"{self.catalog}.{self.table}"

    @property
    def quoted(self) -> str:
        """Give the form of history records, each part in double quotes."""
        return f'"{self.catalog}"."{self.table}"'

    @property
    def sql(self) -> str:
        """Give the form for statements, each part in backticks."""
        return f"{quote(self.catalog)}.{quote(self.table)}"


def quote(identifier: str) -> str:
    """Give an identifier in backticks."""
    return "`" + identifier.replace("`", "``") + "`"


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column.

    `position` counts from 1. `length` is a display width, a number of characters, digits or fractional
    seconds digits, or None where the statement gave none. `default_expression` is the text of a literal
    default without its outer quotes, None for none, NULL or an expression; `has_default` is also true
    for a nullable column without default. `generated` has the peer's odd meaning: the server fills the
    column (AUTO_INCREMENT), not that it is computed. `computed` says that: some servers leave
    such columns out of events, stored or not, and history records do not tell them.
    """

    name: str
    position: int
    type_name: str
    length: int | None = None
    scale: int | None = None
    charset: str | None = None
    enum_values: tuple[str, ...] = ()
    optional: bool = True
    auto_increment: bool = False
    generated: bool = False
    has_default: bool = False
    default_expression: str | None = None
    comment: str | None = None
    computed: bool = dataclasses.field(default=False, compare=False)

    @property
    def base_type(self) -> str:
        """Give the type's name without sign, zero fill and collation."""
        return (
            self.type_name.replace(" UNSIGNED", "")
            .replace(" SIGNED", "")
            .replace(" ZEROFILL", "")
            .replace(" BINARY", "")
        )

    @property
    def unsigned(self) -> bool:
        """Whether numbers have no sign; ZEROFILL implies it."""
        return " UNSIGNED" in self.type_name or " ZEROFILL" in self.type_name

    @property
    def options(self) -> tuple[str, ...]:
        """Give the members of an ENUM or SET as streamed events and `allowed` show them.

        Outer quotes and doubled quotes are undone, a comma gets a backslash, other backslash escapes
        stay: the peer does so too.
        """
        return tuple(
            _without_quotes(literal).replace(",", "\\,").replace("\\'", "'").replace("''", "'")
            for literal in self.enum_values
        )


def _without_quotes(literal: str) -> str:
    if len(literal) > 1 and literal[0] == literal[-1] and literal[0] in "'\"`":
        return literal[1:-1]
    return literal


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A table's columns in order and its key: primary key, or what stands in for one, else empty."""

    catalog: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    default_charset: str | None = None
    comment: str | None = None

    @property
    def id(self) -> TableId:
        """Give the table's name."""
        return TableId(self.catalog, self.name)

    def column(self, name: str) -> Column | None:
        """Give the column called `name`, in any case, or None."""
        folded = name.casefold()
        return next((c for c in self.columns if c.name.casefold() == folded), None)
