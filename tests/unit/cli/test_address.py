"""Which daemon a verb means, as whom, and the file of contexts."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import pytest

from appliance import cli
from appliance.client import ClientError
from appliance.verbs.address import RefusedError, client_of

FILE = """# mine
current = "lab"
[contexts.lab]
url = "http://lab:1"  # the bench
[contexts.prod]
url = "https://prod:2"
token_env = "PROD_TOKEN"
read_only = true
[keys]
stop = "X"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a folder of settings that holds FILE."""
    (tmp_path / "ingest-tui").mkdir()
    (tmp_path / "ingest-tui/contexts.toml").write_text(FILE)
    return tmp_path


def asked(**given: str) -> argparse.Namespace:
    known = dict.fromkeys(("url", "context", "user", "cert", "cafile"))
    return argparse.Namespace(**{**known, **given})


@pytest.mark.parametrize(
    ("options", "environment", "url"),
    [
        ({}, {}, "http://lab:1"),
        ({"context": "prod"}, {"INGEST_APPLIANCE_URL": "http://e:1"}, "https://prod:2"),
        ({}, {"INGEST_APPLIANCE_CONTEXT": "prod"}, "https://prod:2"),
        ({}, {"INGEST_APPLIANCE_URL": "http://e:1"}, "http://e:1"),
        ({"url": "http://o:1"}, {"INGEST_APPLIANCE_URL": "http://e:1"}, "http://o:1"),
    ],
)
def test_daemon_is_the_nearest_one_named_when_several_are(home, options, environment, url):
    """Options come before the environment, that before the current context."""
    environ = {"XDG_CONFIG_HOME": str(home), "PROD_TOKEN": "s3", **environment}
    assert client_of(asked(**options), environ).url == url


@pytest.mark.parametrize(
    ("options", "environment", "login"),
    [
        ({}, {}, None),
        ({}, {"INGEST_APPLIANCE_TOKEN": "t"}, "Bearer t"),
        ({"context": "prod"}, {"INGEST_APPLIANCE_TOKEN": "t"}, "Bearer s3"),
        ({}, {"INGEST_APPLIANCE_USER": "a", "INGEST_APPLIANCE_PASSWORD": "b"}, "Basic YTpi"),
        (
            {"user": "a"},
            {"INGEST_APPLIANCE_TOKEN": "t", "INGEST_APPLIANCE_PASSWORD": "b"},
            "Basic YTpi",
        ),
    ],
)
def test_secret_is_the_context_s_own_when_it_has_one(home, options, environment, login):
    """A token or password comes from the context, else from the environment, never from an option."""
    environ = {"XDG_CONFIG_HOME": str(home), "PROD_TOKEN": "s3", **environment}
    assert client_of(asked(**options), environ)._headers.get("Authorization") == login


def test_faulty_file_is_in_nobody_s_way_when_an_address_is_given(home):
    """What is not needed is not read; where it is, the message names the file."""
    (home / "ingest-tui/contexts.toml").write_text("[[")
    environ = {"XDG_CONFIG_HOME": str(home)}
    assert client_of(asked(url="http://o:1"), environ).url == "http://o:1"
    with pytest.raises(ClientError, match=r"contexts\.toml"):
        client_of(asked(), environ)


def test_change_is_refused_when_the_context_is_read_only(home):
    """Nothing leaves this host; questions still may."""
    environ = {"XDG_CONFIG_HOME": str(home), "PROD_TOKEN": "s3"}
    client = client_of(asked(context="prod", url="http://127.0.0.1:1"), environ)
    with pytest.raises(RefusedError, match="read_only"):
        client.put("connectors", "a", "pause")
    with pytest.raises(RefusedError, match="read_only"):
        client.delete("connectors", "plan")
    with pytest.raises(ClientError, match="Is the daemon running"):
        client.post("appliance", "v1", "plan", body={"action": "stop", "target": "a"})
    with pytest.raises(ClientError, match="Is the daemon running"):
        client.put("connector-plugins", "a", "config", "validate", body={})


def test_file_keeps_its_words_when_a_context_is_set(home, monkeypatch, capsys):
    """`ctx set` and `ctx use` change their lines alone; the file stays what the console reads."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    file = home / "ingest-tui/contexts.toml"

    assert cli.main(["ctx", "set", "lab", "--url", "http://lab:9", "--prod"]) == 0
    assert cli.main(["ctx", "set", "new", "--token-command", "pass show 'a b'"]) == 0
    assert cli.main(["ctx", "use", "new"]) == 0
    assert cli.main(["ctx", "use", "nobody"]) == 4

    text = file.read_text()
    found = tomllib.loads(text)
    assert text.startswith('current = "new"\n# mine\n')
    assert found["contexts"]["lab"] == {"url": "http://lab:9", "prod": True}
    assert found["contexts"]["new"] == {"token_command": ["pass", "show", "a b"]}
    assert found["keys"] == {"stop": "X"}
    assert cli.main(["ctx", "list", "-o", "name"]) == 0
    assert capsys.readouterr().out == "lab\nprod\nnew\n"


def test_file_is_made_when_the_first_context_is_set(tmp_path, monkeypatch):
    """The first one is the current one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert cli.main(["ctx", "set", "lab", "--url", "http://lab:1"]) == 0
    found = tomllib.loads((tmp_path / "ingest-tui/contexts.toml").read_text())
    assert found == {"current": "lab", "contexts": {"lab": {"url": "http://lab:1"}}}
