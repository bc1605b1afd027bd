"""MySQL source: change data capture from the binlog, compatible with Debezium 3.6.1.Final."""

from __future__ import annotations

from appliance.api.plugin import Plugin

PLUGINS: tuple[Plugin, ...] = (
    Plugin(
        kind="source",
        java_class="io.debezium.connector.mysql.MySqlConnector",
        target="appliance.connectors.binlog.connector:MySqlConnector",
        version="3.6.1.Final",
        task="appliance.connectors.binlog.task:MySqlConnectorTask",
        task_class="io.debezium.connector.mysql.MySqlConnectorTask",
    ),
)
