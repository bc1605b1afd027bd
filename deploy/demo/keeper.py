"""The process in the background: parent of the servers and the daemon, the shop's hands.

    python -m deploy.demo.keeper FOLDER

Its stderr is the progress that the person who started it sees. Everything runs on the main
thread, since children end with the thread that started them. What dies is started again after two
seconds, as systemd would do, so that anything may be killed to see what happens.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pymysql

from deploy.demo.connectors import connectors
from deploy.demo.counts import TopicCounter, connector_states, hdfs_files, local_files
from deploy.demo.daemon import Daemon
from deploy.demo.rest import put_connector
from deploy.demo.settings import Settings, load_settings
from deploy.demo.shop import SCHEMA, Shop
from deploy.parts import Broker, Hdfs, MariaDb, PartError, progress
from deploy.parts.folder import system_error
from deploy.parts.server import Server

STEP_S = 0.3
COUNT_S = 1.0
RESTART_S = 2.0


class Keeper:
    """Starts everything in order, keeps it going, publishes counts, stops in reverse order."""

    def __init__(self, settings: Settings) -> None:
        ports = settings.ports
        self._settings = settings
        self._broker = Broker(
            settings.data / "kafka", ports["kafka"], controller_port=ports["kafka-controller"]
        )
        self._mariadb = MariaDb(settings.data / "mariadb", ports["mariadb"])
        self._hdfs = Hdfs(
            settings.data / "hdfs",
            ports=(
                *(ports["hdfs"], ports["hdfs-http"]),
                *(ports["datanode"], ports["datanode-http"], ports["datanode-rpc"]),
            ),
            properties={"dfs.permissions.enabled": "false"},
        )
        self._daemon = Daemon(settings)
        self._shop = Shop(
            ports["mariadb"], self._mariadb.user, self._mariadb.password, settings.events_file
        )
        self._ended: dict[str, float] = {}

    def servers(self) -> list[Server]:
        """Give all processes in the order in which they start."""
        return [
            self._broker,
            self._mariadb,
            self._hdfs.namenode,
            self._hdfs.datanode,
            self._daemon,
        ]

    def run(self) -> None:
        """Start, then work until SIGTERM; always stops what it has started."""
        try:
            self._start()
            self._work()
        finally:
            progress("stopping")
            self._shop.close()
            for server in reversed(self.servers()):
                server.stop()

    def _start(self) -> None:
        self._announce("Kafka", self._broker, self._broker.start)
        self._announce("MariaDB", self._mariadb, self._mariadb.start)
        self._mariadb.sql(SCHEMA)
        self._announce("HDFS", self._hdfs.namenode, self._hdfs.start)
        self._settings.events_file.touch()
        self._settings.files.mkdir(exist_ok=True)
        self._open_shop()
        self._announce("the daemon", self._daemon, self._daemon.start)
        wanted = connectors(
            self._settings,
            self._mariadb.user,
            self._mariadb.password,
            self._hdfs.fs,
            self._hdfs.conf,
        )
        for name, config in wanted.items():
            put_connector(self._settings.rest_url, name, config)
            progress(f"connector {name} created: {config['connector.class']}")

    def _open_shop(self) -> None:
        try:
            for _ in range(20):
                self._shop.step()
        except pymysql.MySQLError as error:
            raise PartError(
                f"Filling the shop's tables in MariaDB on port {self._mariadb.port} failed: {error}; "
                f"see {self._mariadb.log_path}, or delete all data with deploy/quickstart reset."
            ) from error

    def _announce(self, what: str, server: Server, start: Callable[[], object]) -> None:
        progress(f"starting {what} on port {server.port}")
        began = time.monotonic()
        start()
        progress(f"{what} is ready ({time.monotonic() - began:.1f} s)")

    def _work(self) -> None:
        counter = TopicCounter(self._settings.bootstrap)
        next_count = time.monotonic()
        while True:
            try:
                self._shop.step()
            except (pymysql.MySQLError, OSError):
                time.sleep(STEP_S)
            self._revive()
            if time.monotonic() >= next_count:
                self._publish(counter)
                next_count = time.monotonic() + COUNT_S
            time.sleep(STEP_S)

    def _revive(self) -> None:
        """Start again what has ended two seconds ago."""
        for server in self.servers():
            if server.running:
                continue
            ended = self._ended.setdefault(server.name, time.monotonic())
            if time.monotonic() - ended >= RESTART_S:
                del self._ended[server.name]
                progress(f"{server.name} has ended; starting it again")
                server.launch()

    def _publish(self, counter: TopicCounter) -> None:
        publish(
            self._settings,
            {
                "phase": "running",
                "rows": self._shop.committed,
                "lines": self._shop.visits,
                "topics": counter.counts(),
                "files": {
                    "HDFS": hdfs_files(self._hdfs.url),
                    "local": local_files(self._settings.files),
                },
                "connectors": connector_states(self._settings),
                "servers": {server.name: server.running for server in self.servers()},
            },
        )


def publish(settings: Settings, state: dict[str, Any]) -> None:
    """Replace the state file as a whole."""
    scratch = settings.state_file.with_suffix(".partial")
    scratch.write_text(json.dumps(state))
    scratch.rename(settings.state_file)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(0)


def main() -> int:
    """Give the exit code: 1 after one sentence about what did not start."""
    signal.signal(signal.SIGTERM, _end)
    folder = Path(sys.argv[1])
    try:
        settings = load_settings(folder)
        if settings is None:
            raise PartError(f"{folder} holds no settings: use deploy/quickstart start.")
        Keeper(settings).run()
    except PartError as error:
        return _failed(folder, str(error))
    except OSError as error:
        purpose = f"Keeping the servers in {folder}"
        return _failed(folder, system_error(purpose, error, "--folder FOLDER"))
    return 0


def _failed(folder: Path, reason: str) -> int:
    """Say why it ends, in the state for those who follow, else in the log."""
    try:
        publish(Settings(folder, {}), {"phase": "failed", "error": reason})
    except OSError:
        progress(reason)
    return 1


if __name__ == "__main__":
    sys.exit(main())
