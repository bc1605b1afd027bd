"""Fixtures of every test: run-wide real servers, names of a test's own, kept logs.

`broker`, `mariadb`, `mysql`, `postgres` and `hdfs` are started when the first test asks for them
and shared by the whole run, but for the two with a binlog: each of the processes that run tests at
the same time has its own. A test that kills a server starts one of its own (`deploy.parts`).
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import uuid
from pathlib import Path

import pytest

from tests.servers import BrokerAddress, DatabaseAddress, HdfsAddress, address_of, stop_keepers


@pytest.fixture(autouse=True)
def _logs_stay_on():
    """Whatever a test calls, the tests after it in the same process find their lines."""
    yield
    assert logging.root.manager.disable == logging.NOTSET


def main_pid() -> int:
    """Give the pid of the run's main process, also in an xdist worker (its child)."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def run_folder() -> Path:
    """Give the folder of this run's servers; open to all, since PostgreSQL runs as nobody."""
    parent = Path(os.environ.get("INGEST_TEST_DIR") or tempfile.gettempdir())
    folder = parent / f"ingest-test-{main_pid()}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    return folder


def lane() -> str:
    """Give the name of this process among those that run tests at the same time."""
    return os.environ.get("PYTEST_XDIST_WORKER", "")


@pytest.fixture(scope="session")
def broker() -> BrokerAddress:
    """A KRaft broker: `.bootstrap`."""
    return address_of(BrokerAddress, "broker", run_folder(), main_pid())


@pytest.fixture(scope="session")
def mariadb() -> DatabaseAddress:
    """A MariaDB with a row binlog; `.connect()` gives a connection."""
    return address_of(DatabaseAddress, "mariadb", run_folder(), main_pid(), lane())


@pytest.fixture(scope="session")
def mysql() -> DatabaseAddress:
    """A MySQL with a row binlog and GTIDs; `.connect()` gives a connection."""
    return address_of(DatabaseAddress, "mysql", run_folder(), main_pid(), lane())


@pytest.fixture(scope="session")
def postgres() -> DatabaseAddress:
    """A PostgreSQL with logical decoding; `.connect()` gives a connection."""
    return address_of(DatabaseAddress, "postgres", run_folder(), main_pid())


@pytest.fixture(scope="session")
def hdfs() -> HdfsAddress:
    """A NameNode with a DataNode: WebHDFS at `.url`, `.fs` for configurations, `.user`."""
    return address_of(HdfsAddress, "hdfs", run_folder(), main_pid())


@pytest.fixture
def unique_name() -> str:
    """A name no other test has: for topics, topic prefixes, databases, groups, connectors."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def open_tmp_path():
    """A temporary folder that other users can enter (pytest's own is closed to them)."""
    folder = Path(tempfile.mkdtemp(prefix="ingest-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def pytest_sessionfinish(session, exitstatus):
    """Stop this run's servers; their logs stay when something failed."""
    if hasattr(session.config, "workerinput"):
        return
    folder = run_folder()
    stop_keepers(folder)
    if exitstatus == 0 or not any(folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"\nlogs of this run's servers: {folder}")
