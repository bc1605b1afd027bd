"""Real servers for a whole test run: started when the first test asks, shared by all or by those of a lane.

Each server has a keeper, a process of its own (`python -m tests.servers NAME FOLDER PID`) that is
the server's parent, publishes its address as JSON, and ends with the pytest process PID. So the
server survives the xdist worker that asked first, and nothing survives the run. An environment
variable of `ATTACH` names a server that runs already; then nothing is started.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from deploy.parts import Broker, Hdfs, MariaDb, MySql, PartError, PostgreSql, Server
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class BrokerAddress:
    """A Kafka broker."""

    bootstrap: str


@dataclass(frozen=True)
class DatabaseAddress:
    """A database server and a user who may do everything."""

    scheme: str
    host: str
    port: int
    user: str
    password: str

    def connect(self, database: str | None = None, **options: Any) -> Any:
        """Give an open connection (PyMySQL or psycopg) in autocommit mode."""
        if self.scheme == "postgresql":
            import psycopg

            database = database or "postgres"
            where = f"host={self.host} port={self.port} user={self.user} dbname={database}"
            return psycopg.connect(where, password=self.password, autocommit=True, **options)
        import pymysql

        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            autocommit=True,
            **options,
        )


@dataclass(frozen=True)
class HdfsAddress:
    """A NameNode with a DataNode: WebHDFS `url`, `fs` as hdfs://, Hadoop's `conf` folder."""

    url: str
    fs: str
    conf: str
    user: str


Address = BrokerAddress | DatabaseAddress | HdfsAddress
A = TypeVar("A", BrokerAddress, DatabaseAddress, HdfsAddress)


def attached(name: str) -> Address | None:
    """Give the address that the environment names for this server, if it does."""
    text = os.environ.get(f"INGEST_TEST_{name.upper()}")
    if not text:
        return None
    if name == "broker":
        return BrokerAddress(text)
    if name == "hdfs":
        return HdfsAddress(text, os.environ["INGEST_TEST_HDFS_FS"], "", "hdfs")
    parts = urlsplit(text)
    return DatabaseAddress(
        "postgresql" if name == "postgres" else "mysql",
        parts.hostname or "127.0.0.1",
        parts.port or 0,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _database(scheme: str, server: Any) -> DatabaseAddress:
    return DatabaseAddress(scheme, "127.0.0.1", server.port, server.user, server.password)


def _start_hdfs(folder: Path) -> tuple[Hdfs, Address]:
    hdfs = Hdfs(folder).start()
    return hdfs, HdfsAddress(hdfs.url, hdfs.fs, str(hdfs.conf), hdfs.user)


def _start_broker(folder: Path) -> tuple[Server, Address]:
    broker = Broker(folder).start()
    return broker, BrokerAddress(broker.bootstrap)


def _start_database(
    kind: type[MariaDb | MySql | PostgreSql], scheme: str
) -> Callable[[Path], tuple[Server, Address]]:
    def start(folder: Path) -> tuple[Server, Address]:
        server = kind(folder).start()
        return server, _database(scheme, server)

    return start


STARTERS: dict[str, Callable[[Path], tuple[Any, Address]]] = {
    "broker": _start_broker,
    "mariadb": _start_database(MariaDb, "mysql"),
    "mysql": _start_database(MySql, "mysql"),
    "postgres": _start_database(PostgreSql, "postgresql"),
    "hdfs": _start_hdfs,
}


def address_of(kind: type[A], name: str, run_folder: Path, main_pid: int, lane: str = "") -> A:
    """Give the server's address, started now if no test of this run has asked before.

    With `lane` there is one for each lane of the run, so that tests at the same time do not meet in it.
    Raises AssertionError with how to get the part when it cannot be had.
    """
    found = attached(name)
    if isinstance(found, kind):
        return found
    folder = run_folder / f"{name}{lane}"
    published = folder / "address.json"
    with (run_folder / f"{name}{lane}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not published.exists():
            _start_keeper(name, folder, main_pid)
        answer = json.loads(published.read_text())
    if "error" in answer:
        raise AssertionError(
            f"{answer['error']}\nThe server {name} is needed by this test: try `python3 -m deploy.parts "
            f"obtain` by hand, or name a running one in INGEST_TEST_{name.upper()}."
        )
    return kind(**answer)


def _start_keeper(name: str, folder: Path, main_pid: int) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", name, str(folder), str(main_pid)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "keeper.pid").write_text(str(keeper.pid))
    wait_until(
        lambda: (folder / "address.json").exists() or keeper.poll() is not None,
        f"an answer of the keeper of {name}, see {folder / 'keeper.log'}",
        START_TIMEOUT_S,
    )
    assert (folder / "address.json").exists(), (folder / "keeper.log").read_text()
    # The keeper ends after this process: its exit is no concern of the one that asked first.
    keeper.returncode = 0


def stop_keepers(run_folder: Path) -> None:
    """End all servers of the run and wait until they are gone."""
    for path in run_folder.glob("*/keeper.pid"):
        try:
            handle = os.pidfd_open(int(path.read_text()))
        except ProcessLookupError:
            continue
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            select.select([handle], [], [], 60)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


def keep(name: str, folder: Path, main_pid: int) -> None:
    """Be the keeper: start, publish, wait for SIGTERM or the end of the run, stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main_process = os.pidfd_open(main_pid)
    scratch = folder / "address.json.partial"
    try:
        server, address = STARTERS[name](folder / "data")
    except PartError as error:
        scratch.write_text(json.dumps({"error": str(error)}))
        scratch.rename(folder / "address.json")
        return
    try:
        scratch.write_text(json.dumps(asdict(address)))
        scratch.rename(folder / "address.json")
        select.select([main_process], [], [])
    finally:
        server.stop()


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
