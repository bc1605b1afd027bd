"""HDFS sink over WebHDFS: topics into Avro, Parquet, JSON or text files, exactly once."""

from __future__ import annotations

from appliance.api.plugin import Plugin

_TARGET = "appliance.connectors.hdfs.connector"

PLUGINS: tuple[Plugin, ...] = (
    Plugin(
        kind="sink",
        java_class="io.confluent.connect.hdfs3.Hdfs3SinkConnector",
        target=f"{_TARGET}:HdfsSinkConnector",
        version="1.2.0",
        task=f"{_TARGET}:HdfsSinkTask",
        task_class="io.confluent.connect.hdfs3.Hdfs3SinkTask",
    ),
    Plugin(
        kind="sink",
        java_class="io.confluent.connect.hdfs.HdfsSinkConnector",
        target=f"{_TARGET}:HdfsSinkConnector",
        version="10.3.0",
        task=f"{_TARGET}:HdfsSinkTask",
        task_class="io.confluent.connect.hdfs.HdfsSinkTask",
    ),
)
