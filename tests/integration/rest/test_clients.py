"""Clients of Kafka Connect's REST API that others wrote run unchanged against the daemon."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
import venv
from pathlib import Path
from typing import Any

import pytest

from deploy.parts import free_ports
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

PACKAGES = {
    "several": ("kafka-connect-py", "kafka-connect-healthcheck", "kafka-connect-api"),
    # It names its own release tools (twine, wheel) as needed: left out. Python 3.13 took cgi away.
    "cli": (
        "--no-deps",
        "kafka-connect-cli",
        "requests==2.27.1",
        "urllib3==1.26.9",
        "charset-normalizer<2.1",
        "idna",
        "certifi",
        'legacy-cgi; python_version >= "3.13"',
    ),
}


@pytest.fixture(scope="module")
def environments(tmp_path_factory) -> dict[str, Path]:
    """Virtual environments with the clients, as pip installs them."""
    folders = {name: tmp_path_factory.mktemp("venv") / name for name in PACKAGES}
    installing = []
    for name, folder in folders.items():
        venv.create(folder)
        command = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python")]
        command += ["install", "--quiet", "--disable-pip-version-check", *PACKAGES[name]]
        installing.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in installing:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, f"pip could not install the clients: {errors}"
    return folders


@pytest.fixture(scope="module")
def daemon(broker, tmp_path_factory):
    """A worker for all clients."""
    folder = tmp_path_factory.mktemp("clients")
    group = f"clients-{uuid.uuid4().hex[:8]}"
    options = worker_options(broker.bootstrap, group, free_ports(1)[0])
    with Daemon(folder, "distributed", options) as running:
        yield running


@pytest.fixture
def config(tmp_path, unique_name) -> dict[str, str]:
    """A connector that copies a file into a topic."""
    (tmp_path / "in.txt").write_text("one\n")
    return {
        "connector.class": "FileStreamSource",
        "file": str(tmp_path / "in.txt"),
        "topic": unique_name,
    }


def run(program: Path, *words: str) -> Any:
    """Run a program; give what it printed, read as JSON where it is."""
    done = subprocess.run(
        [str(program), *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.stdout


def state_of(daemon: Daemon, name: str) -> list[str]:
    status = daemon.client.get("connectors", name, "status")
    return [status["connector"]["state"], *(task["state"] for task in status["tasks"])]


def await_state(daemon: Daemon, name: str, *states: str) -> None:
    wait_until(lambda: state_of(daemon, name) == list(states), f"{name} is {states}")


def test_kafka_connect_py_manages_a_connector(daemon, environments, unique_name, config):
    """`kc` creates, lists, changes, pauses, restarts, validates and deletes."""

    def kc(*words: str) -> Any:
        return run(environments["several"] / "bin/kc", "--url", daemon.url, *words)

    assert kc("info")["version"] == "4.3.1"
    created = kc("create", "-d", json.dumps({"name": unique_name, "config": config}))
    assert created["name"] == unique_name
    await_state(daemon, unique_name, "RUNNING", "RUNNING")
    assert unique_name in kc("list")
    assert unique_name in kc("list", "--pattern", f"^{unique_name}", "--state", "running")
    assert kc("get", unique_name)["type"] == "source"
    assert kc("status", unique_name)["connector"]["state"] == "RUNNING"
    assert kc("config", unique_name)["topic"] == unique_name
    assert kc("list-tasks", unique_name)[0]["id"] == {"connector": unique_name, "task": 0}
    assert kc("task-status", unique_name, "0")["state"] == "RUNNING"
    kc("pause", unique_name)
    await_state(daemon, unique_name, "PAUSED", "PAUSED")
    kc("resume", unique_name)
    await_state(daemon, unique_name, "RUNNING", "RUNNING")
    kc("restart", unique_name, "--include-tasks")
    kc("restart-task", unique_name, "0")
    wait_until(lambda: unique_name in json.dumps(kc("list-topics", unique_name)), "its topic")
    kc("reset-topics", unique_name)
    assert kc("update", unique_name, "-d", json.dumps({**config, "x": "1"}))["config"]["x"] == "1"
    classes = [plugin["class"] for plugin in kc("list-plugins")]
    assert "org.apache.kafka.connect.file.FileStreamSourceConnector" in classes
    # The command sends its text as a JSON string within JSON, which the peer refuses too: the library.
    code = (
        "import json, sys\n"
        "from kafka_connect.kafka_connect import KafkaConnect\n"
        "client = KafkaConnect(url=sys.argv[1])\n"
        "print(json.dumps(client.validate_connector_config(sys.argv[2], json.loads(sys.argv[3]))))\n"
    )
    python = environments["several"] / "bin/python"
    checked = run(python, "-c", code, daemon.url, "FileStreamSource", json.dumps(config))
    assert (checked["name"], checked["error_count"]) == ("FileStreamSource", 1)
    kc("delete", unique_name)
    assert unique_name not in kc("list")


def test_kafka_connect_cli_manages_a_connector(daemon, environments, unique_name, config):
    """`kafka_connect` creates, lists, changes, pauses, restarts and deletes, and checks health."""

    def kafka_connect(*words: str) -> Any:
        return run(environments["cli"] / "bin/kafka_connect", *words, "--url", daemon.url)

    named = ("--name", unique_name)
    text = json.dumps(config)
    kafka_connect("connector", "create", *named, "--configuration", text)
    await_state(daemon, unique_name, "RUNNING", "RUNNING")
    kafka_connect("connector", "create", *named, "--configuration", text, "--if-not-exists")
    assert unique_name in json.dumps(kafka_connect("connector", "list"))
    assert unique_name in json.dumps(kafka_connect("connector", "get", *named))
    assert kafka_connect("connector", "configuration", *named)["topic"] == unique_name
    changed = json.dumps({**config, "x": "1"})
    kafka_connect("connector", "update", *named, "--configuration", changed)
    assert daemon.client.get("connectors", unique_name, "config")["x"] == "1"
    kafka_connect("connector", "pause", *named)
    await_state(daemon, unique_name, "PAUSED", "PAUSED")
    kafka_connect("connector", "resume", *named)
    await_state(daemon, unique_name, "RUNNING", "RUNNING")
    kafka_connect("connector", "restart", *named)
    assert "0" in json.dumps(kafka_connect("task", "list", "--connector", unique_name))
    kafka_connect("task", "restart", "--connector", unique_name, "--task", "0")
    await_state(daemon, unique_name, "RUNNING", "RUNNING")
    kafka_connect("health-check")
    kafka_connect("connector", "delete", *named)
    assert unique_name not in daemon.client.get("connectors")


def test_kafka_connect_healthcheck_tells_a_failed_task(
    daemon, environments, unique_name, config, tmp_path
):
    """The check is healthy while tasks run, and names the one that failed."""
    code = (
        "import json, sys\n"
        "from kafka_connect_healthcheck.health import Health\n"
        "health = Health(sys.argv[1], None, ['FAILED'], None, 0, ['CONNECTOR', 'TASK'])\n"
        "print(json.dumps(health.get_health_result()))\n"
    )

    def checked() -> Any:
        return run(environments["several"] / "bin/python", "-c", code, daemon.url)

    daemon.client.put("connectors", unique_name, "config", body=config)
    await_state(daemon, unique_name, "RUNNING", "RUNNING")
    result = checked()
    assert (result["healthy"], result["failures"]) == (True, [])
    sink = {
        "connector.class": "FileStreamSink",
        "topics": unique_name,
        "file": str(tmp_path / "no/out"),
    }
    daemon.client.put("connectors", f"{unique_name}-out", "config", body=sink)
    await_state(daemon, f"{unique_name}-out", "RUNNING", "FAILED")
    result = checked()
    assert result["healthy"] is False
    assert result["failures"][0]["connector"] == f"{unique_name}-out"
    assert result["failures"][0]["trace"].startswith("org.apache.kafka.connect.errors.Connect")
    for name in (unique_name, f"{unique_name}-out"):
        daemon.client.delete("connectors", name)


def test_kafka_connect_api_manages_a_connector(daemon, environments, unique_name, config):
    """Its Cluster and Connector objects read and change what the daemon has."""
    begin = (
        "import json, sys\n"
        "from kafka_connect_api.kafka_connect_api import Api, Cluster, Connector\n"
        "url, name, config = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])\n"
        "cluster = Cluster(Api(url=url))\n"
        "connector = Connector(cluster, name)\n"
    )
    create = (
        "assert cluster.version == '4.3.1' and cluster.kafka_cluster, repr(cluster)\n"
        "assert name not in cluster.connectors\n"
        "connector.config = config\n"
        "assert connector.exists() and name in cluster.connectors\n"
    )
    manage = (
        "assert [task.is_running() for task in connector.tasks] == [True]\n"
        "assert connector.connector_class == 'FileStreamSource'\n"
        "connector.restart()\n"
        "connector.cycle_connector()\n"
        "assert cluster.root_logger['level'] == 'INFO'\n"
        "cluster.set_logger_log_level('org.apache.kafka.connect.runtime.Worker', 'DEBUG')\n"
        "assert cluster.loggers['org.apache.kafka.connect.runtime.Worker']['level'] == 'DEBUG'\n"
        "connector.delete()\n"
        "assert name not in cluster.connectors\n"
    )
    python = environments["several"] / "bin/python"
    words = (daemon.url, unique_name, json.dumps(config))

    run(python, "-c", begin + create, *words)
    await_state(daemon, unique_name, "RUNNING", "RUNNING")
    run(python, "-c", begin + manage, *words)
    assert unique_name not in daemon.client.get("connectors")
