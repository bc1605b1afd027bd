"""Connectors follow their files: made, changed and removed with them, and nobody else's is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.clock import ManualClock
from appliance.config.connectorfile import OWNER_HEADER, OWNER_KEY
from appliance.connectorfolder import ConnectorFolder
from appliance.errors import BadRequestError, NotLeaderError, UnreachableError
from appliance.journal.journal import Journal
from appliance.rest.forward import Answer
from appliance.storage.snapshot import SessionKey
from tests.unit.rest.fakes import FakeHerder

HOST = "vm1"
PROPERTIES = "name=orders\nconnector.class=FileStreamSource\ntopic=t\nfile={}\n"


class Leader:
    """Another worker, to which requests are sent; it knows the hosts of the group's workers."""

    def __init__(self) -> None:
        self.hosts: list[str | None] = [HOST, "vm2"]
        self.requests: list[tuple[str, str, Any, str | None]] = []
        self.answers = [Answer(200, {}, b"{}")]

    def send(self, method, url, body, headers):
        if url.endswith("/appliance/v1/workers"):
            return Answer(200, {}, json.dumps([{"host": host} for host in self.hosts]).encode())
        self.requests.append((method, url, json.loads(body or b"null"), headers.get(OWNER_HEADER)))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Setting:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.herder: Any = FakeHerder()
        self.herder.session_key = SessionKey(b"k" * 32, "HmacSHA256", 0)
        self.leader = Leader()
        self.journal = Journal(None, "w")
        self.clock = ManualClock()

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def worker(self, host: str = HOST) -> ConnectorFolder:
        return ConnectorFolder(
            self.folder, self.herder, self.leader.send, self.journal, host, self.clock
        )

    def apply(self, host: str = HOST) -> list[str]:
        return self.worker(host).apply()


@pytest.fixture
def setting(tmp_path):
    return Setting(tmp_path)


def test_connector_is_made_and_marked_when_its_file_appears(setting):
    """The stored configuration is the file's, with the file's host and path."""
    path = setting.write("a.properties", PROPERTIES.format("/in"))

    assert setting.apply() == []
    assert setting.herder.configs["orders"] == {
        "name": "orders",
        "connector.class": "FileStreamSource",
        "topic": "t",
        "file": "/in",
        OWNER_KEY: f"{HOST}:{path}",
    }
    assert setting.journal.newest("audit", 1)[0].body["by"] == str(path)


def test_initial_state_counts_when_the_connector_is_new_alone(setting):
    """A reload does not stop what an operator has resumed."""
    config = {"connector.class": "FileStreamSource", "topic": "t"}
    body = {"name": "orders", "config": config}
    setting.write("a.json", json.dumps({**body, "initial_state": "STOPPED"}))
    setting.apply()
    assert setting.herder.states["orders"] == "STOPPED"

    setting.herder.states["orders"] = "RUNNING"
    config["topic"] = "u"
    setting.write("a.json", json.dumps({**body, "initial_state": "STOPPED"}))
    assert setting.apply() == []
    assert setting.herder.configs["orders"]["topic"] == "u"
    assert setting.herder.states["orders"] == "RUNNING"


def test_nothing_is_written_when_the_file_has_not_changed(setting):
    """A reload restarts only what changed, also where another host has the same file."""
    setting.write("a.properties", PROPERTIES.format("/in"))
    setting.apply()
    before = setting.herder.configs["orders"]

    assert setting.apply() == []
    assert setting.apply("vm2") == []
    assert setting.herder.configs["orders"] is before


def test_connector_is_taken_over_when_its_owners_host_is_no_member(setting, caplog):
    """After a rename, a loss or a restore elsewhere the same file owns it again, and may remove it."""
    path = setting.write("a.properties", PROPERTIES.format("/in"))
    setting.apply("lost")

    assert setting.apply() == []
    assert setting.herder.configs["orders"][OWNER_KEY] == f"{HOST}:{path}"
    assert f"connector=orders file={HOST}:{path} former=lost:{path}" in caplog.text
    path.unlink()
    assert setting.apply() == []
    assert "orders" not in setting.herder.configs


def test_connector_stays_its_owners_when_a_worker_does_not_tell_its_host(setting):
    """It may be the owner's: nothing is taken that might be held."""
    path = setting.write("a.properties", PROPERTIES.format("/in"))
    setting.apply("lost")
    setting.leader.hosts = [HOST, None]

    assert setting.apply() == []
    assert setting.herder.configs["orders"][OWNER_KEY] == f"lost:{path}"


def test_owner_follows_when_a_file_is_renamed(setting):
    """A slip in the new file is not taken for a file that is gone."""
    setting.write("a.json", '{"name": "orders", "config": {"connector.class": "X"}}')
    setting.apply()
    path = (setting.folder / "a.json").rename(setting.folder / "b.json")

    assert setting.apply() == []
    assert setting.herder.configs["orders"][OWNER_KEY] == f"{HOST}:{path}"
    path.write_text("{")
    assert len(setting.apply()) == 1
    assert "orders" in setting.herder.configs


