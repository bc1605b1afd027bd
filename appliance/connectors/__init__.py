"""Connectors, one package per system; `BUILTIN` names the modules whose `PLUGINS` ship.

Each named module has `PLUGINS: tuple[Plugin, ...]` and imports nothing heavy.
"""

from __future__ import annotations

BUILTIN: tuple[str, ...] = (
    "appliance.connectors.files",
    "appliance.connectors.filestream",
    "appliance.connectors.hdfs",
    "appliance.connectors.jdbc",
    "appliance.connectors.mariadb",
    "appliance.connectors.mysql",
)
