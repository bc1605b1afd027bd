"""Logger names: Kafka Connect's and Debezium's Java names for our modules.

Tools and runbooks set levels by these names; lines are written under them. A module without an entry
takes its package's; what matches nothing keeps its Python name.
"""

from __future__ import annotations

from typing import Final

_RUNTIME: Final = "org.apache.kafka.connect.runtime."
_STORAGE: Final = "org.apache.kafka.connect.storage."
_DEBEZIUM: Final = "io.debezium."

JAVA_NAMES: Final = {
    "appliance.herder": f"{_RUNTIME}distributed.DistributedHerder",
    "appliance.herder.standalone": f"{_RUNTIME}standalone.StandaloneHerder",
    "appliance.herder.assignor": f"{_RUNTIME}distributed.IncrementalCooperativeAssignor",
    "appliance.kafka.group": f"{_RUNTIME}distributed.WorkerCoordinator",
    "appliance.kafka.coordinator": f"{_RUNTIME}distributed.WorkerCoordinator",
    "appliance.kafka.membership": f"{_RUNTIME}distributed.WorkerGroupMember",
    "appliance.kafka.log": "org.apache.kafka.connect.util.KafkaBasedLog",
    "appliance.kafka.clients": "org.apache.kafka.clients.CommonClientConfigs",
    "appliance.kafka.topics": "org.apache.kafka.connect.util.TopicAdmin",
    "appliance.worker": f"{_RUNTIME}Worker",
    "appliance.worker.plugins": f"{_RUNTIME}isolation.Plugins",
    "appliance.worker.validation": f"{_RUNTIME}AbstractHerder",
    "appliance.runtime.source": f"{_RUNTIME}WorkerSourceTask",
    "appliance.runtime.delivery": f"{_RUNTIME}AbstractWorkerSourceTask",
    "appliance.runtime.offsets": f"{_STORAGE}OffsetStorageWriter",
    "appliance.runtime.sink": f"{_RUNTIME}WorkerSinkTask",
    "appliance.runtime.main": f"{_RUNTIME}WorkerTask",
    "appliance.runtime.hosted": f"{_RUNTIME}WorkerTask",
    "appliance.runtime.retry": f"{_RUNTIME}errors.RetryWithToleranceOperator",
    "appliance.runtime.dlq": f"{_RUNTIME}errors.DeadLetterQueueReporter",
    "appliance.runtime.pipeline": f"{_RUNTIME}TransformationChain",
    "appliance.storage.configs": f"{_STORAGE}KafkaConfigBackingStore",
    "appliance.storage.offsets": f"{_STORAGE}KafkaOffsetBackingStore",
    "appliance.storage.offsetfile": f"{_STORAGE}FileOffsetBackingStore",
    "appliance.storage.statuses": f"{_STORAGE}KafkaStatusBackingStore",
    "appliance.rest": f"{_RUNTIME}rest.RestServer",
    "appliance.rest.forward": f"{_RUNTIME}rest.RestClient",
    "appliance.rest.errors": f"{_RUNTIME}rest.errors.ConnectExceptionMapper",
    "appliance.supervisor": "org.apache.kafka.connect.cli.ConnectDistributed",
    "appliance.host": "org.apache.kafka.connect.cli.ConnectDistributed",
    "appliance.cli": "org.apache.kafka.connect.cli.AbstractConnectCli",
    "appliance.config.worker": f"{_RUNTIME}WorkerConfig",
    "appliance.config.connector": f"{_RUNTIME}ConnectorConfig",
    "appliance.connectors.filestream.source": "org.apache.kafka.connect.file.FileStreamSourceTask",
    "appliance.connectors.filestream.sink": "org.apache.kafka.connect.file.FileStreamSinkTask",
    "appliance.connectors.binlog": f"{_DEBEZIUM}connector.binlog.BinlogStreamingChangeEventSource",
    "appliance.connectors.binlog.snapshot": f"{_DEBEZIUM}relational.RelationalSnapshotChangeEventSource",
    "appliance.connectors.binlog.history": f"{_DEBEZIUM}storage.kafka.history.KafkaSchemaHistory",
    "appliance.connectors.binlog.ddl": f"{_DEBEZIUM}connector.binlog.BinlogDatabaseSchema",
    "appliance.connectors.mysql": f"{_DEBEZIUM}connector.mysql.MySqlConnector",
    "appliance.connectors.mariadb": f"{_DEBEZIUM}connector.mariadb.MariaDbConnector",
    "appliance.connectors.jdbc": "io.confluent.connect.jdbc.JdbcSourceConnector",
    "appliance.connectors.hdfs": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
    "appliance.connectors.storage": "io.confluent.connect.storage.TopicPartitionWriter",
    "appliance.schemaregistry": "io.confluent.kafka.schemaregistry.client.rest.RestService",
}

ALSO_KNOWN: Final = (
    "org.apache.kafka.clients.Metadata",
    "org.apache.kafka.clients.NetworkClient",
    "org.apache.kafka.clients.admin.KafkaAdminClient",
    "org.apache.kafka.clients.consumer.ConsumerConfig",
    "org.apache.kafka.clients.consumer.KafkaConsumer",
    "org.apache.kafka.clients.producer.KafkaProducer",
    "org.apache.kafka.clients.producer.ProducerConfig",
    "org.apache.kafka.connect.cli.ConnectStandalone",
    "org.apache.kafka.connect.file.FileStreamSinkConnector",
    "org.apache.kafka.connect.file.FileStreamSourceConnector",
    "org.apache.kafka.connect.json.JsonConverterConfig",
    f"{_RUNTIME}Connect",
    f"{_RUNTIME}ConnectMetrics",
    f"{_RUNTIME}WorkerConnector",
    f"{_RUNTIME}SinkConnectorConfig",
    f"{_RUNTIME}SourceConnectorConfig",
    f"{_RUNTIME}SubmittedRecords",
    f"{_RUNTIME}errors.LogReporter",
    f"{_RUNTIME}rest.resources.ConnectorsResource",
)
"""Names that users set and that must be there, though nothing of ours is written under them."""


def java_name(name: str) -> str:
    """Give the Java name for a Python logger's name; other names stay."""
    if not name.startswith("appliance"):
        return name
    package = name
    while package:
        found = JAVA_NAMES.get(package)
        if found is not None:
            return found
        package = package.rpartition(".")[0]
    return name
