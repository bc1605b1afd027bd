"""Broker topics, folders and ports: what stands in the way is told with its remedy."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from appliance.config.providers import Providers
from appliance.config.worker import OWN_PORT_OFFSET, WorkerConfig
from appliance.connectors.files.writable import obstacle
from appliance.doctor import broker, files, machine, places
from appliance.doctor.findings import Level, exit_code
from appliance.errors import ConnectError
from appliance.kafka.cluster import Topic

CONFIG = WorkerConfig({}, "run")
REGISTRY = WorkerConfig({"appliance.registry.listeners": "http://127.0.0.1:8081"}, "run")
COMPACTED = {"cleanup.policy": "compact"}


class FakeCluster:
    def __init__(self, topics, brokers=("b:1",)) -> None:
        self.topics = topics
        self.brokers = list(brokers)

    def connect(self):
        if not self.brokers:
            raise ConnectError("asking for the brokers: refused")
        return self.brokers

    def topic(self, name):
        return self.topics.get(name.removeprefix("ingest-appliance-"))


def levels(cluster) -> list[Level]:
    return [finding.level for finding in broker.examine_broker(CONFIG, cluster)]


def test_all_is_well_when_topics_are_missing_or_compacted():
    """What is missing will be made as it must be."""
    assert set(levels(FakeCluster({"configs": Topic(1, 1, COMPACTED)}))) == {Level.OK}


def test_nothing_more_is_asked_when_the_broker_is_away():
    """One problem, with the service to look at."""
    found = list(broker.examine_broker(CONFIG, FakeCluster({}, brokers=())))
    assert [f.level for f in found] == [Level.PROBLEM]
    assert "systemctl status ingest-appliance-kafka" in found[0].remedy


def test_topic_is_told_of_when_it_is_not_as_it_must_be():
    """Partitions, policy, replicas."""
    cluster = FakeCluster(
        {
            "configs": Topic(3, 3, COMPACTED),
            "offsets": Topic(25, 3, {"cleanup.policy": "delete"}),
            "status": Topic(5, 1, COMPACTED),
            "journal": Topic(1, 3, {"cleanup.policy": "compact"}),
            "_schemas": Topic(2, 3, COMPACTED),
        },
        brokers=("a:1", "b:1", "c:1"),
    )
    found = {f.text.split()[0]: f for f in broker.examine_broker(REGISTRY, cluster)}
    assert {name.removeprefix("ingest-appliance-"): f.level for name, f in found.items()} == {
        "3": Level.OK,
        "configs": Level.PROBLEM,
        "offsets": Level.PROBLEM,
        "status": Level.WARNING,
        "journal": Level.PROBLEM,
        "_schemas": Level.PROBLEM,
    }
    assert "cleanup.policy=delete" in found["ingest-appliance-journal"].remedy
    assert "appliance.registry.topic" in found["_schemas"].remedy


def test_topics_of_journal_and_registry_pass_when_the_daemon_has_none():
    """Nobody reads them then."""
    config = WorkerConfig(
        {"appliance.journal.enable": "false", "appliance.registry.listeners": ""}, "run"
    )
    cluster = FakeCluster({"journal": Topic(3, 1, COMPACTED), "_schemas": Topic(3, 1, COMPACTED)})
    assert exit_code(broker.examine_broker(config, cluster)) == 0


def test_tool_is_the_packages_when_this_host_has_the_broker(tmp_path):
    """Elsewhere it has the name that Kafka's own package gives it."""
    tool = tmp_path / "broker"
    assert broker.configs_tool(str(tool)) == "kafka-configs.sh"
    tool.touch(0o755)
    assert broker.configs_tool(str(tool)) == f"{tool} configs"


def test_history_is_told_of_when_it_forgets():
    """A restart after the retention would not know the tables."""
    cluster = FakeCluster({"h": Topic(1, 1, {"retention.ms": "604800000"})})
    found = list(broker.examine_history(cluster, "h", "orders", "b:1"))
    assert [f.level for f in found] == [Level.PROBLEM]
    assert "--add-config retention.ms=-1" in found[0].remedy


