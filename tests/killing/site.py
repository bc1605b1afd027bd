"""The place of a trial: a broker, MariaDB, HDFS, the daemon with two workers, five connectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql

from appliance.client import Client
from deploy.parts import Broker, Hdfs, MariaDb, free_ports
from tests.daemon import Daemon, worker_options
from tests.killing.evidence import HdfsFiles, LocalFiles
from tests.killing.load import DATABASE, TABLES
from tests.waiting import wait_until

PREFIX = "kill"
LINES = "lines"
TOPICS = {table: f"{PREFIX}.{DATABASE}.{table}" for table in TABLES}
CDC, FILE_SOURCE, FILE_SINK, HDFS_SINK, LOCAL_SINK = "cdc", "lines-in", "lines-out", "lake", "disk"
GROUP = "killing"
READY_S = 60.0


@dataclass(frozen=True)
class Options:
    """How the daemon and its connectors are set up."""

    isolation: str = "task"
    exactly_once: bool = False


class Site:
    """Everything that runs; `broker`, `daemon` may be killed and started again."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self.broker = Broker(folder / "kafka")
        self.mariadb = MariaDb(folder / "mariadb")
        self.hdfs = Hdfs(folder / "hdfs")
        self.lines_in = folder / "lines.txt"
        self.lines_out = folder / "lines.out"
        self.disk = folder / "disk"
        port = free_ports(1)[0]
        self.daemon = Daemon(folder, "run", self._worker(port))
        self.daemon.environment["HADOOP_USER_NAME"] = self.hdfs.user

    def _worker(self, port: int) -> dict[str, str]:
        options = worker_options(self.broker.bootstrap, GROUP, port)
        options["session.timeout.ms"] = "6000"
        options["heartbeat.interval.ms"] = "2000"
        options["appliance.state.dir"] = str(self.folder / "state")
        options["appliance.task.isolation"] = self.options.isolation
        if self.options.exactly_once:
            options["exactly.once.source.support"] = "enabled"
            options["consumer.isolation.level"] = "read_committed"
        return options

    @property
    def client(self) -> Client:
        return self.daemon.client

    @property
    def lake_files(self) -> HdfsFiles:
        return HdfsFiles(self.hdfs.url, self.hdfs.user, "/topics")

    @property
    def local_files(self) -> LocalFiles:
        return LocalFiles(self.disk / "topics")

    def database(self) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        """Give an open connection in autocommit mode."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.mariadb.port,
            user=self.mariadb.user,
            password=self.mariadb.password,
            autocommit=True,
        )

    def connectors(self) -> dict[str, dict[str, str]]:
        """Give name -> configuration, as for Kafka Connect."""
        source = {"topic.creation.default.replication.factor": "1"}
        if self.options.exactly_once:
            source["exactly.once.support"] = "required"
        files = {
            "tasks.max": "2",
            "flush.size": "500",
            "rotate.schedule.interval.ms": "1000",
            "timezone": "UTC",
            "behavior.on.null.values": "ignore",
            "retry.backoff.ms": "500",
        }
        return {
            CDC: {
                "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
                "tasks.max": "1",
                "database.hostname": "127.0.0.1",
                "database.port": str(self.mariadb.port),
                "database.user": self.mariadb.user,
                "database.password": self.mariadb.password,
                "database.server.id": "7001",
                "topic.prefix": PREFIX,
                "database.include.list": DATABASE,
                "schema.history.internal.kafka.bootstrap.servers": self.broker.bootstrap,
                "schema.history.internal.kafka.topic": f"{PREFIX}-history",
                "topic.creation.default.partitions": "2",
                **source,
            },
            FILE_SOURCE: {
                "connector.class": "FileStreamSource",
                "file": str(self.lines_in),
                "topic": LINES,
                "topic.creation.default.partitions": "1",
                **source,
            },
            FILE_SINK: {
                "connector.class": "FileStreamSink",
                "file": str(self.lines_out),
                "topics": LINES,
            },
            HDFS_SINK: {
                "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
                "topics": ",".join(TOPICS.values()),
                "hdfs.url": self.hdfs.fs,
                "hadoop.conf.dir": str(self.hdfs.conf),
                "format.class": "io.confluent.connect.hdfs3.avro.AvroFormat",
                **files,
            },
            LOCAL_SINK: {
                "connector.class": "io.ingestappliance.connect.files.FilesSinkConnector",
                "topics": ",".join([*TOPICS.values(), LINES]),
                "store.url": str(self.disk),
                "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
                **files,
            },
        }

    def create_connectors(self) -> None:
        """Create sources, wait for their topics, then create the sinks; wait until all run."""
        wanted = self.connectors()
        for name in (CDC, FILE_SOURCE):
            self.client.put("connectors", name, "config", body=wanted.pop(name))
        wait_until(
            lambda: (
                len(self.client.get("connectors", CDC, "topics")[CDC]["topics"]) >= len(TABLES)
            ),
            "the topics of the initial snapshot",
            READY_S,
        )
        for name, config in wanted.items():
            self.client.put("connectors", name, "config", body=config)
        wait_until(lambda: not self.troubles(), "all connectors and tasks to run", READY_S)

    def await_streaming(self) -> None:
        """Wait until the stored offset stands behind the snapshot, which a kill would begin again."""

        def stored() -> bool:
            offsets = self.client.get("connectors", CDC, "offsets")["offsets"]
            return bool(offsets) and all("snapshot" not in entry["offset"] for entry in offsets)

        wait_until(stored, "a stored offset behind the initial snapshot", READY_S)

    def troubles(self) -> list[str]:
        """Give what is not as it should be by REST; empty: both workers up, everything RUNNING."""
        found = []
        states = self.client.get("connectors", expand="status")
        for name, config in self.connectors().items():
            status = states.get(name, {}).get("status")
            if status is None:
                found.append(f"{name} has no status")
                continue
            entries = [("connector", status["connector"])]
            entries += [(f"task {task['id']}", task) for task in status["tasks"]]
            found += [
                f"{name} {what} {e['state']}" for what, e in entries if e["state"] != "RUNNING"
            ]
            if len(status["tasks"]) != int(config.get("tasks.max", "1")):
                found.append(f"{name} has {len(status['tasks'])} tasks")
        workers = self.client.get("appliance", "v1", "snapshot")["workers"]
        if len(workers) != 2:
            found.append(f"{len(workers)} workers")
        return found

    def traces(self) -> list[str]:
        """Give the traces of what failed, by REST."""
        found = []
        for name, entry in self.client.get("connectors", expand="status").items():
            status = entry["status"]
            found += [
                f"{name}: {part['trace']}"
                for part in (status["connector"], *status["tasks"])
                if part.get("trace")
            ]
        return found


@contextmanager
def started(folder: Path, options: Options) -> Iterator[Site]:
    """Start everything, and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    with ExitStack() as stack:
        site = Site(folder, options)
        for server in (site.broker, site.mariadb):
            server.launch()
            stack.callback(server.stop)
        stack.callback(site.hdfs.stop)
        site.hdfs.start()
        for server in (site.broker, site.mariadb):
            server.wait_ready()
        stack.enter_context(site.daemon.start())
        yield site
