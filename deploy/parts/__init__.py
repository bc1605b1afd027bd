"""Obtains and runs the real servers beside the product: broker, databases, HDFS, Java peers.

The quickstart and the tests share this library, and nothing that ships imports it. It needs the
standard library alone. Parts land in one folder (`INGEST_PARTS`, default `.parts` in the
repository); servers are child processes of whoever starts them and end with it.

    from deploy.parts import Broker
    with Broker(Path("/tmp/demo")) as broker:
        print(broker.bootstrap)
"""

from deploy.parts.apicurio import Apicurio
from deploy.parts.connect import ConnectWorker
from deploy.parts.databases import MariaDb, MySql, PostgreSql
from deploy.parts.folder import PartError, parts_folder, progress
from deploy.parts.hdfs import Hdfs
from deploy.parts.kafka import Broker, KafkaCluster, KafkaNode
from deploy.parts.server import Server, free_ports

__all__ = [
    "Apicurio",
    "Broker",
    "ConnectWorker",
    "Hdfs",
    "KafkaCluster",
    "KafkaNode",
    "MariaDb",
    "MySql",
    "PartError",
    "PostgreSql",
    "Server",
    "free_ports",
    "parts_folder",
    "progress",
]