def test_port_is_told_of_when_somebody_else_has_it():
    """Who it is, where it can be seen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = WorkerConfig({"listeners": f"http://127.0.0.1:{port}"}, "run")
        found = machine._port(config.listeners[0])
    assert found.level is Level.PROBLEM
    assert "stop " in found.remedy


def test_ports_of_workers_are_told_of_when_somebody_else_has_one():
    """The daemon takes another one then: a warning, with who it is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] - OWN_PORT_OFFSET - 1
        texts = {"listeners": f"http://127.0.0.1:{port}", "appliance.workers": "2"}
        found = list(machine._own_ports(WorkerConfig(texts, "run"), 0))
    assert [f.level for f in found] == [Level.WARNING]
    assert f"pid {os.getpid()}" in found[0].remedy


def test_ports_of_workers_are_well_when_nobody_has_them():
    """They are told in one line; a worker of a file of one's own has none."""
    assert [f.level for f in machine._own_ports(CONFIG, 0)] == [Level.OK]
    config = WorkerConfig({"listeners": "http://127.0.0.1:0"}, "run")
    assert list(machine._own_ports(config, 0)) == []


def test_folder_is_a_problem_when_no_folder_can_be_made_there():
    """Root may write into /proc, and makes nothing there: its room is no answer."""
    found = files.folder("lake", Path("/proc/nope"), "store.url")
    assert found.level is Level.PROBLEM
    assert "cannot be created" in found.text
    assert "GB free" not in found.text
    assert obstacle(Path("/proc/nope")) is not None


def test_folder_is_told_of_when_it_cannot_be_written(tmp_path):
    """With the drop-in that lets the hardened service write there."""
    assert files.folder("lake", tmp_path / "new").level is not Level.PROBLEM
    blocked = tmp_path / "file"
    blocked.touch()
    found = files.folder("lake", blocked / "below")
    assert found.level is Level.PROBLEM
    assert f"ReadWritePaths=-{blocked}/below" in found.remedy


def test_port_is_ours_when_a_process_of_the_daemon_has_it():
    """Whatever it answers: with TLS and users it tells nothing to the doctor."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = WorkerConfig({"listeners": f"https://127.0.0.1:{port}"}, "run")
        child = subprocess.Popen(["sleep", "60"], pass_fds=[taken.fileno()])
        try:
            assert machine._port(config.listeners[0], child.pid).level is Level.OK
            # a parent of the one who holds it is the daemon too
            assert machine._port(config.listeners[0], os.getpid()).level is Level.OK
        finally:
            child.kill()
            child.wait()


def test_owner_is_told_when_another_server_has_the_port():
    """MariaDB greets in a way that is no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        def greet():
            connection, _ = taken.accept()
            connection.sendall(b"J\x00\x00\x00\x0a10.11.6-MariaDB\x00\n")
            connection.close()

        greeter = threading.Thread(target=greet)
        greeter.start()
        config = WorkerConfig({"listeners": f"http://127.0.0.1:{port}"}, "run")
        found = machine._port(config.listeners[0])
        greeter.join()
    assert found.level is Level.PROBLEM
    assert f"pid {os.getpid()}" in found.remedy


@pytest.mark.parametrize(
    ("reference", "remedy"),
    [
        ("${dir:/run/credentials/ingest-appliance.service:secrets_db}", "systemctl restart"),
        ("${dir:/run/credentials/ingest-appliance.service:secrets_no}", "install -m 600"),
        ("${vault:secret/db:password}", "name the provider in config.providers"),
    ],
)
def test_remedy_fits_when_a_reference_is_not_resolved(reference, remedy, tmp_path):
    """A secret that was written since the start is there after the next one."""
    (tmp_path / "db").write_text("x")
    texts = {"database.password": reference, "pattern": "${topic}"}
    _, found = places.resolved("orders", texts, Providers({}), tmp_path)
    assert [f.option for f in found] == ["database.password"]
    assert found[0].remedy.startswith(remedy)


def test_database_is_not_asked_when_its_password_is_not_resolved():
    """One finding, not also what the server says of a login with a reference."""
    config = {
        "name": "orders",
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "database.hostname": "nobody.invalid",
        "database.user": "u",
        "database.password": "${vault:secret/db:password}",
    }
    found = list(places.examine_connection(WorkerConfig({}, "run"), config))
    assert [f.option for f in found] == ["database.password"]
