"""MariaDB source: change data capture from the binlog, compatible with Debezium 3.5.0.Final."""

from __future__ import annotations

from appliance.api.plugin import Plugin

PLUGINS: tuple[Plugin, ...] = (
    Plugin(
        kind="source",
        java_class="io.debezium.connector.mariadb.MariaDbConnector",
        target="appliance.connectors.binlog.connector:MariaDbConnector",
        version="3.5.0.Final",
        task="appliance.connectors.binlog.task:MariaDbConnectorTask",
        task_class="io.debezium.connector.mariadb.MariaDbConnectorTask",
    ),
)
