"""What the checks ask of a database whose binlog is read (connectors.binlog.server.Server)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from appliance.connectors.binlog.tables import TableId


class Questions(Protocol):
    """What is asked of a server; each raises ConnectError."""

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Give all rows of a statement."""

    def variable(self, name: str) -> str | None:
        """Give a global variable, None where the server has none of that name."""

    def tables(self) -> list[TableId]:
        """Give all base tables that the user sees."""

    def now_ms(self) -> int:
        """Give the server's clock."""


class Files(Protocol):
    """What is asked of a server about its binlog; each raises ConnectError."""

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Give all rows of a statement."""

    def binlogs(self) -> list[str]:
        """Give the names of the binlog files that the server still has, oldest first."""

    def has_position(self, offset: Mapping[str, Any]) -> bool:
        """Tell whether the server can still send everything after a stored offset."""
