"""Two hosts with one group.id: they share the work; one that is cut off stops before the other takes over."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import pytest

from appliance.client import Client
from appliance.clock import SYSTEM_CLOCK
from appliance.rest.users import Role, token_line
from deploy.parts import Broker, free_ports
from tests.acceptance.hosts import Hosts
from tests.acceptance.pipelines import messages_until
from tests.certificates import certified
from tests.daemon import Daemon
from tests.waiting import wait_until

CONNECTORS = 4
SESSION_S = 10.0
FLUSH_S = 1.0
LINES_PER_S = 20
LOCKS = Path("/proc/locks")


class Host(Daemon):
    """A daemon on one of the hosts, configured as README.md shows it."""

    def __init__(self, hosts: Hosts, number: int, folder: Path, shared: dict[str, str]) -> None:
        address = hosts.addresses[number]
        options = {
            **shared,
            "listeners": f"https://{address}:8083",
            "rest.advertised.host.name": address,
            "appliance.state.dir": str(folder),
        }
        folder.mkdir()
        super().__init__(folder, "run", options)
        self._command = hosts.command(number, *self._command)

    def tasks(self) -> set[str]:
        """Give the tasks that hold their lock on this host now."""
        held = {line.split()[5].rpartition(":")[2] for line in LOCKS.read_text().splitlines()}
        files = (self.folder / "run").rglob("*.lock")
        locked = {file.stem for file in files if str(file.stat().st_ino) in held}
        return locked - {"daemon"}


class Load:
    """Files that grow by numbered lines until told to stop; a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / f"in-{number}.txt" for number in range(CONNECTORS)]
        self.count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        for file in self.files:
            file.touch()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not SYSTEM_CLOCK.wait(self._stop, 1 / LINES_PER_S):
            self.count += 1
            for file in self.files:
                with file.open("a") as out:
                    out.write(f"{file.stem}:{self.count}\n")


@pytest.fixture
def hosts():
    with Hosts(2) as made:
        yield made


@pytest.fixture
def reachable(hosts, tmp_path):
    """A broker that both hosts reach, and its address there."""
    port, controller = free_ports(2)
    address = f"{hosts.gateway}:{port}"
    properties = {
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://{address}",
    }
    with Broker(
        tmp_path / "kafka", port, controller_port=controller, properties=properties
    ) as broker:
        yield broker, address


def test_host_that_is_cut_off_stops_before_the_other_takes_over(
    hosts, reachable, tmp_path, unique_name
):
    """Its tasks end by their lease; the other runs all; with the link back both share; no line is lost."""
    broker, address = reachable
    certificate, key = certified(*hosts.addresses, "127.0.0.1")
    own, trusted = tmp_path / "tls.pem", tmp_path / "ca.pem"
    own.write_bytes(key + certificate)
    trusted.write_bytes(certificate)
    line, token = token_line("test", Role.ADMINISTER)
    (tmp_path / "users").write_text(line)
    shared = {
        "bootstrap.servers": address,
        "group.id": unique_name,
        "config.storage.topic": f"{unique_name}-configs",
        "offset.storage.topic": f"{unique_name}-offsets",
        "status.storage.topic": f"{unique_name}-status",
        "offset.flush.interval.ms": str(int(FLUSH_S * 1000)),
        "listeners.https.ssl.keystore.type": "PEM",
        "listeners.https.ssl.keystore.location": str(own),
        "listeners.https.ssl.truststore.type": "PEM",
        "listeners.https.ssl.truststore.location": str(trusted),
        "appliance.rest.users.file": str(tmp_path / "users"),
        "appliance.registry.listeners": "",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }
    pair = [Host(hosts, number, tmp_path / f"host-{number}", shared) for number in range(2)]
    headers = {"Authorization": f"Bearer {token}"}
    for host in pair:
        host.client = Client(host.url, headers=headers, cafile=str(trusted))
    kept, cut = pair
    try:
        for host in pair:
            host.start()
        with Load(tmp_path) as load:
            for number, file in enumerate(load.files):
                config = {
                    "connector.class": "FileStreamSource",
                    "file": str(file),
                    "topic": unique_name,
                }
                cut.client.put("connectors", f"lines-{number}", "config", body=config)
            wait_until(lambda: spread(kept, hosts.addresses) == [2, 2], "two tasks each", 60)
            assert len(kept.tasks()) == len(cut.tasks()) == 2

            hosts.link(1, "down")
            before = time.monotonic()
            wait_until(lambda: not cut.tasks(), "tasks without a lease end", SESSION_S + 10)
            stopped_s = time.monotonic() - before
            assert len(kept.tasks()) == 2, "the other host waits for the session to end"
            assert stopped_s < SESSION_S
            wait_until(lambda: len(kept.tasks()) == CONNECTORS, "the other takes over", 60)
            assert not cut.tasks()

            hosts.link(1, "up")
            wait_until(lambda: spread(kept, hosts.addresses) == [2, 2], "both share again", 90)
            load.stop()
        wanted = {f"{file.stem}:{n + 1}" for file in load.files for n in range(load.count)}
        counts = all_lines(broker.bootstrap, unique_name, wanted)
        assert set(counts) == wanted
        twice = sum(count - 1 for count in counts.values())
        # two tasks go on from their last stored offset; the hand-overs in order repeat nothing
        assert twice <= 2 * (FLUSH_S + 1) * LINES_PER_S
    finally:
        for host in pair:
            host.__exit__()


def all_lines(bootstrap: str, topic: str, wanted: set[str]) -> Counter[str]:
    """Give how often each line is in a topic, read until all that are wanted were seen."""
    missing, found = set(wanted), Counter[str]()

    def complete(message: Any) -> bool:
        line = message.value().decode()
        found[line] += 1
        missing.discard(line)
        return not missing

    for _ in messages_until(bootstrap, topic, complete):
        pass
    return found


def spread(host: Host, addresses: list[str]) -> list[int]:
    """Give how many running tasks each host has."""
    connectors = host.client.get("connectors", expand="status").values()
    places = [
        task["worker_id"].rpartition(":")[0]
        for connector in connectors
        for task in connector["status"]["tasks"]
        if task["state"] == "RUNNING"
    ]
    return [places.count(address) for address in addresses]
