"""What the packages are made of fits together: pins, units, shipped files, dashboards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from appliance.config.connectorfile import read_connector_file
from appliance.config.properties import load_properties, parse_properties
from appliance.config.worker import WorkerConfig
from appliance.ids import State
from appliance.telemetry.metrics import GROUPS

ROOT = Path(__file__).resolve().parents[3]
PACKAGING = ROOT / "deploy/packaging"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned():
    """A package is built with the versions that were tried, whatever has come out since."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {canonical(re.split(r"[\[><=]", text)[0]) for text in project["dependencies"]}
    pins = (PACKAGING / "constraints.txt").read_text().splitlines()[1:]
    pinned = {canonical(line.partition("==")[0]) for line in pins}
    assert wanted - pinned == set()


def test_shipped_worker_file_changes_nothing():
    """Every option in it is a comment, so that its text need never change; each is a known one."""
    path = PACKAGING / "worker.properties"
    assert load_properties(path) == {}
    options = re.sub(r"(?m)^#([a-z.]+=)", r"\1", path.read_text())
    config = WorkerConfig(parse_properties(options), "run")
    assert config.unknown == ()
    assert config.bootstrap_servers == "127.0.0.1:9092"


def test_shipped_connector_file_is_the_readme_s():
    """Whoever copies it into connectors.d has what README.md shows."""
    path = PACKAGING / "employees.json"
    shown = read_connector_file(path)
    assert (shown.name, shown.target) == ("employees", None)
    indented = "".join(f"    {line}\n" for line in path.read_text().splitlines())
    assert indented in (ROOT / "README.md").read_text()


def test_broker_syncs_before_offsets_are_stored():
    """What is acknowledged is on the disk within the 3 s for which sources hold offsets back."""
    options = load_properties(PACKAGING / "server.properties")
    interval_ms = int(options["log.flush.interval.ms"])
    assert interval_ms + int(options["log.flush.scheduler.interval.ms"]) < 3000


@pytest.mark.parametrize("name", ["ingest-appliance", "ingest-appliance-kafka"])
def test_unit_is_hardened(name):
    """The switches of the service stay on, and none is newer than systemd 252."""
    text = (ROOT / f"systemd/{name}.service").read_text()
    for switch in (
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=\n",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateUsers=yes",
        "StartLimitIntervalSec=0",
        "Restart=always",
    ):
        assert switch in text
    assert "notify-reload" not in text
    assert "Requires=" not in text


def test_exit_78_stays_down():
    """A wrong configuration is not tried again and again; everything else is."""
    text = (ROOT / "systemd/ingest-appliance.service").read_text()
    assert "RestartPreventExitStatus=78" in text
    assert "WatchdogSec=" in text
    assert "LoadCredential=" in text


def known_metrics() -> set[str]:
    tasks = {f"kafka_connect_{group}_{name.replace('-', '_')}" for name, group in GROUPS.items()}
    states = {f"kafka_connect_worker_connector_{s.lower()}_task_count" for s in State}
    named, groups = set(), r'(connector|worker|rebalance)_sample\("([a-z-]+)"'
    for path in ("appliance/rest/samples.py", "appliance/telemetry/metrics.py"):
        text = (ROOT / path).read_text()
        named |= set(re.findall(r'"(kafka_connect_[a-z_]+)"', text))
        for group, attribute in re.findall(groups, text):
            stem = "worker_rebalance" if group == "rebalance" else group
            named.add(f"kafka_connect_{stem}_{attribute.replace('-', '_')}")
    return tasks | states | named


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "ingest-appliance-alerts.yml"])
def test_metric_exists_when_a_dashboard_or_alert_asks_for_it(name):
    """No panel stays empty and no alert silent because a name is wrong."""
    text = (ROOT / "deploy/monitoring" / name).read_text()
    if name.endswith(".json"):
        assert json.loads(text)["panels"]
    asked = set(re.findall(r"kafka_connect_\w+", text))
    assert asked
    assert asked - known_metrics() == set()


def test_completion_and_manual_know_every_command():
    """What the command line offers can be completed and looked up."""
    from appliance.cli import _parser
    from appliance.verbs.complete import SCRIPTS

    usage = _parser()[0].format_help()
    commands = re.findall(r"(?m)^    ([a-z-]+)(?: |$)", usage)
    assert "doctor" in commands
    packaged = (PACKAGING / "completion.bash").read_text()
    assert packaged.partition("\n")[2].strip() == SCRIPTS["bash"]
    manual = (PACKAGING / "man/ingest-appliance.8").read_text()
    for command in commands:
        assert f"\n.B {command}\n".replace("-", "\\-") in manual, command


def test_manual_knows_every_option_of_the_daemons_commands():
    """Nothing that these commands take has to be found out by trying."""
    import argparse

    from appliance.cli import _parser

    manual = (PACKAGING / "man/ingest-appliance.8").read_text().replace("\\-", "-")
    commands = next(
        action
        for action in _parser()[0]._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    usage = manual.partition(".SH DESCRIPTION")[0]
    for name in ("run", "distributed", "standalone", "doctor", "backup", "restore", "user"):
        shown = usage.split(f".B ingest-appliance {name}\n")[1].partition("\n.br\n")[0]
        for action in commands.choices[name]._actions:
            for option in set(action.option_strings) - {"-h", "--help"}:
                assert option in shown, f"{name} {option}"


def script(name: str, *words: str, folder: Path) -> list[str]:
    """Give what a maintainer script calls of systemd, in a system that has one."""
    called = folder / "called"
    called.write_text("")
    for command in ("deb-systemd-invoke", "py3clean"):
        file = folder / command
        file.write_text(f'#!/bin/sh\necho {command} "$@" >>{called}\n')
        file.chmod(0o755)
    text = (PACKAGING / f"debian/{name}").read_text().replace("/run/systemd/system", str(folder))
    text = text.replace("/usr/lib/ingest-appliance/", f"{folder}/")
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-s", *words], input=text, text=True, check=True, env=environment)
    return [line for line in called.read_text().splitlines() if "py3clean" not in line]


def test_upgrade_stops_what_would_run_on_removed_files(tmp_path):
    """The daemon stops when the new version is unpacked, before the old folder goes; the broker before its jars do."""
    stop = "deb-systemd-invoke stop {}.service"
    daemon, broker = stop.format("ingest-appliance"), stop.format("ingest-appliance-kafka")
    assert script("ingest-appliance.prerm", "upgrade", "2.0", folder=tmp_path) == []
    assert script("ingest-appliance.postrm", "upgrade", "2.0", folder=tmp_path) == [daemon]
    assert script("ingest-appliance-kafka.prerm", "upgrade", "2.0", folder=tmp_path) == [broker]
    (tmp_path / "1.0").mkdir()
    assert script("ingest-appliance.prerm", "upgrade", "1.0", folder=tmp_path) == [daemon]
