"""Which tables a connector copies, by which columns, and how they are spread over tasks.

Semantics: kafka-connect-jdbc 10.10 TableMonitorThread and JdbcSourceConnector.taskConfigs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.connectors.jdbc import config as keys
from appliance.connectors.jdbc.database import TableId
from appliance.errors import ConfigError, ConnectError


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """The options that choose tables, parsed."""

    whitelist: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(cls, parsed: Mapping[str, Any]) -> Selection:
        """Read the options; `table` stands in for an absent `table.whitelist`."""
        whitelist = tuple(parsed[keys.WHITELIST])
        others = (keys.BLACKLIST, keys.INCLUDE, keys.EXCLUDE)
        if not whitelist and parsed.get(keys.TABLE) and not any(parsed[k] for k in others):
            whitelist = (parsed[keys.TABLE],)
        return cls(whitelist, *(tuple(parsed[k]) for k in others))

    def choose(self, tables: Sequence[TableId], quote: str) -> list[TableId]:
        """Give the tables to copy, in order. Raises ConnectError when two share a bare name."""
        chosen = [table for table in tables if self.wants(table, quote)]
        names = [table.name for table in chosen]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConnectError(
                "The connector uses the unqualified table name as the topic name and has detected duplicate "
                f"unqualified table names: {', '.join(twice)}. Name one of each in table.whitelist, or set "
                "catalog.pattern or schema.pattern."
            )
        return chosen

    def wants(self, table: TableId, quote: str) -> bool:
        """Whether the options choose a table."""
        if self.include:
            return _matches(self.include, table.fqn) and not _matches(self.exclude, table.fqn)
        names = {table.name, table.fqn, quoted_fqn(table, quote)}
        if self.whitelist:
            return bool(names & set(self.whitelist))
        return not names & set(self.blacklist)


def _matches(patterns: Sequence[str], text: str) -> bool:
    return any(re.fullmatch(pattern, text) for pattern in patterns)


def quoted_fqn(table: TableId, quote: str) -> str:
    """Give the full name with every part quoted."""
    parts = [table.container, table.name] if table.container else [table.name]
    return ".".join(quote + str(part).replace(quote, quote * 2) + quote for part in parts)


def parse_fqn(text: str, quote: str) -> TableId:
    """Read what `quoted_fqn` wrote."""
    pattern = rf"{quote}((?:[^{quote}]|{quote}{quote})*){quote}"
    parts = [part.replace(quote * 2, quote) for part in re.findall(pattern, text)]
    return TableId(parts[-2] if len(parts) > 1 else None, parts[-1])


def split_fqns(text: str, quote: str) -> list[TableId]:
    """Read a comma separated list of quoted full names."""
    part = rf"{quote}(?:[^{quote}]|{quote}{quote})*{quote}"
    return [parse_fqn(found, quote) for found in re.findall(rf"{part}(?:\.{part})*", text)]


def spread(tables: Sequence[TableId], max_tasks: int) -> list[list[TableId]]:
    """Cut the tables into contiguous groups, at most `max_tasks`, larger ones first."""
    groups = min(len(tables), max_tasks)
    size, larger = divmod(len(tables), groups)
    cut, result = 0, []
    for number in range(groups):
        end = cut + size + (1 if number < larger else 0)
        result.append(list(tables[cut:end]))
        cut = end
    return result


def mapped_columns(entries: Sequence[str], table: TableId, option: str) -> list[str]:
    """Give the columns that a `regex:column` mapping names for `table`. Raises ConfigError."""
    found = [
        columns.strip("[]").split("|")
        for pattern, _, columns in (entry.rpartition(":") for entry in entries)
        if re.fullmatch(pattern, table.fqn)
    ]
    if len(found) != 1:
        problem = "does not match any" if not found else "matches more than one"
        raise ConfigError(
            f"Included table '{table.fqn}' {problem} of the provided regexes in {option}; "
            "name each table once"
        )
    return [column.strip() for column in found[0] if column.strip()]


def split_mapping(text: str) -> list[str]:
    """Split `regex:[a|b],regex:[c]` at the commas outside brackets."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]
