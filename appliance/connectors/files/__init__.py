"""Local files sink: topics into Avro, Parquet, JSON or text files of a local folder, exactly once."""

from __future__ import annotations

from appliance.api.plugin import Plugin

PLUGINS: tuple[Plugin, ...] = (
    Plugin(
        kind="sink",
        java_class="io.ingestappliance.connect.files.FilesSinkConnector",
        target="appliance.connectors.files.connector:FilesSinkConnector",
        version="0.1.0",
        task="appliance.connectors.files.connector:FilesSinkTask",
        task_class="io.ingestappliance.connect.files.FilesSinkTask",
    ),
)
