"""A secret from a file provider is used, and is nowhere but in its file and in the tasks that need it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from appliance.client import AnswerError
from deploy.parts import Broker, free_ports
from tests.acceptance.pipelines import await_running, execute
from tests.daemon import Daemon, worker_options
from tests.root import lacks
from tests.waiting import wait_until

CANARY = "canary-7d1e55b0c3"
INLINE = "canary-inline-40ab"
PROVIDER = "org.apache.kafka.common.config.provider.FileConfigProvider"


@pytest.fixture
def own_broker(tmp_path):
    """A broker whose files can be read."""
    with Broker(tmp_path / "kafka") as broker:
        yield broker


def test_secret_is_nowhere_but_in_its_file(own_broker, mariadb, unique_name, tmp_path):
    """Not in logs, answers, topics, environments, command lines, state, nor in what a crash leaves."""
    debugger = lacks("gcore", "gdb") or forbids_debugging()
    user = f"u{unique_name}"
    execute(
        mariadb,
        f"CREATE DATABASE {unique_name}",
        f"CREATE TABLE {unique_name}.t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20))",
        f"INSERT INTO {unique_name}.t (name) VALUES ('one'), ('two')",
        f"CREATE USER {user}@'%' IDENTIFIED BY '{CANARY}'",
        f"GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user}@'%'",
    )
    secrets = tmp_path / "secrets.properties"
    secrets.write_text(f"password={CANARY}\n")
    reference = f"${{file:{secrets}:password}}"
    options = worker_options(own_broker.bootstrap, unique_name, free_ports(1)[0]) | {
        "config.providers": "file",
        "config.providers.file.class": PROVIDER,
        "config.providers.file.param.allowed.paths": str(tmp_path),
        "appliance.registry.listeners": "",
        "appliance.state.dir": str(tmp_path / "state"),
        "appliance.log.level": "DEBUG",
    }
    address = f"{mariadb.host}:{mariadb.port}"
    jdbc = {
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
        "connection.url": f"jdbc:mysql://{address}/{unique_name}?user={user}&password={reference}",
        "mode": "incrementing",
        "incrementing.column.name": "id",
        "topic.prefix": f"{unique_name}-",
    }
    binlog = {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.hostname": mariadb.host,
        "database.port": str(mariadb.port),
        "database.user": user,
        "database.password": reference,
        "database.server.id": str(20_000 + os.getpid() % 10_000),
        "topic.prefix": f"{unique_name}-cdc",
        "table.include.list": f"{unique_name}.t",
        "schema.history.internal.kafka.bootstrap.servers": own_broker.bootstrap,
        "schema.history.internal.kafka.topic": f"{unique_name}-history",
    }
    wrong = {
        **jdbc,
        "connection.url": f"jdbc:mysql://{address}/{unique_name}",
        "connection.user": user,
        "connection.password": INLINE,
    }
    with Daemon(tmp_path, "run", options) as daemon:
        assert daemon.process is not None
        main = daemon.process.pid
        client = daemon.client
        for name, config in (("jdbc", jdbc), ("binlog", binlog)):
            client.put("connectors", name, "config", body=config)
            await_running(daemon, name)
        # refused by the database, at the check or later: either tells of it
        with_error = [answer(client, "wrong", wrong), validation(client, wrong)]
        with_error += [validation(client, config) for config in (jdbc, binlog)]
        wait_until(
            lambda: b"two" in stored(tmp_path / "kafka", f"{unique_name}-t"), "rows in a topic"
        )
        task = daemon.processes()["ingest-task"][0]
        assert "Max core file size        0                    0" in limits(task)
        os.kill(task, signal.SIGABRT)
        wait_until(lambda: not Path(f"/proc/{task}").exists(), "the task has ended")
        places = {
            "answers": json.dumps([everything(client), with_error], default=str).encode(),
            "topics": stored(tmp_path / "kafka", ""),
            "the state folder": stored(tmp_path / "state", "") + stored(tmp_path / "run", ""),
            "command lines and environments": processes(daemon),
        }
        if not debugger:
            spawner = daemon.processes()["ingest-spawner"][0]
            places["a core of the main process"] = core(main, tmp_path)
            places["a core of the spawner"] = core(spawner, tmp_path)
    places["logs"] = daemon.log.read_bytes()
    assert b"jdbc" in places["answers"]
    assert b"DEBUG" in places["logs"]
    found = [place for place, content in places.items() if CANARY.encode() in content]
    assert found == []
    masked = ("answers", "logs", "command lines and environments", "the state folder")
    assert [place for place in masked if INLINE.encode() in places[place]] == []
    assert list(tmp_path.rglob("core*")) == []
    if debugger:
        pytest.skip(f"all held but the cores, which were not looked at: {debugger}")


def forbids_debugging() -> str:
    """Give why this user may not dump a process of its own, empty when it may."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.geteuid() == 0 or not scope.exists() or scope.read_text().strip() == "0":
        return ""
    return f"needs root: {scope} lets nobody else dump a process"


def answer(client: Any, name: str, config: dict[str, str]) -> Any:
    """Give what a PUT is answered with."""
    try:
        return client.put("connectors", name, "config", body=config)
    except AnswerError as error:
        return str(error)


def validation(client: Any, config: dict[str, str]) -> Any:
    """Give what the check of a configuration says."""
    return client.put(
        "connector-plugins", config["connector.class"], "config", "validate", body=config
    )


def everything(client: Any) -> list[str]:
    """Give the answer of every resource that is read, for each connector."""
    paths = client.get("appliance", "v1", "openapi.json")["paths"]
    answers = []
    for path in (path for path, verbs in paths.items() if "get" in verbs):
        if path.endswith(("/events", "/logs")):
            # streams without an end; what they carry is looked for where it comes from
            continue
        for name in ("jdbc", "binlog", "wrong"):
            filled = path.replace("{name}", name).replace("{task}", "0")
            filled = filled.replace("{topic}", "none").replace("{id}", "0")
            segments = [quote(part, safe="{}") for part in filled.strip("/").split("/")]
            try:
                with urlopen(f"{client.url}/{'/'.join(segments)}", timeout=95) as answer:
                    answers.append(answer.read().decode())
            except HTTPError as error:
                answers.append(error.read().decode())
    return answers


def stored(folder: Path, part: str) -> bytes:
    """Give the bytes of all files below a folder whose path has `part`."""
    files = [path for path in folder.rglob("*") if path.is_file() and part in str(path)]
    return b"".join(path.read_bytes() for path in files)


def processes(daemon: Daemon) -> bytes:
    """Give the command lines and environments of the daemon's processes."""
    assert daemon.process is not None
    pids = [daemon.process.pid, *(pid for pids in daemon.processes().values() for pid in pids)]
    return b"".join(
        Path(f"/proc/{pid}/{what}").read_bytes() for pid in pids for what in ("cmdline", "environ")
    )


def limits(pid: int) -> str:
    """Give a process's limits as the kernel tells them."""
    return Path(f"/proc/{pid}/limits").read_text()


def core(pid: int, folder: Path) -> bytes:
    """Give the memory of a process as a debugger dumps it."""
    file = folder / "dump"
    done = subprocess.run(
        ["gcore", "-o", str(file), str(pid)], capture_output=True, text=True, check=False
    )
    dump = folder / f"dump.{pid}"
    assert dump.exists(), done.stderr
    content = dump.read_bytes()
    dump.unlink()
    return content
