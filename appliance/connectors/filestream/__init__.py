"""FileStream: the lines of a file into a topic, and a topic's records into a file, a line each."""

from __future__ import annotations

from appliance.api.plugin import Plugin

PLUGINS: tuple[Plugin, ...] = (
    Plugin(
        kind="source",
        java_class="org.apache.kafka.connect.file.FileStreamSourceConnector",
        target="appliance.connectors.filestream.source:FileStreamSourceConnector",
        task="appliance.connectors.filestream.source:FileStreamSourceTask",
        task_class="org.apache.kafka.connect.file.FileStreamSourceTask",
    ),
    Plugin(
        kind="sink",
        java_class="org.apache.kafka.connect.file.FileStreamSinkConnector",
        target="appliance.connectors.filestream.sink:FileStreamSinkConnector",
        task="appliance.connectors.filestream.sink:FileStreamSinkTask",
        task_class="org.apache.kafka.connect.file.FileStreamSinkTask",
    ),
)
