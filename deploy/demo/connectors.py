"""The five connectors of the quickstart, configured as for Kafka Connect."""

from __future__ import annotations

from pathlib import Path

from deploy.demo.settings import Settings

CDC_TOPICS = ("shop.shop.customers", "shop.shop.orders")
JDBC_TOPIC = "jdbc-payments"
FILE_TOPIC = "shop-visits"
TOPICS = (*CDC_TOPICS, JDBC_TOPIC, FILE_TOPIC)


def connectors(
    settings: Settings, user: str, password: str, fs: str, conf: Path
) -> dict[str, dict[str, str]]:
    """Give name -> configuration. `fs` and `conf`: HDFS's address and Hadoop's configuration."""
    mariadb_port = settings.ports["mariadb"]
    rotation = {
        "flush.size": "20",
        "rotate.schedule.interval.ms": "30000",
        "timezone": "UTC",
        "behavior.on.null.values": "ignore",
    }
    return {
        "shop-cdc": {
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
            "tasks.max": "1",
            "database.hostname": "127.0.0.1",
            "database.port": str(mariadb_port),
            "database.user": user,
            "database.password": password,
            "database.server.id": str(mariadb_port + 1),
            "topic.prefix": "shop",
            "database.include.list": "shop",
            "table.include.list": "shop.customers,shop.orders",
            "schema.history.internal.kafka.bootstrap.servers": settings.bootstrap,
            "schema.history.internal.kafka.topic": "shop-schema-history",
        },
        "shop-payments": {
            "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
            "tasks.max": "1",
            "connection.url": f"jdbc:mariadb://127.0.0.1:{mariadb_port}/shop",
            "connection.user": user,
            "connection.password": password,
            "mode": "incrementing",
            "incrementing.column.name": "id",
            "table.whitelist": "payments",
            "topic.prefix": "jdbc-",
            "poll.interval.ms": "1000",
        },
        "shop-visits": {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "tasks.max": "1",
            "file": str(settings.events_file),
            "topic": FILE_TOPIC,
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        },
        "shop-to-hdfs": {
            "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
            "tasks.max": "2",
            "topics": ",".join(CDC_TOPICS),
            "hdfs.url": fs,
            "hadoop.conf.dir": str(conf),
            "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
            **rotation,
        },
        "shop-to-files": {
            "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
            "tasks.max": "1",
            "topics": JDBC_TOPIC,
            "store.url": f"file://{settings.files}",
            "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
            **rotation,
        },
    }