def test_connector_is_removed_when_its_file_is(setting):
    """Only those go that a file of this host owned."""
    setting.herder.configs["by-rest"] = {"connector.class": "FileStreamSource"}
    setting.herder.configs["of-vm2"] = {
        "connector.class": "FileStreamSource",
        OWNER_KEY: "vm2:/etc/x.json",
    }
    for name in ("by-rest", "of-vm2"):
        setting.herder.states[name] = "RUNNING"
    path = setting.write("a.properties", PROPERTIES.format("/in"))
    setting.apply()
    path.unlink()

    assert setting.apply() == []
    assert set(setting.herder.configs) == {"by-rest", "of-vm2"}


def test_connector_stays_when_its_file_is_broken(setting):
    """A slip of the editor stops nothing: the file is named and the connector runs on."""
    path = setting.write("a.json", '{"name": "orders", "config": {"connector.class": "X"}}')
    setting.apply()
    path.write_text('{"name": "orders",')

    problems = setting.apply()
    assert len(problems) == 1
    assert str(path) in problems[0]
    assert "orders" in setting.herder.configs


def test_nothing_is_removed_when_the_folder_is_gone(setting):
    """A folder that is not mounted is a problem, not an empty folder."""
    path = setting.write("a.properties", PROPERTIES.format("/in"))
    setting.apply()
    path.unlink()
    setting.folder.rmdir()

    assert "No such file" in setting.apply()[0]
    assert "orders" in setting.herder.configs


def test_first_file_wins_when_two_define_one_connector(setting):
    """The other one is told of."""
    setting.write("a.properties", PROPERTIES.format("/first"))
    second = setting.write("b.properties", PROPERTIES.format("/second"))

    assert str(second) in setting.apply()[0]
    assert setting.herder.configs["orders"]["file"] == "/first"


def test_request_goes_to_the_leader_when_another_worker_leads(setting):
    """It says for which file it acts, and is tried again while the group rebalances."""
    setting.herder.fail_with = NotLeaderError("not me", "http://leader:8184/")
    setting.leader.answers = [Answer(409, {}, b"rebalance"), Answer(201, {}, b"{}")]
    path = setting.write("a.properties", PROPERTIES.format("/in"))

    assert setting.apply() == []
    assert len(setting.leader.requests) == 2
    method, url, body, owner = setting.leader.requests[0]
    assert (method, url) == (
        "PUT",
        "http://leader:8184/connectors/orders/config?forward=false",
    )
    assert body["file"] == "/in"
    assert owner == f"{HOST}:{path}"


def test_others_are_applied_when_one_is_refused(setting):
    """A wrong configuration is told with its file and holds up nobody."""
    setting.write("a.json", '{"name": "bad", "config": {"connector.class": "FileStreamSource"}}')
    setting.write("b.properties", PROPERTIES.format("/in"))

    def check(config):
        if config["name"] == "bad":
            raise BadRequestError("topic is missing")

    setting.herder.check = check
    problems = setting.apply()

    assert len(problems) == 1
    assert "a.json" in problems[0]
    assert "topic is missing" in problems[0]
    assert "orders" in setting.herder.configs


def test_file_waits_and_is_applied_when_what_it_names_is_away_for_a_while(setting, caplog):
    """It is told once, a wrong file beside it is left alone, and what was edited since waits for a reload."""
    path = setting.write("a.properties", PROPERTIES.format("/in"))
    setting.write("b.json", '{"name": "bad", "config": {"connector.class": "FileStreamSource"}}')
    asked = []
    away = True

    def check(config):
        asked.append(config["name"])
        if config["name"] == "bad":
            raise BadRequestError("topic is missing")
        if away:
            raise UnreachableError("the server db:3306 is away")

    setting.herder.check = check
    folder = setting.worker()
    problems = folder.apply()
    assert folder.waiting == [str(path)]
    assert "db:3306 is away; it is tried again by itself" in problems[0]
    assert len(problems) == 2

    new = setting.write("c.properties", PROPERTIES.format("/new").replace("orders", "new"))
    asked.clear()
    for _ in range(2):
        assert folder.apply(folder.waiting) == problems[:1]
    assert asked == ["orders", "orders"]
    assert caplog.text.count("db:3306 is away") == 1
    away = False
    assert folder.apply(folder.waiting) == []
    assert folder.waiting == []
    assert list(setting.herder.configs) == ["orders"]
    new.unlink()
    path.unlink()
    assert folder.apply([str(path)]) == []
    assert "orders" in setting.herder.configs


def test_file_waits_when_the_leader_alone_refuses_it_or_there_is_none(setting):
    """What this worker finds good may be good for the leader later; a file that is wrong waits for nothing."""
    path = setting.write("a.properties", PROPERTIES.format("/in"))
    setting.herder.fail_with = NotLeaderError("not me", "http://leader:8184/")
    for status in (400, 409):
        setting.leader.answers = [Answer(status, {}, b"db:3306 is away")]
        folder = setting.worker()
        assert "it is tried again by itself" in folder.apply()[0]
        assert folder.waiting == [str(path)]
    setting.leader.answers = [Answer(403, {}, b"no")]
    folder = setting.worker()
    assert "tried again" not in folder.apply()[0]
    assert folder.waiting == []
