"""Memory is judged by what cgroups allow, not by the machine alone."""

from __future__ import annotations

import pytest

from appliance.doctor.findings import Level
from appliance.doctor.memory import examine_memory
from tests.unit.doctor.test_service import hardened

MIB = 1 << 20


@pytest.fixture
def host(tmp_path):
    """A machine with 8 GB of which 4 are free; gives what puts a process into a cgroup, and what asks."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n")

    class Host:
        def group(self, line, folder, pid="self", **files):
            (tmp_path / f"proc/{pid}").mkdir(exist_ok=True)
            (tmp_path / f"proc/{pid}/cgroup").write_text(f"{line}\n")
            place = tmp_path / "cgroup" / folder
            place.mkdir(parents=True, exist_ok=True)
            for name, value in files.items():
                (place / name.replace("__", ".")).write_text(f"{value}\n")

        def ask(self, service=None):
            return list(examine_memory(service, tmp_path / "proc", tmp_path / "cgroup"))

        def meminfo(self, text):
            (tmp_path / "proc/meminfo").write_text(text)

    return Host()


def test_machine_counts_when_there_is_no_limit(host):
    """The kernel's own figure."""
    host.group("0::/", "", memory__max="max", memory__current=1)
    assert [f.level for f in host.ask()] == [Level.OK]
    host.meminfo("MemTotal: 1000000 kB\nMemAvailable: 100000 kB\n")
    assert [f.level for f in host.ask()] == [Level.WARNING]


def test_container_counts_when_it_has_less_than_the_machine(host):
    """Pages of files that can be dropped are no use of it; a cgroup above may be the tighter one."""
    used = {"memory__current": 400 * MIB, "memory__stat": f"anon 5\ninactive_file {300 * MIB}"}
    host.group("0::/a/b", "a", memory__max=512 * MIB, **used)
    host.group("0::/a/b", "a/b", memory__max="max", memory__current=400 * MIB)
    (found,) = host.ask()
    assert (found.level, found.text) == (Level.OK, "432 MB of 537 MB available")
    host.group("0::/a/b", "a", memory__stat="anon 5\ninactive_file 0")
    (found,) = host.ask()
    assert found.level is Level.WARNING
    assert "a/memory.max" in found.remedy


def test_container_counts_when_the_memory_controller_is_alone(host):
    """The older form, whose path is the host's."""
    host.group(
        "4:memory:/docker/abc",
        "memory",
        memory__limit_in_bytes=300 * MIB,
        memory__usage_in_bytes=200 * MIB,
    )
    (found,) = host.ask()
    assert found.level is Level.WARNING
    host.group("4:memory:/docker/abc", "memory", memory__limit_in_bytes=9223372036854771712)
    assert [f.level for f in host.ask()] == [Level.OK]


def test_service_is_told_of_when_its_limit_is_small(host):
    """Up or down; with the command that raises it."""
    machine, found = host.ask(hardened(memory_max=128 * MIB))
    assert machine.level is Level.OK
    assert found.level is Level.WARNING
    assert found.remedy == "systemctl set-property ingest-appliance MemoryMax=512M"
    limit = {"memory__max": 1024 * MIB, "memory__current": 1000 * MIB}
    host.group("0::/system.slice/x.service", "system.slice/x.service", "7", **limit)
    running = hardened(memory_max=1024 * MIB, main_pid=7)
    _, found = host.ask(running)
    assert found.level is Level.WARNING
    assert found.remedy == "systemctl set-property ingest-appliance MemoryMax=2048M"
    host.group("0::/system.slice/x.service", "system.slice/x.service", "7", memory__current=9)
    assert [f.level for f in host.ask(running)] == [Level.OK, Level.OK]


def test_nothing_is_said_against_it_when_memory_cannot_be_seen(host, tmp_path):
    """A sandbox may hide both."""
    (tmp_path / "proc/meminfo").unlink()
    assert [f.level for f in host.ask()] == [Level.OK]
