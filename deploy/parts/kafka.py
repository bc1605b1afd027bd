"""Apache Kafka in KRaft mode: a single node, or a controller with several brokers."""

from __future__ import annotations

import base64
import socket
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.parts.jars import obtain_files
from deploy.parts.java import JavaServer, write_properties
from deploy.parts.server import HOST, free_ports

LOGGING = {
    "status": "error",
    "appender.console.type": "Console",
    "appender.console.name": "console",
    "appender.console.layout.type": "PatternLayout",
    "appender.console.layout.pattern": "%d{ISO8601} %p %c{1}: %m%n",
    "rootLogger.level": "warn",
    "rootLogger.appenderRef.console.ref": "console",
}
"""log4j2: warnings and errors to stdout, which is the server's log file."""

QUICK_RETURN = {"broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500}
"""A killed broker may register again only when its last session is over (default 9 s)."""

SMALL_CLEANER = {"log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024}
"""The cleaner takes its buffer at once; the default, 128 MiB, is half of the small heap."""


def obtain_kafka() -> Path:
    """Give the folder with the broker's jars (Kafka 4.3.1, 40 MB)."""
    return obtain_files("kafka", "broker-jars")


class KafkaNode(JavaServer):
    """One Kafka process; `roles` is `broker`, `controller` or `broker,controller`."""

    def __init__(
        self,
        data: Path,
        *,
        node_id: int,
        roles: str,
        voters: str,
        cluster_id: str,
        port: int,
        controller_port: int,
        replication: int = 1,
        nodes: int = 1,
        benchmark: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(data, port)
        self.name = "kafka" if roles == "broker,controller" else f"kafka-{roles}-{node_id}"
        self.benchmark = benchmark
        if benchmark:
            self.heap = ("-Xms384m", "-Xmx384m")
        self._is_broker = "broker" in roles
        self._nodes = nodes
        self._cluster_id = cluster_id
        self._controller_port = controller_port
        listeners = []
        if self._is_broker:
            listeners.append(f"PLAINTEXT://{HOST}:{port}")
        if "controller" in roles:
            listeners.append(f"CONTROLLER://{HOST}:{controller_port}")
        self._properties: dict[str, object] = {
            "process.roles": roles,
            "node.id": node_id,
            "controller.quorum.voters": voters,
            "listeners": ",".join(listeners),
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.data / "log",
            "default.replication.factor": replication,
            "offsets.topic.replication.factor": replication,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": replication,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            **({} if benchmark else QUICK_RETURN | SMALL_CLEANER),
            **(properties or {}),
        }

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def prepare(self) -> None:
        write_properties(self.data / "server.properties", self._properties)
        write_properties(self.data / "log4j2.properties", LOGGING)
        if not (self.data / "log/meta.properties").exists():
            arguments = ("format", "-t", self._cluster_id, "-c", "server.properties")
            self.run_once(f"formatting {self.data}", "kafka.tools.StorageTool", *arguments)

    def main_class(self) -> str:
        return "kafka.Kafka"

    def arguments(self) -> list[str]:
        return ["server.properties"]

    def class_path(self) -> str:
        return f"{obtain_kafka()}/*"

    def system_properties(self) -> tuple[str, ...]:
        return (f"-Dlog4j2.configurationFile={self.data / 'log4j2.properties'}",)

    def ready(self) -> bool:
        """A broker answers a Metadata request that names every broker and the controller."""
        try:
            if not self._is_broker:
                socket.create_connection((HOST, self._controller_port), 1).close()
                return True
            return count_brokers(HOST, self.port) >= self._nodes
        except OSError:
            return False


class Broker(KafkaNode):
    """A single node that is broker and controller: `bootstrap` is its address."""

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        *,
        controller_port: int | None = None,
        base: int | None = None,
        benchmark: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        first, second = free_ports(2, base)
        controller_port = controller_port or second
        super().__init__(
            data,
            node_id=1,
            roles="broker,controller",
            voters=f"1@{HOST}:{controller_port}",
            cluster_id=new_cluster_id(),
            port=port or first,
            controller_port=controller_port,
            benchmark=benchmark,
            properties=properties,
        )


class KafkaCluster:
    """One controller (node 1) and `brokers` brokers (nodes 2, 3, ...) on this machine."""

    def __init__(
        self,
        data: Path,
        brokers: int = 2,
        *,
        base: int | None = None,
        benchmark: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        controller_port, *ports = free_ports(brokers + 1, base)
        cluster_id = new_cluster_id()
        replication = min(brokers, 3)

        def node(node_id: int, roles: str, port: int) -> KafkaNode:
            return KafkaNode(
                data / f"node-{node_id}",
                node_id=node_id,
                roles=roles,
                voters=f"1@{HOST}:{controller_port}",
                cluster_id=cluster_id,
                port=port,
                controller_port=controller_port,
                replication=replication,
                nodes=brokers,
                benchmark=benchmark,
                properties=properties,
            )

        self.controller = node(1, "controller", controller_port)
        self.brokers = [node(2 + n, "broker", port) for n, port in enumerate(ports)]

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.bootstrap for broker in self.brokers)

    @property
    def nodes(self) -> list[KafkaNode]:
        return [self.controller, *self.brokers]

    def start(self) -> Self:
        """Launch all nodes and wait until each broker knows all of them."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_ready()
        return self

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.stop()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def new_cluster_id() -> str:
    """Give a cluster id in Kafka's form: 16 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def count_brokers(host: str, port: int) -> int:
    """Give how many brokers a Metadata answer names, 0 while there is no controller.

    Raises OSError when the broker does not answer.
    """
    body = struct.pack(">hhih4si", 3, 1, 1, 4, b"part", 0)
    with socket.create_connection((host, port), 2) as connection:
        connection.settimeout(5)
        connection.sendall(struct.pack(">i", len(body)) + body)
        size = struct.unpack(">i", _receive(connection, 4))[0]
        answer = _receive(connection, size)
    count = int(struct.unpack_from(">i", answer, 4)[0])
    at = 8
    for _ in range(count):
        at += 4
        at += 2 + int(struct.unpack_from(">h", answer, at)[0])
        at += 4
        at += 2 + max(int(struct.unpack_from(">h", answer, at)[0]), 0)
    controller = struct.unpack_from(">i", answer, at)[0]
    return count if controller >= 0 else 0


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise ConnectionResetError("closed in the middle of an answer")
        received += chunk
    return received
