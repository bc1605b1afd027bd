"""What keeps the daemon from starting is told before it is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance import cli
from appliance.config.providers import Providers
from appliance.config.spelling import meant
from appliance.config.worker import WorkerConfig
from appliance.doctor.examine import misspelt
from appliance.doctor.findings import Level
from appliance.doctor.start import examine_start
from appliance.supervisor import check_start
from appliance.worker.plugins import Plugins
from appliance.worker.validation import ConfigChecker
from tests.unit.doctor.test_service import hardened


def told(texts, service=None):
    return list(examine_start(WorkerConfig(texts, "run"), service, check_start))


def test_nothing_is_told_when_the_daemon_would_start():
    """The packaged worker file, and a service that runs."""
    assert told({}, hardened()) == []


def test_listener_is_told_when_the_daemon_refuses_it():
    """Open to other machines in the clear."""
    found = told({"listeners": "http://0.0.0.0:8083"})
    assert [f.level for f in found] == [Level.PROBLEM]
    assert "http://0.0.0.0:8083" in found[0].text
    assert [f.level for f in told({"listeners": "https://127.0.0.1:8083"})] == [Level.PROBLEM]


def test_service_is_told_of_when_it_does_not_run():
    """With where it says why."""
    found = told({}, hardened(active=False))
    assert [f.subject for f in found] == ["service"]
    assert found[0].remedy.startswith("systemctl start ingest-appliance  # journalctl -u")


def test_every_finding_is_told_when_the_worker_file_cannot_be_read(tmp_path, capsys):
    """As findings, for tools too."""
    path = tmp_path / "worker.properties"
    path.write_text("listeners=nope\ngroup.id=\nheartbeat.interval.ms=x\n")
    assert cli.main(["doctor", "--json", "--worker", str(path)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {f["subject"] for f in found} == {"worker"}
    assert len(found) >= 2


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        (
            "tables.includes.list",
            ["database.include.list", "table.include.list"],
            "table.include.list",
        ),
        ("tasks.mxa", ["tasks.max"], "tasks.max"),
        ("topics", ["topics", "topics.regex"], None),
        ("file", ["mode", "name"], None),
        ("tablex.inclusions.list", ["table.include.list"], None),
    ],
)
def test_name_is_meant_when_it_is_two_letters_away(name, known, nearest):
    """A swap of two letters is one slip."""
    assert meant(name, known) == nearest


@pytest.mark.parametrize(
    ("slip", "nearest"),
    [
        ("tables.includes.list", "table.include.list"),
        ("transforms.route.replacements", "transforms.route.replacement"),
        ("database.connectTimeout", None),
    ],
)
def test_option_is_named_when_a_connectors_is_misspelt(slip, nearest):
    """Of the connector and of what it names; what is handed on to a driver passes."""
    config = {
        "name": "orders",
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "transforms": "route",
        "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.route.regex": "a",
        slip: "x",
    }
    worker = WorkerConfig({}, "run")
    checker = ConfigChecker(worker, Plugins.discover(()), Providers({}))
    found = list(misspelt("orders", Path("f"), config, checker.validate(config)))
    assert [f.option for f in found] == ([slip] if nearest else [])
    assert all(f.text.endswith(f"Did you mean {nearest}?") for f in found)
