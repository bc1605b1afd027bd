"""What is captured: databases, tables and columns by include and exclude lists.

Patterns match whole names, without regard to case. Semantics: Debezium RelationalTableFilters and
Tables.ColumnNameFilter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.connectors.binlog.config import split_regexes
from appliance.connectors.binlog.tables import Column, TableId

BUILT_IN: Final = frozenset({"mysql", "performance_schema", "sys", "information_schema"})

Patterns = Sequence[re.Pattern[str]]


def matches(patterns: Patterns, name: str) -> bool:
    """Whether one of the patterns is the whole name."""
    return any(pattern.fullmatch(name) for pattern in patterns)


class _Rule:
    """An include list or an exclude list; without either, everything passes."""

    def __init__(self, include: Any, exclude: Any) -> None:
        self.include = _patterns(include)
        self.exclude = _patterns(exclude)

    def __call__(self, name: str) -> bool:
        if self.include:
            return matches(self.include, name)
        return not matches(self.exclude, name)


def _patterns(option: Any) -> list[re.Pattern[str]]:
    """Compile a list option; a comma that the list's own parsing took apart is put back."""
    return split_regexes(",".join(option)) if option else []


class Filters:
    """The capture rules of one connector."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Compile the lists of parsed options. Raises ConfigError."""
        self._databases = _Rule(config["database.include.list"], config["database.exclude.list"])
        self._tables = _Rule(config["table.include.list"], config["table.exclude.list"])
        self._columns = _Rule(config["column.include.list"], config["column.exclude.list"])
        self._ignore_built_in = bool(config["table.ignore.builtin"])
        signal = config["signal.data.collection"]
        self.signal_table: str | None = signal[0].strip() if signal else None
        self._snapshot = _patterns(config["snapshot.include.collection.list"])
        self._captured: dict[TableId, bool] = {}

    def database(self, name: str) -> bool:
        """Whether tables of this database may be captured."""
        if self._ignore_built_in and name.lower() in BUILT_IN:
            return False
        return self._databases(name)

    def known(self, name: str) -> bool:
        """Whether definitions in this database are kept at all: not those of the server itself."""
        return not (self._ignore_built_in and name.lower() in BUILT_IN)

    def table(self, id_: TableId) -> bool:
        """Whether changes of this table are captured; the signal table always is."""
        found = self._captured.get(id_)
        if found is None:
            found = str(id_) == self.signal_table or (
                self.database(id_.catalog) and self._tables(str(id_))
            )
            self._captured[id_] = found
        return found

    def column(self, id_: TableId, column: Column) -> bool:
        """Whether a column is part of values."""
        return self._columns(f"{id_}.{column.name}")

    def snapshot_order(self, tables: Sequence[TableId]) -> list[TableId]:
        """Give the captured tables in order: as table.include.list says, else by name."""
        ordered = sorted(tables, key=lambda id_: (id_.catalog, id_.table))
        patterns = list(self._tables.include)
        if not patterns:
            return ordered
        if self.signal_table is not None:
            patterns.append(re.compile(re.escape(self.signal_table)))
        chosen: list[TableId] = []
        for pattern in patterns:
            chosen += [t for t in ordered if pattern.fullmatch(str(t)) and t not in chosen]
        return chosen

    def snapshotted(self, id_: TableId) -> bool:
        """Whether a snapshot reads the rows of a captured table."""
        return not self._snapshot or matches(self._snapshot, str(id_))
