"""JDBC source: polls tables or a query of MariaDB, MySQL, PostgreSQL or SQLite through SQLAlchemy."""

from __future__ import annotations

from appliance.api.plugin import Plugin

PLUGINS: tuple[Plugin, ...] = (
    Plugin(
        kind="source",
        java_class="io.confluent.connect.jdbc.JdbcSourceConnector",
        target="appliance.connectors.jdbc.connector:JdbcSourceConnector",
        version="10.10.0",
        task="appliance.connectors.jdbc.task:JdbcSourceTask",
        task_class="io.confluent.connect.jdbc.source.JdbcSourceTask",
    ),
)
