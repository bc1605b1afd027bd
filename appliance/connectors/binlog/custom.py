"""Custom converters: columns that `converters` gives another type than their own.

Of the peer's built-in classes the one that is in wide use is here, TinyIntOneToBooleanConverter; any other
is refused, since its columns would silently come in another form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from appliance.connectors.binlog.config import custom_converters, split_regexes
from appliance.connectors.binlog.filters import Patterns, matches
from appliance.connectors.binlog.tables import Column, TableId


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    selector: Patterns
    any_length: bool

    def applies(self, name: str, column: Column) -> bool:
        fits = column.base_type == "TINYINT" and (self.any_length or column.length == 1)
        return fits and (not self.selector or matches(self.selector, name))


class CustomConverters:
    """The custom converters of one connector."""

    def __init__(self, config: Mapping[str, str]) -> None:
        """Read `converters` and the options below its names, which validation has found good."""
        self._rules = []
        for name, _ in custom_converters(config):
            checks_length = config.get(f"{name}.length.checker", "true").strip().lower() != "false"
            selector = split_regexes(config.get(f"{name}.selector") or "")
            self._rules.append(_Rule(selector, not checks_length))

    def seen_as(self, id_: TableId, column: Column) -> Column:
        """Give the column as a converter wants it seen, the column itself where none applies."""
        if any(rule.applies(f"{id_}.{column.name}", column) for rule in self._rules):
            return dataclasses.replace(column, type_name="BOOLEAN")
        return column
